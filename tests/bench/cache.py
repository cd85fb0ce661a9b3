"""Speed and memory of the hidden-state cache and its statistics: `python tests/bench/cache.py [--gb 2]`.

The cache is synthetic, with the size of a bfloat16 model of width 4096: normal values, rounded to bfloat16.
Throughput counts two bytes per value. The share of reading is that of decompressing the Parquet files.
Statistics run in a separate process, which measures their peak memory: once with a quarter of the prompts,
and once with all of them.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from goodpart.jobs.parquet import provenance
from goodpart.states.cache import CacheWriter, StepStates, read_steps
from goodpart.states.statistics import SCHEMAS

DEPTHS, POSITIONS, STEPS = 33, 544, 2
CHILD = """
import json, re, sys, time
from goodpart.states.cache import read_steps
from scripts import statistics
from argparse import Namespace
from pathlib import Path
folder, *outputs = map(Path, sys.argv[1:])
began, used = time.perf_counter(), time.process_time()
place = Namespace(model="random", benchmark="random")
files = Namespace(hidden_states=folder, streamed=None)
statistics.main(Namespace(input=files, outputs=outputs, wildcards=place))
seconds, processor = time.perf_counter() - began, time.process_time() - used
used = time.process_time()
for _ in read_steps(sorted(folder.iterdir())):
    pass
reading = time.process_time() - used
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps({"seconds": seconds, "processor": processor, "reading": reading, "peak_mb": peak / 1024}))
"""


def states(rng: np.random.Generator, width: int) -> np.ndarray:
    """Hidden states [L + 1, T, D] with values of bfloat16."""
    values = rng.standard_normal((DEPTHS, POSITIONS, width), dtype=np.float32)
    return ((values.view(np.uint32) + 0x8000) & 0xFFFF0000).view(np.float32)


def write(folder: Path, prompts: int, width: int) -> None:
    """Write the cache; print bytes per value and speed."""
    rng, seconds, values = np.random.default_rng(0), 0.0, 0
    kinds = np.repeat([0, 1], [32, POSITIONS - 32]).astype(np.int8)
    for prompt in range(prompts):
        made = states(rng, width)
        began = time.perf_counter()
        with CacheWriter(folder / f"{prompt}.parquet", width, provenance()) as writer:
            for step in range(STEPS):
                writer.write(StepStates(str(prompt), step, np.arange(POSITIONS), kinds, made))
        seconds += time.perf_counter() - began
        values += STEPS * made.size
        if prompt == 0:
            exact = all(np.array_equal(s.hidden, made) for s in read_steps([folder / "0.parquet"]))
            print(f"identical when read back: {exact}")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"cache: {prompts} prompts, {2e-9 * values:.2f} GB of bfloat16, {size / values:.3f} bytes a value")
    print(f"written at {2e-6 * values / seconds:.0f} MB/s")


def measure(folder: Path, name: str, prompts: int, width: int) -> None:
    """Statistics of some prompts; print throughput and peak memory."""
    values = prompts * STEPS * DEPTHS * POSITIONS * width
    outputs = [folder.parent / name / f"{statistic}.parquet" for statistic in SCHEMAS]
    command = [sys.executable, "-c", CHILD, str(folder), *map(str, outputs)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(
        f"statistics of {prompts} prompts: {2e-6 * values / found['processor']:.0f} MB/s of bfloat16 a core "
        f"({2e-6 * values / found['seconds']:.0f} by the clock), "
        f"{found['reading'] / found['processor']:.2f} of it reading, peak {found['peak_mb']:.0f} MB"
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gb", type=float, default=2, help="size of the cache in bfloat16, in GB")
    options.add_argument(
        "--folder", type=Path, default=Path("bench-cache"), help="temporary folder for the cache"
    )
    options.add_argument("--width", type=int, default=4096, help="of the hidden states")
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    width = arguments.width
    count = max(1, round(arguments.gb * 1e9 / (2 * STEPS * DEPTHS * POSITIONS * width)))
    every, few = arguments.folder / "all", arguments.folder / "few"
    try:
        every.mkdir(parents=True)
        write(every, count, width)
        few.mkdir()
        for number in range(max(1, count // 4)):
            (few / f"{number}.parquet").hardlink_to(every / f"{number}.parquet")
        for _ in range(arguments.repeats):
            measure(few, "statistics-few", max(1, count // 4), width)
            measure(every, "statistics", count, width)
    finally:
        shutil.rmtree(arguments.folder)
