"""The script for machines with a GPU can run, as far as a pretended one goes."""

import dataclasses

import pytest

from gpu import checks


@pytest.mark.parametrize(
    ("check", "options"),
    [("loading", {}), ("decoding", {}), ("graphs", {"new": 16}), ("capturing", {}), ("real_size", {})],
)
def test_the_checks_for_machines_with_a_gpu_can_run(machine, check, options):
    if check == "real_size":  # of a small model
        options = {
            "shape": dataclasses.replace(checks.LLADA_8B, width=8, heads=2, kv_heads=2, head_width=4, mlp=8)
        }
    assert getattr(checks, check)("cuda", **options)
