"""Ids of planted cases look like those around them."""

import numpy as np
import pytest

from qc.audit.disguise import disguised_id


@pytest.mark.parametrize(
    ("like", "taken", "expected"),
    [
        ("s0002", {"s0001", "s0002", "s0004"}, "s0003"),
        ("s0002", {"s0001", "s0002"}, "s0003"),
        ("s99", {"s98", "s99"}, "s100"),
        ("7", {"7", "s1"}, "8"),
    ],
)
def test_numbers_fill_gaps_or_follow(like, taken, expected) -> None:
    assert disguised_id(like, taken, np.random.default_rng(0)) == expected


def test_digests_get_other_digits() -> None:
    like = "case-3f9a01bc7d22"
    found = disguised_id(like, {like}, np.random.default_rng(0))
    assert found != like
    assert len(found) == len(like)
    assert found.startswith("case-")
    assert set(found[5:]) <= set("0123456789abcdef")


def test_long_numbers_get_no_letters() -> None:
    taken = {"20231104", "20231107", "case-3f9a01bc7d22"}
    found = disguised_id("20231104", taken, np.random.default_rng(0))
    assert found not in taken
    assert (len(found), found.isdecimal()) == (8, True)


def test_other_names_get_the_form_of_intake() -> None:
    assert disguised_id("anna", {"anna"}, np.random.default_rng(0)).startswith("case-")
