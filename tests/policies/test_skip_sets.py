"""Skip sets as files: made from measurements, edited by hand, refused by name."""

import json

import numpy as np
import pytest
import torch

from conftest import run_script
from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import provenance, read_metadata, read_table, write_rows
from goodpart.policies import Choice, with_defaults
from goodpart.policies.skip_sets import FULL_DEPTH, read_skip_set, write_sets, write_static
from goodpart.states.first_pass import FirstPass
from goodpart.states.pooling import (
    ANGLES_SCHEMA,
    PROMPT_SCHEMA,
    mean_angles,
    of_prompts,
    phase_similarities,
    pooled_similarities,
)
from scripts import angles as angles_rule
from scripts import statistics

LAYERS = 6


def static(tmp_path, **values):
    path = tmp_path / "k2.json"
    path.write_text(json.dumps(values))
    return path


def test_a_file_by_hand_is_enough(tmp_path):
    found = read_skip_set(static(tmp_path, layers=[4, 1]), LAYERS)
    assert found.layers == found.of_item("any", "item") == [1, 4]
    assert found.skip_at(8) is None
    assert found.counts("any", "item", 8, 3) == 2


def test_no_file_is_full_depth():
    assert read_skip_set(None, LAYERS) is FULL_DEPTH
    assert FULL_DEPTH.layers == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layer": [1]}, r"k2\.json: a skip set is an object with the key layers"),
        ({"layers": [1, 6]}, r"k2\.json: layers \[6\] do not exist: the model has layers 0 to 5; correct"),
        ({"layers": [1, 1]}, r"k2\.json: a layer is named twice"),
        ({"layers": [0, 1, 2, 3, 4, 5]}, "at least one must stay"),
        ({"layers": "1, 2"}, 'layers must be a list of whole numbers, not "1, 2"'),
        ({"layers": [1.5]}, r"whole numbers, not \[1.5\]"),
        ({"layers": [True]}, r"whole numbers, not \[true\]"),
        ({"layers": [2], "index_base": 1}, "index_base 1: layers are numbered from 0 here"),
    ],
)
def test_a_spoilt_file_is_named_with_its_fix(tmp_path, values, message):
    with pytest.raises(GoodpartError, match=message):
        read_skip_set(static(tmp_path, **values), LAYERS)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2")
    (tmp_path / "b.json").write_text("[1, 2]")
    for name, message in {
        "a.json": "not valid JSON",
        "b.json": "an object with the key layers",
        "c.json": "no such file",
        "d.txt": r"is a \.json file \(static\) or a \.parquet file",
    }.items():
        with pytest.raises(GoodpartError, match=message):
            read_skip_set(tmp_path / name, LAYERS)
    write_rows(tmp_path / "e.parquet", [], PROMPT_SCHEMA, provenance())
    with pytest.raises(GoodpartError, match="not a file of skip sets"):
        read_skip_set(tmp_path / "e.parquet", LAYERS)


def test_what_is_written_is_read(tmp_path):
    choice = Choice([1, 3], 3, "two only", [0.1] * LAYERS)
    write_static(tmp_path / "k3.json", choice, model="m")
    written = json.loads((tmp_path / "k3.json").read_text())
    assert (written["index_base"], written["asked_k"], written["got_k"]) == (0, 3, 2)
    assert written["reason"] == "two only"
    assert len(written["similarities"]) == LAYERS
    assert read_skip_set(tmp_path / "k3.json", LAYERS).layers == [1, 3]


def test_one_set_a_prompt(tmp_path):
    keys = [{"benchmark": "b", "item_id": f"i{n}"} for n in range(2)]
    choices = [Choice([n, n + 2], 2, "", [0.5] * LAYERS) for n in range(2)]
    path = tmp_path / "k2.parquet"
    write_sets(path, "prompt", keys, choices, asked_k=2)
    assert read_metadata(path)["index_base"] == 0
    found = read_skip_set(path, LAYERS)
    assert (found.by, found.layers) == ("prompt", None)
    assert found.of_item("b", "i1") == [1, 3]
    assert found.state("b", "i0") == [0, 2]
    assert found.mean("b", ["i0", "i1"]) == 2
    with pytest.raises(GoodpartError, match="no set for item i1 of c"):
        found.of_item("c", "i1")
    with pytest.raises(GoodpartError, match=r"\('b', 'i1'\): layers \[3\] do not exist"):
        read_skip_set(path, 3)


def test_one_set_a_phase(tmp_path):
    choices = [Choice([0, 2, 4], 2), Choice([1], 2)]
    path = tmp_path / "k2.parquet"
    write_sets(path, "phase", [{"phase": p, "masked_share": 1 - p / 2} for p in range(2)], choices)
    found = read_skip_set(path, LAYERS)
    skip_at = found.skip_at(5)
    assert [skip_at(step) for step in range(5)] == [[0, 2, 4]] * 3 + [[1]] * 2
    assert found.of_item("b", "i") == []
    assert found.counts("b", "i", 5, 4) == [3, 3, 3, 1]
    assert found.mean("b", ["i"]) == 2
    assert found.state("b", "i") == [[0, 2, 4], [1]]


def layers_file(path, rows, tokens=8, **decode):
    """A layers.parquet of rows (prompt, step, kind, layer, cosine), of `tokens` tokens decoded by Dream."""
    names = ("prompt_id", "step", "kind", "layer", "cosine")
    table = [dict(zip(names, row, strict=True)) | {"position": 0, "update": 0.0} for row in rows]
    facts = provenance(family="dream", decode={"max_new_tokens": tokens, **decode})
    write_rows(path, table, statistics.SCHEMAS["layers"], facts)
    return [path]


def first_passes(path, rows):
    """A file of rows (benchmark, item, kind, layer, cosine, tokens)."""
    write_rows(
        path, [dict(zip(PROMPT_SCHEMA.names, row, strict=True)) for row in rows], PROMPT_SCHEMA, provenance()
    )
    return [path]


def test_pooling_over_prompts_or_tokens(tmp_path):
    rows = [
        ("a", "1", "prompt", 0, 1.0, 1), ("a", "1", "masked", 0, -1.0, 1), ("a", "2", "prompt", 0, 0.0, 3),
    ]  # fmt: skip
    files = first_passes(tmp_path / "l.parquet", rows)
    assert pooled_similarities(files, 1, "prompt") == ([0.5], 2)
    assert pooled_similarities(files, 1, "prompt", "tokens") == ([0.25], 2)
    assert pooled_similarities(files, 1, "all", "tokens") == ([0.0], 2)
    with pytest.raises(GoodpartError, match="no similarity at positions 'prompt' for some of 2 layers"):
        pooled_similarities(files, 2, "prompt")
    with pytest.raises(GoodpartError, match="no similarity at positions 'last'"):
        pooled_similarities(files, 1, "last")


def test_prompts_of_two_benchmarks_may_be_numbered_alike(tmp_path):
    one = first_passes(tmp_path / "1.parquet", [("a", "calibration/0", "prompt", 0, 1.0, 1)])
    two = first_passes(tmp_path / "2.parquet", [("b", "calibration/0", "prompt", 0, 0.0, 3)])
    assert pooled_similarities(one + two, 1, "prompt") == ([0.5], 2)


def test_the_number_of_steps_is_the_samplers(tmp_path):
    """Half as many steps as tokens: step 4 of 8 begins the second half."""
    rows = [("a", 0, "prompt", 0, 0.2), ("a", 4, "prompt", 0, 0.6)]
    file = layers_file(tmp_path / "a.parquet", rows, 16, steps=8)
    assert np.allclose(phase_similarities(file, 1, "prompt", 2), [[0.2], [0.6]])


def test_phases_are_shares_of_the_steps(tmp_path):
    """Steps 0 of 8 and 0 of 4 are in phase 0 of 2, 4 of 8 and 2 of 4 in phase 1."""
    one = layers_file(tmp_path / "a.parquet", [("a", 0, "prompt", 0, 0.2), ("a", 4, "prompt", 0, 0.6)])
    two = layers_file(tmp_path / "b.parquet", [("b", 0, "prompt", 0, 0.4), ("b", 2, "prompt", 0, 1.0)], 4)
    found = phase_similarities([*one, *two], 1, "prompt", 2)
    assert np.allclose(found, [[0.3], [0.8]])
    with pytest.raises(GoodpartError, match=r"phase 2 of 3, positions 'prompt', for some of 1 layers"):
        phase_similarities(one, 1, "prompt", 3)


def prompt_rows(path):
    rows = [
        {"benchmark": "b", "item_id": item, "kind": kind, "layer": layer, "cosine": cosine, "tokens": tokens}
        for item, first in (("x", 0.9), ("y", 0.6))
        for kind, tokens in (("prompt", 1), ("masked", 3))
        for layer in range(2)
        for cosine in [first - 0.1 * layer - (0.2 if kind == "masked" else 0)]
    ]
    write_rows(path, rows, PROMPT_SCHEMA, provenance())
    return [path]


def test_similarities_of_prompts(tmp_path):
    files = prompt_rows(tmp_path / "p.parquet")
    found = of_prompts(files, 2, "prompt")
    assert list(found) == [("b", "x"), ("b", "y")]
    assert np.allclose(list(found.values()), [[0.9, 0.8], [0.6, 0.5]])
    assert np.allclose(of_prompts(files, 2, "all")["b", "x"], [0.75, 0.65])  # by tokens
    with pytest.raises(GoodpartError, match="for some of 3 layers"):
        of_prompts(files, 3, "prompt")


def test_angles(tmp_path):
    """Depths at 0, 45 and 90 degrees, but for the masked position; the last prompt position is the second."""
    degrees = np.array([[0, 0, 0], [45, 90, 0], [90, 180, 0]])
    hidden = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], -1).astype(np.float32)
    where = {"prompt": [False, True, True, False], "masked": [False, False, False, True]}  # and a pad
    states = [torch.tensor(np.concatenate([[[9, 9]], state]))[None] for state in hidden]
    batch = FirstPass(states, {kind: torch.tensor([at]) for kind, at in where.items()})
    rows = list(angles_rule.angle_rows({"item_id": "p"}, batch, 0))
    write_rows(tmp_path / "angles.parquet", rows, ANGLES_SCHEMA, provenance())
    found, prompts = mean_angles([tmp_path / "angles.parquet"], 2, "last")
    assert prompts == 1
    assert np.allclose(found, [[0, 0.5, 1], [0.5, 0, 0.5], [1, 0.5, 0]], atol=1e-3)
    assert mean_angles([tmp_path / "angles.parquet"], 2, "prompt")[0][0][2] == pytest.approx(0.75, abs=1e-3)
    assert mean_angles([tmp_path / "angles.parquet"], 2, "all")[0][0][2] == pytest.approx(0.5, abs=1e-3)
    assert angles_rule.angular_distances(np.zeros((2, 1, 3), np.float32))[0].tolist() == [[0, 0.5], [0.5, 0]]


def skip_set(output, settings, k, *measured, layers=2):
    run_script(
        "skip_set",
        output,
        inputs={"basis": list(measured)},
        wildcards={"model": "m", "policy": "p", "k": str(k)},
        settings=with_defaults(settings),
        layers=layers,
    )


def test_the_rule_writes_each_kind_of_set(tmp_path):
    prompts = prompt_rows(tmp_path / "p.parquet")
    settings = {"kind": "algorithm1", "mode": "per_prompt", "threshold": 0.85}
    skip_set(tmp_path / "k1.parquet", settings, 1, *prompts)
    table = read_table(tmp_path / "k1.parquet").to_pylist()
    assert [(row["item_id"], row["layers"], row["got_k"]) for row in table] == [("x", [0], 1), ("y", [], 0)]
    assert table[0]["reason"] == ""
    assert "0 of 2 layers" in table[1]["reason"]
    skip_set(tmp_path / "k1.json", {"kind": "last"}, 1)
    assert read_skip_set(tmp_path / "k1.json", 2).layers == [1]
    mine = static(tmp_path, layers=[0])
    skip_set(tmp_path / "copy.json", {"kind": "file", "path": str(mine)}, 1, mine)
    assert read_skip_set(tmp_path / "copy.json", 2).layers == [0]
    with pytest.raises(GoodpartError):
        skip_set(tmp_path / "copy.json", {"kind": "file", "path": str(mine)}, 0, mine)
