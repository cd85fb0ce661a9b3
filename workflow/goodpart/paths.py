"""The path grammar of `results/`: the one place that says where an artifact lies.

Patterns are relative to the results folder; `{...}` are Snakemake's wildcards and str.format's fields.
"""

from __future__ import annotations

HEALING = "healing"  # the split of prompts that healing trains on
FULL_DEPTH = "full"  # the policy that k = 0 of every model is stored under, shared by all policies

ITEMS = "items/{benchmark}/{split}.parquet"
HIDDEN_STATES = "hidden_states/{model}/{decode}/{benchmark}"
STREAMED = "streamed_statistics/{model}/{decode}/{benchmark}"
STATISTICS = "statistics/{model}/{decode}/{benchmark}/{statistic}.parquet"
CALIBRATION = "calibration/{model}/{decode}/{benchmark}.parquet"  # what static skip sets are chosen from
ANGLES = "angles/{model}/{decode}/{benchmark}.parquet"
PROMPT_SIMILARITIES = "prompt_similarities/{model}/{decode}/{benchmark}.parquet"
SKIP_SET = "skip_sets/{model}/{policy}/k{k}.json"
SKIP_SETS = "skip_sets/{model}/{policy}/k{k}.parquet"  # that differ by prompt or by phase
SEARCH = "skip_sets/{model}/{policy}/search.json"  # of a policy that asks the model itself
GENERATIONS = "generations/{model}/{decode}/{benchmark}/{policy}/k{k}/{first}-{last}.parquet"
SCORES = "scores/{model}/{decode}/{benchmark}/{policy}/k{k}.parquet"
LIKELIHOODS = "likelihoods/{table}/{model}/{benchmark}.parquet"  # of the cells of one study
HEALED = "healed/{model}/{policy}/k{k}"  # a fine-tuned checkpoint of all layers
EXPORT = "exports/{model}/{policy}/k{k}"
CELLS = "cells.parquet"
POLICY_STUDY = "policy_study.parquet"
OVERLAP = "overlap.parquet"
GENERATION_ORDER = "generation_order.parquet"  # of every cell of the run
PROFILES = "profiles/{model}/{decode}.parquet"  # of hidden states, a row a prompt, step and layer
LATENCY = "latency/{model}.parquet"
QUALITY = "quality_{decode}.parquet"  # cells of the quality-latency study
PAGE = "report/{page}.html"  # of the report, under the folder of figures
CONTROLLED_CELLS = "controlled_study_cells.parquet"
CONTROLLED_STUDY = "controlled_study.parquet"
HEALING_CELLS = "healing_study_cells.parquet"
HEALING_STUDY = "healing_study.parquet"
CORPUS = "training/corpus"
TRAINED = "training/{tiny_model}"
