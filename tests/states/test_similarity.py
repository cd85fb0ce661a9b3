"""Similarities and norms against hand calculations and float64, with numpy and with torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodpart.states.similarity import (
    angular_distance,
    cosine,
    norms,
    pooled,
    step_similarities,
    strongest_channel,
    token_cosines,
)


def states(*rows):
    return np.array(rows, dtype=np.float32)


def test_cosine_by_hand():
    a, b = states([3, 4], [1, 0], [1, 1]), states([4, 3], [0, 2], [-2, -2])
    assert cosine(a, b) == pytest.approx([24 / 25, 0, -1])
    assert cosine(a, b).dtype == np.float32


def test_a_zero_vector_has_defined_values_and_no_warning():
    zero = states([[0, 0], [1, 2]], [[1, 2], [0, 0]])
    with np.errstate(all="raise"):
        assert cosine(zero[0], zero[1]).tolist() == [0, 0]
        found = step_similarities(zero)
    assert found.layer_cosines.tolist() == [[0, 0]]
    assert found.updates.tolist() == [[0, 1]]
    assert found.token_cosines.tolist() == [[0], [0]]
    assert found.token_cosines_without_strongest.tolist() == [[0], [0]]
    assert angular_distance(found.layer_cosines).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
def test_states_that_are_not_finite_are_nan_and_never_zero(library):
    for bad in (np.nan, np.inf):
        made = np.random.default_rng(0).standard_normal((5, 3, 8)).astype(np.float32)
        made[2, 1, 4] = bad
        found = step_similarities(library(made))
        assert np.isnan(found.layer_cosines).tolist() == [[False, beside, False] for beside in (0, 1, 1, 0)]
        assert np.isnan(found.updates[1, 1])
        assert not np.isfinite(found.norms[2, 1])
        assert np.isnan(found.token_cosines).tolist() == [[depth == 2] * 2 for depth in range(5)]
        assert np.isnan(np.asarray(cosine(library(made[2]), library(made[3])))).tolist() == [
            False,
            True,
            False,
        ]


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
@pytest.mark.parametrize("factor", [1e-30, 1e25])
def test_only_a_true_zero_vector_has_the_values_of_one(library, factor):
    """Squares of small and large states leave float32; their cosines and norms do not."""
    made = np.random.default_rng(0).standard_normal((5, 3, 8)).astype(np.float32)
    wanted, found = (step_similarities(library(x)) for x in (made, made * np.float32(factor)))
    for name in ("depth_cosines", "updates", "token_cosines", "token_cosines_without_strongest"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=1e-5)
    assert found.norms / np.float32(factor) == pytest.approx(wanted.norms, rel=1e-5)
    a, b = library(made[0] * np.float32(factor)), library(made[1])
    assert np.asarray(cosine(a, b)) == pytest.approx(wanted.layer_cosines[0], abs=1e-5)


def test_cosine_stays_within_its_range():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(1000, 7)).astype(np.float32)
    assert np.abs(cosine(a, 3 * a)).max() <= 1
    assert np.isfinite(angular_distance(cosine(a, 3 * a))).all()


def test_token_cosine_pairs_neighbours():
    assert token_cosines(states([1, 0], [1, 1], [0, 1]))[0] == pytest.approx([2**-0.5, 2**-0.5])


def test_norms_and_updates_by_hand():
    assert norms(states([3, 4], [0, 2])) == pytest.approx([5, 2])
    hidden = states([[3, 4], [0, 2]], [[3, 9], [0, 2]])
    assert step_similarities(hidden).updates[0] == pytest.approx([1, 0])


def test_strongest_channel_is_the_one_with_the_largest_share_of_the_squared_norm():
    h = states([9, 1, 0], [9, 0, 1])
    assert strongest_channel(h) == 0
    plain, rest = token_cosines(h)
    assert plain[0] > 0.98
    assert rest.tolist() == [0]


def test_a_shared_outlier_does_not_cost_the_rest_its_precision():
    """The channel holds all but a millionth of the squared norm; what is left is compared in float64."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(20, 64)).astype(np.float32)
    h[:, 5] = 8000
    rest = np.delete(h, 5, axis=1).astype(np.float64)
    size = np.linalg.norm(rest, axis=1)
    wanted = (rest[:-1] * rest[1:]).sum(1) / (size[:-1] * size[1:])
    assert token_cosines(h)[1] == pytest.approx(wanted, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 70), st.integers(1, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_a_step_is_what_float64_says(layers, positions, width, seed, in_torch):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-3, 4, size=(layers + 1, positions, 1))
    hidden = (rng.normal(size=(layers + 1, positions, width)) * scale).astype(np.float32)
    found = step_similarities(torch.from_numpy(hidden) if in_torch else hidden)
    exact = hidden.astype(np.float64)
    size = np.linalg.norm(exact, axis=2)
    unit = exact / size[:, :, None]
    assert found.norms == pytest.approx(size, rel=1e-6)
    assert found.depth_cosines == pytest.approx(np.einsum("ptd,qtd->tpq", unit, unit), abs=1e-6)
    assert found.layer_cosines == pytest.approx((unit[:-1] * unit[1:]).sum(2), abs=1e-6)
    change = np.linalg.norm(exact[1:] - exact[:-1], axis=2) / size[:-1]
    assert found.updates == pytest.approx(change, rel=3e-6)
    assert found.token_cosines == pytest.approx((unit[:, :-1] * unit[:, 1:]).sum(2), abs=1e-6)
    assert found.token_cosines_without_strongest.shape == (layers + 1, positions - 1)


def test_pooling_weighs_prompts_equally():
    # Prompt a has three tokens, prompt b one; two layers.
    values = np.array([1, 1, 1, 0, 0.9, 0.6, 0.3, 0.2], dtype=np.float32)
    prompts = np.array(["a", "a", "a", "b", "a", "a", "a", "b"])
    layers = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert pooled(values, prompts, layers, 2) == pytest.approx([0.5, 0.4])


def test_pooling_shows_a_layer_without_values():
    means = pooled(np.ones(2, np.float32), np.array(["a", "b"]), np.array([0, 0]), 2)
    assert means[0] == 1
    assert np.isnan(means[1])
