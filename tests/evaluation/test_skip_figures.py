"""Figures 1, 2 and 8 and the tables of adjacency, on made-up results."""

import csv

import pytest
from test_policy_study import cell, similarities

from conftest import run_script
from goodpart.evaluation import cells as cells_rule
from goodpart.evaluation.drawing import style
from goodpart.evaluation.intervals import wilson
from goodpart.evaluation.retention_tables import adjacency_table, to_csv, to_latex, to_markdown
from goodpart.jobs.parquet import provenance, write_rows
from scripts.figure1 import pareto
from scripts.figure2 import PROMPT, forward_passes


def outputs(folder, name):
    return [folder / f"{name}.{kind}" for kind in ("pdf", "png", "csv")]


def rows_of(file):
    with file.open() as opened:
        return list(csv.DictReader(opened))


def test_the_front_holds_what_nothing_beats():
    points = [(0, 100), (5, 100), (10, 90), (10, 80), (20, 95), (0, 100)]
    assert pareto(points) == [False, True, False, False, True, False]


def test_figure1(tmp_path):
    cells = [
        cell("full", 0, 100.0, paper_column="LLaDA-Instruct"),
        cell("similarity", 2, 90.0),
        cell("other", 2, 95.0),
        cell("similarity", 4, None, status="not run: no sandbox"),
        cell("similarity", 2, 50.0, model="n"),
        cell("similarity", 2, 99.0, benchmark="c"),
    ]
    write_rows(tmp_path / "cells.parquet", cells, cells_rule.SCHEMA, provenance())
    figure = outputs(tmp_path, "figure1")
    run_script(
        "figure1",
        [*figure, tmp_path / "figure1.md"],
        inputs={"cells": tmp_path / "cells.parquet"},
        models={"m": "LLaDA-Instruct", "n": None},
        policy="similarity",
        benchmark="b",
        label="B",
    )
    assert "does not name the benchmark" in (tmp_path / "figure1.md").read_text()
    rows = rows_of(figure[2])
    assert [(row["model"], row["asked_k"], row["pareto_layers"]) for row in rows] == [
        ("m", "0", "1"), ("m", "2", "1"), ("m", "4", "0"), ("n", "2", "0"),
    ]  # fmt: skip
    assert rows[1]["flops_reduction_true"] == "18.0000"
    assert rows[2]["status"] == "not run: no sandbox"
    assert all(file.stat().st_size > 1000 for file in figure[:2])


@pytest.mark.parametrize("family", ["llada", "dream", "qwen2"])
def test_a_cached_pass_feeds_less(family):
    arguments = {"max_new_tokens": 24} | ({"block_length": 8} if family == "llada" else {})
    plain, total = forward_passes(family, arguments, cached=False)
    cached, _ = forward_passes(family, arguments, cached=True)
    assert total == 24
    assert all(at.fed == (0, at.tokens) for at in plain)
    assert cached[0].fed == (0, cached[0].tokens)
    assert cached[1].fed[0] >= PROMPT
    assert len(plain) == len(cached) == 4
    if family == "llada":
        assert [at.step for at in cached] == [0, 1, 8, 9]
        assert [at.fed for at in cached] == [(0, 30), (6, 30), (0, 30), (14, 30)]
        assert [len(at.masked) for at in cached] == [24, 23, 16, 15]
    if family == "qwen2":
        assert [at.fed for at in cached] == [(0, 6), (6, 7), (7, 8), (8, 9)]


@pytest.mark.parametrize(
    ("family", "arguments", "steps", "decoded"),
    [
        ("dream", {"max_new_tokens": 16, "steps": 2}, [0, 1], [0, 8]),
        ("dream", {"max_new_tokens": 3}, [0, 1, 2], [0, 1, 2]),
        ("dream", {"max_new_tokens": 2, "steps": 3}, [0, 1], [0, 1]),
        ("llada", {"max_new_tokens": 64, "block_length": 2}, [0, 1, 2, 3], [0, 0, 1, 1]),
        ("llada", {"max_new_tokens": 32, "block_length": 1}, [0, 1, 2], [0, 1, 2]),
    ],
)
def test_few_steps_and_many_blocks_are_drawn(family, arguments, steps, decoded):
    """A canvas shows at most 24 generated tokens, a block of them at least one."""
    passes, _ = forward_passes(family, arguments, cached=True)
    generated = min(arguments["max_new_tokens"], 24)
    assert [at.step for at in passes] == steps
    assert [generated - len(at.masked) for at in passes] == decoded
    assert all(0 <= at.fed[0] < at.fed[1] <= at.tokens == PROMPT + generated for at in passes)


def test_figure2_shows_the_layers_of_the_file(tmp_path):
    (tmp_path / "k2.json").write_text('{"layers": [1, 5]}')
    figure = outputs(tmp_path, "figure2")
    settings = {"max_new_tokens": 16, "block_length": 8}
    drawn = {"name": "m, k = 2", "layers": 8, "family": "llada", "settings": settings}
    run_script("figure2", figure, inputs={"skip_set": tmp_path / "k2.json"}, **drawn)
    rows = rows_of(figure[2])
    assert {row["layers_skipped"] for row in rows} == {"1 5"}
    assert {row["cache"] for row in rows} == {"none", "prefix cache"}


def test_figure8_counts_prompts(tmp_path):
    file = similarities(tmp_path / "p.parquet", "one", [2, 3])
    settings = {
        "kind": "algorithm1",
        "threshold": 0.97,
        "adjacent": False,
        "positions": "prompt",
        "protected": [],
    }
    figure = outputs(tmp_path, "figure8")
    run_script(
        "figure8",
        figure,
        inputs={"similarities": file},
        model="m",
        models={"m": None},
        label="B",
        layers=8,
        settings=settings,
        k=2,
        level=0.95,
    )
    rows = rows_of(figure[2])
    assert {(row["model"], row["benchmark"]) for row in rows} == {("m", "B")}
    allowed = [int(row["count"]) for row in rows if row["adjacent_allowed"] == "1"]
    apart = [int(row["count"]) for row in rows if row["adjacent_allowed"] == "0"]
    assert allowed == [0, 0, 12, 12, 0, 0, 0, 0]
    assert apart[2] + apart[3] == sum(apart) == 12


def test_no_error_bar_is_negative():
    """A limit on the wrong side by a rounding error has a bar of no length."""
    assert style.error_bars([1.0, 2.0], [1.0 + 1e-9, 1.5], [3.0, 2.0]) == [[0.0, 0.5], [2.0, 0.0]]


def test_wilson_against_its_formula():
    """Center (p + z^2 / 2n) / (1 + z^2 / n), by hand for 3 of 10."""
    z, n, p = 1.959964, 10, 0.3
    centre, scale = p + z * z / (2 * n), 1 + z * z / n
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert wilson(3, 10, 0.95) == pytest.approx(((centre - half) / scale, (centre + half) / scale), abs=1e-5)
    assert wilson(0, 10, 0.95)[0] == 0


ADJACENCY = [
    cell("full", 0, 100.0, correct=20),
    cell("similarity", 2, 99.0),
    cell("similarity", 4, 90.0),
    cell("adjacent", 4, 40.0),
    cell("adjacent", 6, 10.0),
    cell("similarity", 4, 77.0, model="other"),
]
NAMES = {"not_allowed": "similarity", "allowed": "adjacent"}


def test_tables_of_adjacency():
    table = adjacency_table(ADJACENCY, NAMES, "m", {"b": "Bench"})
    assert table.rows == [("Bench", 0), ("Bench", 4), ("Bench", 6)]
    lines = list(csv.DictReader(to_csv(table, None).splitlines()))
    assert [(line["not_allowed_retention"], line["allowed_retention"]) for line in lines] == [
        ("100.0", "100.0"), ("90.0", "40.0"), ("", "10.0"),
    ]  # fmt: skip
    printed = to_markdown(table, None, 0.95)
    assert "| Benchmark | Layers skipped | Adjacent not allowed | Adjacent allowed |" in printed
    assert "|  | 6 | not run | 10.0 (0 to 20) \\* |" in printed


def test_rows_where_both_rules_chose_the_same_layers_say_so():
    both = [{**cell(policy, 4, 90.0), "layers": [1, 5]} for policy in NAMES.values()]
    other = [{**cell(policy, 6, 90.0), "layers": [1, 5, n]} for n, policy in enumerate(NAMES.values(), 7)]
    table = adjacency_table([*both, *other], NAMES, "m", {"b": "Bench"})
    assert table.same_layers == {("Bench", 4)}
    printed = to_markdown(table, None, 0.95)
    assert "|  | 4 \\# |" in printed
    assert "\\#: both rules chose the same layers" in printed
    assert "4 \\# &" in to_latex(table, None, 0.95)
    assert "both rules" not in to_markdown(adjacency_table(other, NAMES, "m", {"b": "Bench"}), None, 0.95)


def test_a_table_without_its_model_or_policy():
    assert adjacency_table(ADJACENCY, NAMES, None, {"b": "Bench"}).rows == [("Bench", 0)]
    table = adjacency_table(ADJACENCY, {**NAMES, "allowed": ""}, "m", {"b": "Bench"})
    assert [k for _, k in table.rows] == [0, 2, 4]
    assert "not run" in to_markdown(table, None, 0.95)
