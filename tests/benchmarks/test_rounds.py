"""The table of rounds that goes into the documentation."""

from benchmarks.rounds import rounds_table
from pipeline.simulation.results import ByHand, RoundResult, Simulation


def test_the_table_has_every_round_and_what_a_case_takes_by_hand() -> None:
    first = RoundResult("random", 1, 2, 2, 70.04, 500.6, 69.5, 0.61234, 41.26, 0, 0, 28, 1, 0)
    text = rounds_table(Simulation({}, ByHand(502.9, 73.7, 0.947), [first, first.of("rarity")]))
    lines = text.splitlines()
    assert lines[2] == "| random | 1 | 2 | 70.0 | 69.5 | 501 | 0, 0, 28 | 0.612 | 41.3 |"
    assert lines[3].startswith("| rarity | 1 |")
    assert lines[-1].endswith("503 minutes by hand, 74 roughly, with a Dice of 0.947.")
    assert len({line.count("|") for line in lines[:4]}) == 1
