"""Algorithm 1: hand-worked examples, and a slow statement of the paper's listing, line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodpart.policies import policy_module

choose = policy_module("algorithm1").choose


def settings(threshold=0.95, adjacent=False, protected=()):
    return {"threshold": threshold, "adjacent": adjacent, "protected": list(protected)}


def listing(similarities, n_max, threshold, adjacent):
    """The paper's listing; its result is 1-based, and layer l of it is layer l - 1 counted from 0."""
    skip = set()
    for j in sorted(range(len(similarities)), key=lambda j: -similarities[j]):
        free = j not in skip and (adjacent or (j - 1 not in skip and j + 1 not in skip))
        if free and similarities[j] >= threshold:
            skip.add(j)
            if len(skip) >= n_max:
                break
    return [j + 1 for j in sorted(skip)]


def test_greedy_without_neighbours():
    #                 0     1     2     3     4     5
    similarities = [0.50, 0.97, 0.99, 0.98, 0.96, 0.40]
    assert choose(similarities, 2, settings()).layers == [2, 4]  # 3 and 1 are next to 2
    assert choose(similarities, 2, settings(adjacent=True)).layers == [2, 3]


def test_ties_go_to_the_lower_layer():
    assert choose([0.99] * 5, 2, settings()).layers == [0, 2]
    assert choose([0.96, 0.99, 0.99, 0.96], 1, settings()).layers == [1]


def test_threshold_is_inclusive():
    assert choose([0.95, 0.1, 0.9499], 3, settings()).layers == [0]


def test_fewer_than_asked_says_why():
    choice = choose([0.99, 0.98, 0.97], 3, settings())
    assert choice.layers == [0, 2]
    assert choice.reason == (
        "3 of 3 layers have a similarity of at least 0.95, and adjacent layers may not both be skipped"
    )
    assert choose([0.99, 0.98, 0.97], 2, settings()).reason == ""


def test_protected_layers_stay():
    assert choose([0.99, 0.5, 0.98], 2, settings(protected=[0])).layers == [2]


def test_nothing_asked_nothing_skipped():
    assert choose([0.99, 0.99], 0, settings()).layers == []


@given(
    st.lists(st.sampled_from([0.5, 0.9, 0.95, 0.96, 0.97, 0.98, 0.99]), min_size=1, max_size=12),
    st.integers(1, 8),
    st.sampled_from([0.0, 0.95, 0.98]),
    st.booleans(),
)
def test_equals_the_listing(similarities, k, threshold, adjacent):
    choice = choose(similarities, k, settings(threshold, adjacent))
    assert [layer + 1 for layer in choice.layers] == listing(similarities, k, threshold, adjacent)
    assert len(choice.layers) <= k
    assert all(similarities[layer] >= threshold for layer in choice.layers)
    if not adjacent:
        assert all(b - a > 1 for a, b in zip(choice.layers, choice.layers[1:], strict=False))


@pytest.mark.parametrize("position", range(6))
def test_index_base(position):
    """The one similar pair (depth j, depth j + 1) names layer j, counted from 0."""
    similarities = [0.1] * 6
    similarities[position] = 0.99
    assert choose(similarities, 1, settings()).layers == [position]
