import numpy as np
import pytest

from goodpart.similarity import (
    cosine,
    layer_cosine,
    norms,
    pooled,
    relative_update,
    token_cosine,
    without_strongest_channel,
)


def states(*rows):
    return np.array(rows, dtype=np.float32)


def test_cosine_by_hand():
    a, b = states([3, 4], [1, 0], [1, 1]), states([4, 3], [0, 2], [-2, -2])
    assert layer_cosine(a, b) == pytest.approx([24 / 25, 0, -1])
    assert cosine(a, b).dtype == np.float32


def test_a_zero_vector_has_cosine_zero_and_no_warning():
    with np.errstate(all="raise"):
        assert cosine(states([0, 0]), states([1, 2])).tolist() == [0]
        assert relative_update(states([0, 0]), states([1, 2])).tolist() == [0]


def test_cosine_stays_within_its_range():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(1000, 7)).astype(np.float32)
    assert np.abs(cosine(a, 3 * a)).max() <= 1


def test_token_cosine_pairs_neighbours():
    assert token_cosine(states([1, 0], [1, 1], [0, 1])) == pytest.approx([2**-0.5, 2**-0.5])


def test_norms_and_updates_by_hand():
    assert norms(states([3, 4], [0, 2])) == pytest.approx([5, 2])
    assert relative_update(states([3, 4]), states([3, 9])) == pytest.approx([1])


def test_strongest_channel_is_removed():
    h = states([9, 1, 0], [9, 0, 1])
    assert token_cosine(h)[0] > 0.98
    assert token_cosine(without_strongest_channel(h)).tolist() == [0]


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
