"""Numbers of ribs, from heights and lengths alone."""

from dataclasses import replace

import pytest

from pipeline.bootstrap.ribs.numbering import LENGTH_MM, Seen, number_ribs


def ribs(numbers: range, *, shift: int = 0, whole: bool = True) -> list[Seen]:
    """Ribs of both sides, 25 mm apart; rib n has its head at -25 n mm."""
    return [
        Seen(
            side,
            -25.0 * n - 60,
            -25.0 * n,
            -25.0 * n,
            LENGTH_MM[n + shift] if whole else None,
            (20.0, 140.0),
        )
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


def test_two_pieces_of_one_rib_share_its_number():
    spine = {n: -25.0 * n - 0.35 * 25 for n in range(-1, 16)}
    whole = ribs(range(1, 13))
    fifth = next(n for n, rib in enumerate(whole) if rib.head_mm == -125)
    back = replace(whole[fifth], around_deg=(20.0, 80.0), length_mm=150.0)
    front = replace(back, level_mm=-190.0, head_mm=None, root_mm=-135.0, around_deg=(90.0, 140.0))
    pieces = [*whole[:fifth], back, front, *whole[fifth + 1 :]]
    found = number_ribs(pieces, spine, top_seen=True, bottom_seen=True)
    assert found.numbers == (*range(1, 6), *range(5, 13), *range(1, 13))
    found = number_ribs(pieces, {}, top_seen=True, bottom_seen=True)
    assert found.numbers == (*range(1, 6), *range(5, 13), *range(1, 13))


def test_what_lies_beside_a_rib_does_not_shift_the_others():
    spine = {n: -25.0 * n - 0.35 * 25 for n in range(-1, 16)}
    whole = ribs(range(1, 13))
    stray = replace(whole[3], level_mm=whole[3].level_mm - 8, length_mm=50.0)
    found = number_ribs([stray, *whole], spine, top_seen=True, bottom_seen=True)
    assert found.numbers[1:] == (*range(1, 13), *range(1, 13))
    assert found.numbers[0] == 4


def test_a_head_alone_in_view_is_numbered_by_its_height_only():
    spine = {n: -25.0 * n - 0.35 * 25 for n in range(4, 16)}
    whole = ribs(range(7, 13))
    front = replace(
        whole[0], level_mm=-210.0, head_mm=None, root_mm=-130.0, length_mm=None,
        around_deg=(60.0, 140.0),
    )  # fmt: skip
    head = replace(
        whole[0], level_mm=-229.0, head_mm=-150.0, root_mm=-150.0, length_mm=None,
        around_deg=(10.0, 15.0),
    )  # fmt: skip
    found = number_ribs([front, head, *whole], spine, top_seen=False, bottom_seen=True)
    assert found.numbers == (6, 6, *range(7, 13), *range(7, 13))


def test_a_stub_takes_no_number_from_the_count_without_vertebrae():
    whole = ribs(range(6, 13))
    stub = replace(
        whole[0], level_mm=-215.0, head_mm=-126.0, root_mm=-126.0, length_mm=None,
        around_deg=(11.0, 14.0),
    )  # fmt: skip
    assert stub.is_stub
    found = number_ribs([stub, *whole], {}, top_seen=False, bottom_seen=True)
    assert found.numbers == (5, *range(6, 13), *range(6, 13))


def test_stubs_alone_are_numbered_all_the_same():
    stubs = [replace(rib, around_deg=(11.0, 14.0)) for rib in ribs(range(9, 13), whole=False)]
    found = number_ribs(stubs, {}, top_seen=False, bottom_seen=True)
    assert len(found.numbers) == 8
    assert found.numbers[:4] == tuple(range(found.numbers[0], found.numbers[0] + 4))


def test_pairs_that_show_their_heads_outweigh_estimates():
    cut = ribs(range(4, 13), whole=False)
    unseen = [
        replace(rib, head_mm=None, root_mm=rib.root_mm + 28)
        if rib.side == 1 and rib.head_mm is not None and rib.head_mm > -220
        else rib
        for rib in cut
    ]
    left = [
        replace(rib, length_mm=LENGTH_MM[n])
        for n, rib in zip(range(4, 13), unseen[:9], strict=True)
    ]
    found = number_ribs([*left, *unseen[9:]], {}, top_seen=False, bottom_seen=False)
    assert found.numbers == (*range(4, 13), *range(4, 13))


def test_a_doubled_stretch_is_one_rib_but_the_first_two_may_lie_level():
    whole = ribs(range(1, 13))
    double = replace(whole[6], level_mm=whole[6].level_mm - 3, length_mm=123.0)
    found = number_ribs([*whole[:7], double, *whole[7:]], {}, top_seen=True, bottom_seen=True)
    assert found.numbers == (*range(1, 8), *range(7, 13), *range(1, 13))
    cervical = [
        replace(rib, level_mm=rib.level_mm - 22) if rib.head_mm == 0 else rib
        for rib in ribs(range(13))
    ]
    found = number_ribs(cervical, {}, top_seen=True, bottom_seen=True)
    assert found.numbers == (*range(13), *range(13))
