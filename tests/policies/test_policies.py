"""Skip policies: properties that hold for all of them, Algorithm 1 against a slow statement of its rule."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodpart.policies import policy_module, varies, with_defaults
from goodpart.policies.guard import chooser

SIMILARITIES = st.lists(
    st.sampled_from([-0.2, 0.5, 0.9, 0.95, 0.96, 0.97, 0.98, 0.99]), min_size=1, max_size=14
)
THRESHOLDS = st.sampled_from([-1.0, 0.5, 0.95, 0.98])
PROTECTED = st.sets(st.integers(0, 13), max_size=4).map(sorted)


def chosen(kind, measured, k, **settings):
    return policy_module(kind).choose(measured, k, with_defaults({"kind": kind, **settings}))


def sets_in_order_of_greed(similarities, k, threshold, adjacent, protected):
    """The greedy rule without a loop over candidates: of all allowed sets the one of the greatest profile.

    The profile of a set is its (similarity, -layer) pairs in falling order; the greedy choice is the
    lexicographic maximum, since the best candidate is always taken first.
    """
    allowed = [j for j, s in enumerate(similarities) if s >= threshold and j not in protected]
    best = ((), ())
    for size in range(min(k, len(allowed)) + 1):
        for subset in combinations(allowed, size):
            if adjacent or all(b - a > 1 for a, b in pairwise(subset)):
                profile = tuple(sorted(((similarities[j], -j) for j in subset), reverse=True))
                best = max(best, (profile, subset))
    return list(best[1])


@given(SIMILARITIES, st.integers(0, 6), THRESHOLDS, st.booleans(), PROTECTED)
def test_algorithm1_is_the_greedy_rule(similarities, k, threshold, adjacent, protected):
    found = chosen("algorithm1", similarities, k, threshold=threshold, adjacent=adjacent, protected=protected)
    assert found.layers == sets_in_order_of_greed(similarities, k, threshold, adjacent, protected)
    assert adjacent or all(b - a > 1 for a, b in pairwise(found.layers))
    assert all(similarities[layer] >= threshold for layer in found.layers)
    assert found.got_k <= found.asked_k == k
    assert not set(found.layers) & set(protected)
    assert bool(found.reason) == (found.got_k < k)
    assert list(found.values) == similarities


@given(
    st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=14),
    st.integers(1, 6),
    st.floats(-1, 1, width=16),
    st.booleans(),
    st.sampled_from([lambda s: 3 * s - 1, lambda s: s**3, np.exp, np.arctan]),
)
def test_algorithm1_depends_on_order_alone(similarities, k, threshold, adjacent, monotone):
    """A strictly rising transformation of similarities and threshold changes nothing."""
    values = sorted({*similarities, threshold})
    moved = {value: float(monotone(np.float64(value))) for value in values}
    if any(not moved[a] < moved[b] for a, b in pairwise(values)):
        return  # two values that floating point can no longer tell apart
    before = chosen("algorithm1", similarities, k, threshold=threshold, adjacent=adjacent)
    after = chosen(
        "algorithm1", [moved[s] for s in similarities], k, threshold=moved[threshold], adjacent=adjacent
    )
    assert before.layers == after.layers


def measured_for(kind, layers, seed):
    """Something to choose from, as the kind needs it."""
    drawn = np.random.default_rng(seed)

    class Divergence:
        def __init__(self):
            self.layers = layers
            self.cost = drawn.random(layers)

        def __call__(self, skipped):
            return sum(self.cost[j] for j in skipped)

    return {
        "layers": layers,
        "similarities": drawn.random(layers).tolist(),
        "phases": drawn.random((3, layers)).tolist(),
        "angles": drawn.random((layers + 1, layers + 1)).tolist(),
        "divergence": Divergence(),
    }[policy_module(kind).NEEDS]


KINDS = ["algorithm1", "block_influence", "contiguous", "first", "last", "evenly_spaced", "random_layers",
         "kl_search"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@given(layers=st.integers(1, 12), k=st.integers(0, 8), seed=st.integers(0, 99), protected=PROTECTED)
def test_every_policy(kind, layers, k, seed, protected):
    """Real layers, once each, in order, none protected, at most k; the same again; and fewer say why."""
    settings = {"protected": protected}
    if kind == "algorithm1":
        settings |= {"threshold": -1.0, "adjacent": True}
    found = chosen(kind, measured_for(kind, layers, seed), k, **settings)
    assert found.layers == sorted(set(found.layers))
    assert set(found.layers) <= set(range(layers)) - set(protected)
    assert found.got_k <= k
    assert bool(found.reason) == (found.got_k < k)
    assert found == chosen(kind, measured_for(kind, layers, seed), k, **settings)
    if k < layers:
        entry = with_defaults({"kind": kind, **settings})
        assert found == chooser(kind, layers)(measured_for(kind, layers, seed), k, entry)
    free = layers - len(set(range(layers)) & set(protected))
    if kind not in ("contiguous", "random_layers"):  # with neighbours allowed, all that is free is found
        assert found.got_k == min(k, free)


@given(layers=st.integers(1, 9), k=st.integers(0, 5), seed=st.integers(0, 9), protected=PROTECTED)
def test_random_sets_are_as_large_as_neighbours_allow(layers, k, seed, protected):
    found = chosen("random_layers", layers, k, seed=seed, protected=protected)
    assert all(b - a > 1 for a, b in pairwise(found.layers))
    free = [j for j in range(layers) if j not in protected]
    sizes = [
        n
        for n in range(k + 1)
        if any(all(b - a > 1 for a, b in pairwise(subset)) for subset in combinations(free, n))
    ]
    assert found.got_k == max(sizes)


def test_random_sets_are_equally_likely():
    """Of 7 layers, 3 without neighbours: 10 sets, each about a tenth of 3,000 seeds."""
    counts: dict[tuple, int] = {}
    for seed in range(3000):
        key = tuple(chosen("random_layers", 7, 3, seed=seed).layers)
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 10
    assert 240 < min(counts.values()) <= max(counts.values()) < 360  # 3.6 standard deviations


def test_controls():
    assert chosen("first", 8, 3).layers == [0, 1, 2]
    assert chosen("first", 8, 3, protected=[0]).layers == [1, 2, 3]
    assert chosen("last", 8, 3).layers == [5, 6, 7]
    assert chosen("last", 8, 0).layers == []
    assert chosen("evenly_spaced", 8, 2).layers == [2, 6]
    assert chosen("evenly_spaced", 32, 4).layers == [4, 12, 20, 28]


def test_block_influence_has_no_rule_on_neighbours():
    assert chosen("block_influence", [0.5, 0.99, 0.98, 0.2, 0.97], 3).layers == [1, 2, 4]


def test_contiguous_takes_the_closest_block():
    angles = np.full((7, 7), 0.9)
    angles[2, 5] = 0.1
    assert chosen("contiguous", angles.tolist(), 3).layers == [2, 3, 4]
    assert chosen("contiguous", np.full((7, 7), 0.5).tolist(), 2).layers == [0, 1]
    assert chosen("contiguous", angles.tolist(), 3, protected=[3]).layers == [0, 1, 2]
    found = chosen("contiguous", angles.tolist(), 3, protected=[2, 3])
    assert (found.layers, found.reason) == ([], "every block of 3 consecutive layers has a protected layer")


def test_the_search_goes_by_the_divergence_of_whole_sets():
    """Layers 0 and 1 are cheap alone and dear together: after 0 comes 3."""

    class Divergence:
        layers = 4

        def __call__(self, skipped):
            cost = {0: 0.1, 1: 0.2, 2: 0.9, 3: 0.5}
            return sum(cost[j] for j in skipped) + 5 * ({0, 1} <= set(skipped))

    assert chosen("kl_search", Divergence(), 2).layers == [0, 3]
    assert chosen("kl_search", Divergence(), 2, adjacent=False).layers == [0, 3]
    assert chosen("kl_search", Divergence(), 3, adjacent=False).reason


@given(
    st.integers(1, 4).flatmap(
        lambda phases: st.lists(
            st.lists(st.floats(0.9, 1), min_size=8, max_size=8), min_size=phases, max_size=phases
        )
    ),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([0.0, 0.95]),
    st.booleans(),
)
def test_adaptive_costs_what_a_static_set_costs(similarities, k, adjacent, threshold, uneven):
    found = chosen("adaptive", similarities, k, adjacent=adjacent, threshold=threshold, uneven=uneven)
    assert len(found) == len(similarities)
    total = sum(choice.got_k for choice in found)
    assert total <= k * len(found)
    if threshold == 0 and adjacent:
        assert total == k * len(found)
    for choice, values in zip(found, similarities, strict=True):
        assert choice.got_k <= (2 * k if uneven else k)
        if not uneven:  # in each phase Algorithm 1
            settings = {"adjacent": adjacent, "threshold": threshold}
            assert choice.layers == chosen("algorithm1", values, k, **settings).layers
        assert adjacent or all(b - a > 1 for a, b in pairwise(choice.layers))
        assert all(values[layer] >= threshold for layer in choice.layers)


def test_adaptive_gives_more_to_the_phase_that_is_more_similar():
    early, late = [0.99, 0.5, 0.98, 0.5, 0.97, 0.5], [0.96, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert [c.layers for c in chosen("adaptive", [early, late], 2, uneven=True)] == [[0, 2, 4], [0]]
    even = chosen("adaptive", [early, late], 2)
    assert [c.layers for c in even] == [[0, 2], [0]]
    assert "3 of 4 (phase, layer) pairs" in even[1].reason
    # One phase: Algorithm 1.
    assert chosen("adaptive", [early], 2)[0].layers == chosen("algorithm1", early, 2).layers


def test_adaptive_leaves_every_phase_a_layer():
    early, late = [0.99, 0.99, 0.99, 0.99], [0.96, 0.96, 0.96, 0.96]
    found = chosen("adaptive", [early, late], 2, uneven=True, adjacent=True)
    assert [choice.layers for choice in found] == [[0, 1, 2], [0]]
    assert not any(choice.reason for choice in found)


def test_what_sets_differ_by():
    assert varies({"kind": "algorithm1"}) == ""
    assert varies({"kind": "algorithm1", "mode": "per_prompt"}) == "prompt"
    assert varies({"kind": "adaptive"}) == "phase"
    assert varies({"kind": "file", "path": "a/{k}.json"}) == ""
