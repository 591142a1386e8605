"""Contenders work in turn, warmed up, and must have done the same."""

import os
import sys

import pytest

from benchmarks.comparisons import Comparison
from benchmarks.contender import ROOT, Contender, ContenderError, Timing, compare
from benchmarks.report import result_of, table_of

COUNTING = """
import time
from benchmarks.worker import serve
calls = []
def work():
    print("chatter that is no answer")
    calls.append(1)
    time.sleep({first} if len(calls) == 1 else {later})
    return len(calls)
serve(work, lambda number: {{"call": number}})
"""


def contender(name: str, code: str) -> Contender:
    return Contender(name, [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(ROOT)})


def comparison(**changes: object) -> Comparison:
    settings: dict[str, object] = {"name": "x", "title": "X", "ours": "a", "peer": "b"}
    settings |= {"peer_name": "peer", "goal": 3, "runs": 2, **changes}
    return Comparison(**settings)  # type: ignore[arg-type]


def test_the_first_call_of_each_is_not_counted() -> None:
    slow_first = contender("ours", COUNTING.format(first=0.3, later=0))
    steady = contender("peer", COUNTING.format(first=0, later=0.05))
    ours, peer = compare(slow_first, steady, runs=3)
    assert len(ours.seconds) == len(peer.seconds) == 3
    assert max(ours.seconds) < 0.2
    assert min(peer.seconds) >= 0.05
    assert ours.facts == peer.facts == {"call": 4}
    assert ours.peak_mib > 1


def test_a_contender_that_dies_is_reported_with_its_last_words() -> None:
    dying = contender("dying", "raise SystemExit('no driver here')")
    steady = contender("peer", COUNTING.format(first=0, later=0))
    with pytest.raises(ContenderError, match="dying ended without an answer:\nno driver here"):
        compare(dying, steady, runs=1)


def test_the_ratio_is_that_of_the_medians() -> None:
    ours = Timing("masksmith", [1.0, 2.0, 9.0], 50.0, {"digest": "a"})
    peer = Timing("peer", [8.0, 8.0, 1.0], 80.0, {"digest": "a"})
    result = result_of(comparison(same=("digest",)), ours, peer)
    assert result["ratio"] == 4.0
    assert result["reached"] is True
    assert "4.0x as fast; goal 3x reached" in table_of(result)
    missed = result_of(comparison(goal=5), ours, peer)
    assert "goal 5x NOT reached" in table_of(missed)


def test_different_work_is_not_compared() -> None:
    ours, peer = (
        Timing("masksmith", [1.0], 1.0, {"digest": "a"}),
        Timing("peer", [2.0], 1.0, {"digest": "b"}),
    )
    with pytest.raises(ValueError, match="digest is 'a' for masksmith and 'b' for peer"):
        result_of(comparison(same=("digest",)), ours, peer)
