"""Time and memory of every stage, on random weights in a public 7-8B format, as a table.

    PYTHONPATH=workflow:tests python tests/bench/public_formats.py llada-8b --width 0.25
    PYTHONPATH=workflow:tests python tests/bench/public_formats.py llada-8b --gpu --tokens 512 --n 8

The first command is for a CPU. The second uses the real size, on a GPU with 24 GB.

Random weights give no correct answers; this measures only the cost of each stage.
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import tempfile
import threading
from pathlib import Path

from conftest import Workflow
from formats import write_checkpoint
from goodpart.jobs.records import recorded_by_snakemake
from goodpart.models.gpu import installed

FAMILIES = {"llada-8b": ("llada", 32), "dream-7b": ("dream", 28)}


def used_share(stop: threading.Event, found: list[int]) -> None:
    """GPU utilisation in percent, sampled once per second."""
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    while not stop.wait(1.0):
        found.append(int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]))


def main(arguments: argparse.Namespace) -> None:
    """Write the checkpoint, run the workflow to Table 1, print the table."""
    family, layers = FAMILIES[arguments.model]
    with tempfile.TemporaryDirectory() as folder:
        workflow = Workflow(Path(folder))
        total = write_checkpoint(workflow.folder / "checkpoint", arguments.model, arguments.width)
        entry = {"path": "checkpoint", "family": family, "layers": layers, "layers_skipped": [0, 4]}
        entry |= {"dtype": "bfloat16", "batch_size": arguments.n, "gpu": int(arguments.gpu)}
        config = {
            "run": {"models": ["random"], "benchmarks": ["tiny-gsm8k"]},
            "models": {"random": entry},
            "benchmarks": {"tiny-gsm8k": {"n": arguments.n, "max_new_tokens": arguments.tokens}},
            "capture": {"benchmarks": ["tiny-gsm8k"], "prompts": 2, "steps": [0]},
            "policies": {"similarity": {"threshold": -1}},
            "generation": {"kl_items": 1, "kl_states": 1},
        }
        (workflow.folder / "random.yaml").write_text(json.dumps(config))
        stop, busy = threading.Event(), []
        sampler = threading.Thread(target=used_share, args=(stop, busy))
        if arguments.gpu:
            sampler.start()
        run = workflow.snakemake("paper_figs/table1.csv", "--cores", "1", "--configfile", "random.yaml")
        stop.set()
        if run.returncode:
            raise SystemExit(run.stdout[-5000:])
        machine = installed()[0].name if arguments.gpu else f"{platform.machine()} CPU, 1 thread"
        print(f"{arguments.model}, {total:,} parameters in bfloat16, {machine}\n")
        print("| stage | seconds | peak memory |\n| --- | --- | --- |")
        seen = set()
        for record in sorted(recorded_by_snakemake(workflow.folder).values(), key=lambda r: r.began):
            log = workflow.folder / record.log[0]
            if log in seen or not record.began:
                continue
            seen.add(log)
            memory = re.findall(r"peak memory (.*)", log.read_text())
            print(f"| {log.relative_to(workflow.folder / 'results' / 'logs').with_suffix('')} |"
                  f" {record.ended - record.began:.1f} | {memory[-1] if memory else ''} |")  # fmt: skip
        if busy:
            print(f"\nGPU busy {statistics.mean(busy):.0f} % of the run")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("model", choices=FAMILIES)
    options.add_argument("--width", type=float, default=1.0, help="fraction of the public width")
    options.add_argument("--gpu", action="store_true")
    options.add_argument("--tokens", type=int, default=8, help="generated tokens per completion")
    options.add_argument("--n", type=int, default=2, help="number of items")
    main(options.parse_args())
