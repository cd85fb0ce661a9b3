"""Local and global AR-ness, against orders whose values are known."""

from itertools import pairwise

import pytest

from goodpart.evaluation.generation_order import ar_ness


def slowly(commits):
    """Both by their definitions, one token at a time."""
    order = sorted(range(len(commits)), key=lambda at: (commits[at], at))
    local = [after == before + 1 for before, after in pairwise(order)]
    leftmost = [at == min(order[number:]) for number, at in enumerate(order)]
    return sum(local) / len(local), sum(leftmost) / len(leftmost)


@pytest.mark.parametrize(
    ("commits", "local", "global_"),
    [
        ([0, 1, 2, 3, 4], 1, 1),  # left to right
        ([4, 3, 2, 1, 0], 0, 0.2),  # right to left: only the last one is the leftmost mask
        ([0, 2, 1, 3], 0, 3 / 4),  # 0, 2, 1, 3
        ([0, 0, 1, 1], 1, 1),  # two a step, from left to right
        ([1, 1, 0, 0], 2 / 3, 0.5),  # the second half first
    ],
)
def test_by_hand(commits, local, global_):
    assert ar_ness(commits, len(commits)) == pytest.approx((local, global_))
    assert slowly(commits) == pytest.approx((local, global_))


def test_any_order():
    import random

    rng = random.Random(3)
    for _ in range(200):
        commits = [rng.randrange(12) for _ in range(rng.randint(2, 12))]
        assert ar_ness(commits, len(commits)) == pytest.approx(slowly(commits))


def test_what_is_behind_the_end_or_was_never_committed_does_not_count():
    assert ar_ness([0, 1, 2, 9, 8], 3) == (1, 1)
    assert ar_ness([0, 1, -1, 2], 4) == pytest.approx((1 / 2, 1))
    assert ar_ness([5], 1) is None
    assert ar_ness([3, 4], 0) is None
