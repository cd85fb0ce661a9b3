"""Private memory and time of loading: python tests/bench/loading.py [--checkpoint FOLDER] [--device cpu].

Without a checkpoint, one with random weights of LLaDA's architecture is written and read (150 MB). On a GPU
its memory is shown beside the host's.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOADING = """
import json, re, sys, threading, time
import torch, transformers
from goodpart.models.architectures import architecture_module
from goodpart.models.loading import load

for family in ("llada", "dream", "qwen2"):
    architecture_module("llada" if family == "llada" else "qwen2").model_class()
def private():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

before, peak, done = private(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, private())
        time.sleep(0.002)

thread = threading.Thread(target=watch)
thread.start()
began = time.perf_counter()
model = load(sys.argv[1], dtype=sys.argv[2], device=sys.argv[3])
seconds = time.perf_counter() - began
done = True
thread.join()
weights = sum({p.data_ptr(): p.nbytes for p in model.module.parameters()}.values())
gpu = torch.cuda.max_memory_reserved() if torch.cuda.is_initialized() else 0
print(json.dumps({"weights": weights, "private": peak - before, "gpu": gpu, "seconds": seconds}))
"""


def measure(folder: Path, dtype: str, device: str) -> dict[str, float]:
    """Bytes of the weights, of private memory at its peak, of the GPU; and seconds. In its own process."""
    command = [sys.executable, "-c", LOADING, str(folder), dtype, device]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def random_checkpoint(folder: Path) -> None:
    """LLaDA's architecture in bfloat16, 150 MB."""
    import torch
    from safetensors.torch import save_file

    from goodpart_tools.tiny.architectures import initial_model, public_config, public_names

    shape = {"width": 512, "layers": 6, "heads": 8, "kv_heads": 8, "mlp": 1536}
    config = public_config("llada", shape) | {"embedding_size": 60_000, "vocab_size": 60_000}
    state = {n: t.to(torch.bfloat16) for n, t in initial_model("llada", config, 0).state_dict().items()}
    save_file(public_names("llada", state), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))


def main() -> None:
    """Print one row a dtype."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--checkpoint", type=Path)
    options.add_argument("--device", default="cpu")
    options.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    chosen = options.parse_args()
    if not re.search("RssAnon", Path("/proc/self/status").read_text()):
        sys.exit("this reads RssAnon of /proc/self/status, which only Linux has")
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.checkpoint or Path(scratch)
        if chosen.checkpoint is None:
            random_checkpoint(folder)
        print("| dtype | weights GB | private / weights | GPU / weights | seconds |")
        print("| --- | --- | --- | --- | --- |")
        for dtype in chosen.dtypes:
            found = measure(folder, dtype, chosen.device)
            shares = [f"{found[name] / found['weights']:.2f}" for name in ("private", "gpu")]
            print(
                f"| {dtype} | {found['weights'] / 1e9:.2f} | {' | '.join(shares)} | {found['seconds']:.1f} |"
            )


if __name__ == "__main__":
    main()
