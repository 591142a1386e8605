"""Numbers of ribs, from heights and lengths alone."""

import pytest

from pipeline.bootstrap.ribs.numbering import LENGTH_MM, Seen, number_ribs


def ribs(numbers: range, *, shift: int = 0, whole: bool = True) -> list[Seen]:
    """Ribs of both sides, 25 mm apart; rib n has its head at -25 n mm."""
    return [
        Seen(side, -25.0 * n - 60, -25.0 * n, -25.0 * n, LENGTH_MM[n + shift] if whole else None)
        for side in (-1, 1)
        for n in numbers
    ]


def test_vertebrae_number_the_ribs():
    spine = {n: -25.0 * n - 0.35 * 25 for n in range(8, 15)}
    found = number_ribs(ribs(range(4, 13)), spine, top_seen=False, bottom_seen=True)
    assert found.numbers == (*range(4, 13), *range(4, 13))
    assert found.by == "vertebrae"


@pytest.mark.parametrize(("numbers", "extra"), [(range(1, 14), 13), (range(13), 0)])
def test_vertebrae_show_extra_ribs(numbers, extra):
    spine = {n: -25.0 * n - 0.35 * 25 for n in range(-1, 16)}
    found = number_ribs(ribs(numbers), spine, top_seen=True, bottom_seen=True)
    assert found.numbers == (*numbers, *numbers)
    assert extra in found.numbers


@pytest.mark.parametrize("numbers", [range(1, 13), range(2, 13), range(1, 12)])
def test_lengths_tell_which_rib_is_missing(numbers):
    found = number_ribs(ribs(numbers), {}, top_seen=True, bottom_seen=True)
    assert found.numbers == (*numbers, *numbers)
    assert found.margin > 3


def test_in_the_middle_of_the_chest_nothing_tells():
    found = number_ribs(ribs(range(4, 9), whole=False), {}, top_seen=False, bottom_seen=False)
    assert found.by == "order"
    assert found.margin < 3


def test_one_side_alone_and_no_rib_at_all():
    right = [rib for rib in ribs(range(1, 13)) if rib.side == 1]
    found = number_ribs(right, {}, top_seen=True, bottom_seen=True)
    assert found.numbers == tuple(range(1, 13))
    assert number_ribs([], {}, top_seen=True, bottom_seen=True).numbers == ()
