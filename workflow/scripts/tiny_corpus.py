"""Write the tiny benchmarks (public row formats) and the shared tokenizer from a seed."""

from __future__ import annotations

from goodpart.jobs.files import write_jsonl, write_text
from goodpart.jobs.job import Job
from goodpart_tools.tiny.corpus import held_out, rows
from goodpart_tools.tiny.tasks import GENERATORS
from goodpart_tools.tiny.tokenizer import train_tokenizer
from goodpart_tools.tiny.verify import verify


def main(job: Job) -> None:
    """Write `{benchmark}-{split}.jsonl` for each tiny benchmark, every row verified, and tokenizer.json."""
    for benchmark in GENERATORS:
        sizes = (job.params.items, job.params.calibration, job.params.largest)
        drawn = held_out(benchmark, job.params.seed, *sizes)
        for split, tasks in drawn.items():
            if not tasks:
                continue
            made = rows(benchmark, split, tasks)
            for row in made:
                verify(benchmark, row)
            write_jsonl(job.output / f"{benchmark}-{split}.jsonl", made)
    write_text(job.output / "tokenizer.json", train_tokenizer(job.params.seed))
