"""The configuration: typed sections, their defaults, and every mistake found before any job runs.

It may import every other room, to ask what a configuration may say; no room and no script imports it.
Rules and `goodpart_tools` do.
"""

from goodpart.config.cells import (
    Cell,
    Study,
    in_run,
    policy_benchmarks,
    policy_study_cells,
    quality_cells,
    run_cells,
    searched_ks,
    studies,
)
from goodpart.config.checks import check, load
from goodpart.config.configuration import Configuration
from goodpart.config.decodes import decode_arguments, decode_settings, sampler_settings
from goodpart.config.loading import find_in_clone, mark_texts, read_files, refuse_misleading
from goodpart.config.studies import latency_mistakes

__all__ = [
    "Cell",
    "Configuration",
    "Study",
    "check",
    "decode_arguments",
    "decode_settings",
    "find_in_clone",
    "in_run",
    "latency_mistakes",
    "load",
    "mark_texts",
    "policy_benchmarks",
    "policy_study_cells",
    "quality_cells",
    "read_files",
    "refuse_misleading",
    "run_cells",
    "sampler_settings",
    "searched_ks",
    "studies",
]
