"""A cut-down configuration that has every stage, and runs of it."""

import yaml

from conftest import LATENCY, Workflow

# Every family; a benchmark with and one without a sandbox; one of them to calibrate on.
SMALL = {
    "run": {
        "models": ["llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"],
        "benchmarks": ["tiny-math500", "tiny-mbpp"],
    },
    "models": {
        name: {"layers_skipped": [0, 2]}
        for name in ("llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny")
    },
    "benchmarks": {"tiny-math500": {"n": 4}, "tiny-mbpp": {"n": 4}},
    "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 3, "stored": 2, "steps": 2},
    "latency": LATENCY,
    "controlled_study": {
        "models": ["qwen2.5-tiny", "dream-tiny-base"],
        "benchmarks": ["tiny-math500", "tiny-mbpp"],
        "layers_skipped": [0, 2],
        "contrasts": [{"differs": "both", "first": "dream-tiny-base", "second": "qwen2.5-tiny"}],
    },
}


class Small(Workflow):
    """The copy with the cut-down configuration in `small.yaml`."""

    def __init__(self, folder):
        super().__init__(folder)
        self.configure(SMALL)

    def configure(self, config):
        (self.folder / "small.yaml").write_text(yaml.safe_dump(config))

    def run(self, *arguments, **environment):
        return self.snakemake(*arguments, "--cores", "2", "--configfile", "small.yaml", **environment)

    def planned(self):
        return self.planned_for()

    def planned_for(self, *targets):
        return self.jobs(*targets, "--configfile", "small.yaml")
