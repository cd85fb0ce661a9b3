"""The estimate of a run, and what it is refused for before anything starts."""

import json
import math
import re
from collections import namedtuple

import pytest

from conftest import ROOT, changed
from goodpart.config import load
from goodpart.config.descriptions import memory_mb
from goodpart.errors import GoodpartError
from goodpart.jobs import downloads
from goodpart.models import flops, gpu, memory
from goodpart.models.architectures import kind_of
from goodpart_tools import estimate
from hub import Hub, serving

PAPER = ROOT / "workflow" / "configs" / "paper.yaml"
SHAPES = ROOT / "workflow" / "resources" / "shapes"
BIG = gpu.Gpu("0", "GPU-0", "Pretend 80GB", 80 << 30, 79 << 30)


@pytest.fixture
def paper(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(downloads.FOLDER, "/nonexistent")
    return load([PAPER])


def test_the_papers_models_have_their_public_sizes():
    sizes = {"llada-8b": 8_015_581_184, "dream-7b": 7_615_616_512, "qwen2.5-7b": 7_615_616_512}
    for name, parameters in sizes.items():
        raw = json.loads((SHAPES / f"{name}.json").read_text())
        assert memory.parameters(flops.Shape.of(raw), kind_of(raw, name).family) == parameters


def test_hours_follow_from_operations_and_rate(paper):
    first = estimate.costs(paper)
    second = estimate.costs(changed(paper, {"estimate": {"tflops": paper.estimate.tflops / 2}}))
    for a, b in zip(first, second, strict=True):
        if a.model.startswith("qwen"):  # bound by reading the weights
            assert math.isclose(a.hours, b.hours)
        else:
            assert math.isclose(2 * a.hours, b.hours)
            assert math.isclose(a.hours, a.operations / 125e12 / 3600)
        assert a.passes == 512 * a.completions
    assert 50 < sum(cost.hours for cost in first) < 500


def test_what_is_there_is_not_counted_again(paper, tmp_path):
    before = estimate.costs(paper, ROOT)
    elsewhere = changed(paper, {"paths": {"results": str(tmp_path)}})
    where = tmp_path / "generations/qwen2.5-7b/default/gsm8k/full/k0"
    where.mkdir(parents=True)
    (where / "0-127.parquet").touch()
    after = estimate.costs(elsewhere, ROOT)
    assert sum(c.completions for c in before) - sum(c.completions for c in after) == 128


def test_memory_of_a_small_gpu_gets_a_clear_answer(paper):
    found = estimate.costs(paper)
    estimate.check_gpu(paper, found, [BIG])
    small = gpu.Gpu("0", "GPU-0", "Pretend 16GB", 16 << 30, 16 << 30)
    with pytest.raises(
        GoodpartError,
        match=r"needs 17\.8 GB of GPU memory .* rest of the weights stays in",
    ):
        estimate.check_gpu(paper, found, [small])
    with pytest.raises(GoodpartError, match="needs a GPU, and this machine has none"):
        estimate.check_gpu(paper, found, [])
    small_enough = gpu.Gpu("0", "GPU-0", "Pretend 24GB", 24 << 30, 24 << 30)
    estimate.check_gpu(paper, found, [small, small_enough])


def test_weights_of_a_host_move_once_for_a_batch(paper):
    """Half the batch, twice the hours."""
    small, said = gpu.Gpu("0", "GPU-0", "Pretend 16GB", 16 << 30, 16 << 30), []
    for size in (8, 4):
        batch = changed(paper, {"models": {"llada-8b-instruct": {"batch_size": size}}})
        [cost] = [c for c in estimate.costs(batch) if c.model == "llada-8b-instruct"]
        with pytest.raises(GoodpartError) as error:
            estimate.check_gpu(batch, [cost], [small])
        said.append(float(re.search(r"would take ([\d,]+) hours", str(error.value))[1].replace(",", "")))
    bytes_moved = cost.passes / 8 * 2 * memory.parameters(cost.shape, "llada")
    assert said[0] == pytest.approx(bytes_moved / 25e9 / 3600, abs=0.51)
    assert said[1] == pytest.approx(2 * said[0], abs=1.01)


def test_files_of_a_configuration_that_say_nothing_or_no_yaml(paper, tmp_path):
    file = tmp_path / "mine.yaml"
    for text in ("", "# run: {}\n"):
        file.write_text(text)
        assert load([PAPER, file]) == paper
    for text, said in (("run: {models: [\n", "not valid YAML"), ("- run\n", "holds no keys with values")):
        file.write_text(text)
        with pytest.raises(GoodpartError, match=rf"mine\.yaml: {said}"):
            load([file])


def test_a_full_disk_is_named_before_anything_starts(paper, monkeypatch):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: usage(0, 0, 1 << 30))
    with pytest.raises(GoodpartError, match=r"are needed and 1\.1 GB are free.* as paths\.results"):
        estimate.check(paper, ["llada-8b-instruct"], fetches=True, local=False)


def test_a_hub_that_cannot_be_reached_or_lacks_something(paper, tmp_path):
    nowhere = changed(paper, {"downloads": {"endpoint": "http://127.0.0.1:9"}})
    with pytest.raises(GoodpartError, match="the hub cannot be reached"):
        estimate.check(nowhere, ["llada-8b-instruct"], fetches=True, local=False)
    with serving(Hub({})) as address:
        mirror = changed(paper, {"downloads": {"endpoint": address}})
        with pytest.raises(GoodpartError, match="not on the hub, or private"):
            estimate.check(mirror, ["llada-8b-instruct"], fetches=True, local=False)


def test_revisions_that_can_move_are_said(paper):
    assert estimate.unpinned(paper) == []
    [said] = estimate.unpinned(changed(paper, {"models": {"qwen2.5-7b": {"revision": "main"}}}))
    assert said.startswith("models.qwen2.5-7b.revision: 'main' can move")


def test_the_batch_follows_the_free_memory(monkeypatch):
    torch = pytest.importorskip("torch")
    shape = flops.Shape.of(json.loads((SHAPES / "llada-8b.json").read_text()))
    row = memory.row_bytes(shape, 712, 512, "bfloat16")
    assert 5e8 < row < 1.5e9
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(10.5 * row), 80 << 30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 0)
    monkeypatch.setattr(flops.Shape, "of_module", lambda config: shape)
    part = namedtuple("Part", "config")
    tokens = namedtuple("Tokens", "mask")(1)
    model = namedtuple("Model", "device dtype tokens module cuda_graphs")(
        torch.device("cuda"), torch.bfloat16, tokens, part(None), False
    )
    settings = namedtuple("Settings", "max_new_tokens")(512)
    assert memory.batch_that_fits(model, settings, 200, 64) == 9
    assert memory.batch_that_fits(model, settings, 200, 4) == 4
    twice = model._replace(cuda_graphs=True)  # a recorded pass has memory of its own
    assert memory.batch_that_fits(twice, settings, 200, 64) == 4


def test_a_run_on_a_machine_without_a_gpu_stops_before_any_job(workflow):
    (workflow.folder / "mine.yaml").write_text(
        json.dumps({"run": {"models": ["qwen2.5-tiny"]}, "models": {"qwen2.5-tiny": {"gpu": 1}}})
    )
    empty = workflow.folder / "bin"
    empty.mkdir()
    arguments = ("--cores", "1", "--configfile", "mine.yaml")
    assert workflow.snakemake("-n", *arguments).returncode == 0
    run = workflow.snakemake("paper_figs/table1.csv", *arguments, PATH=f"{empty}:/usr/bin:/bin")
    assert run.returncode != 0
    assert "qwen2.5-tiny: needs a GPU, and this machine has none that nvidia-smi lists" in run.stdout
    assert "Traceback" not in run.stdout
    assert not (workflow.folder / "results" / "items").exists()


HALF_A_BILLION = {
    "model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936,
}  # fmt: skip


@pytest.mark.parametrize(("dtype", "least", "most"), [("float32", 4200, 9000), ("bfloat16", 2500, 6000)])
def test_a_job_requests_the_memory_of_its_model(tmp_path, dtype, least, most):
    """A job of such a model took 4,200 MB in float32."""
    (tmp_path / "config.json").write_text(json.dumps(HALF_A_BILLION))
    model = {"path": str(tmp_path), "family": "qwen2", "layers": 24, "layers_skipped": [0], "dtype": dtype}
    configuration = changed(load(root=ROOT), {"models": {"real": model}})
    assert least < memory_mb(configuration, "real") < most
    assert memory_mb(changed(configuration, {"models": {"real": {"mem_mb": 700}}}), "real") == 700
    assert memory_mb(configuration, "qwen2.5-tiny") == 2000


def test_the_rates_of_this_machine_may_be_measured(monkeypatch, capsys):
    from goodpart_tools import rates

    monkeypatch.setattr(rates, "SECONDS", 0.05)
    monkeypatch.setattr(rates, "READ", 1 << 22)
    found = rates.measured()
    assert 1e-4 < found.tflops < 1000
    assert 0.1 < found.gb_s < 10_000
    assert "CPU" in found.where or "measured on" in found.where
