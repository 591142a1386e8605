"""What is written at the end: a table, a document, a picture."""

import csv
import json

import numpy as np
from PIL import Image

from pipeline.simulation.curves import draw_curves
from pipeline.simulation.results import (
    ByHand,
    RoundResult,
    Simulation,
    read_results,
    write_results,
)


def simulation() -> Simulation:
    def result(strategy: str, number: int, minutes: float, dice: float) -> RoundResult:
        return RoundResult(
            strategy, number, 4**number, 3, minutes, 500.0, 70.0, dice, minutes - 1, 1, 2, 3, 4, 5,
            {"liver": dice},
        )  # fmt: skip

    first = result("random", 1, 70.0, 0.4)
    rounds = [
        first,
        result("random", 2, 50.0, 0.6),
        first.of("rarity"),
        result("rarity", 2, 45.0, 0.65),
    ]
    return Simulation({"seed": 1}, ByHand(500.0, 72.0, 0.9), rounds)


def test_the_table_has_a_row_per_strategy_and_round(tmp_path):
    table, document = write_results(tmp_path, simulation())
    rows = list(csv.DictReader(table.open()))
    assert [(row["strategy"], row["round"], row["dice"]) for row in rows] == [
        ("random", "1", "0.4000"),
        ("random", "2", "0.6000"),
        ("rarity", "1", "0.4000"),
        ("rarity", "2", "0.6500"),
    ]
    assert rows[3]["minutes_per_case"] == "45.0000"
    values = json.loads(document.read_text())
    assert values["by_hand"]["minutes"] == 500.0
    assert values["rounds"][1]["dice_of_structures"] == {"liver": 0.6}
    assert simulation().strategies == ("random", "rarity")
    assert read_results(tmp_path).to_dict() == simulation().to_dict()


def test_the_picture_shows_a_curve_in_the_colour_of_each_strategy(tmp_path):
    path = draw_curves(tmp_path / "simulation.png", simulation())
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    assert len(pixels) > 300_000
    for colour in ((0x1F, 0x77, 0xB4), (0xD9, 0x5F, 0x02)):
        assert (pixels == colour).all(axis=1).sum() > 100
    assert [each.name for each in tmp_path.iterdir()] == ["simulation.png"]
