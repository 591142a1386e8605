"""Each rule has its section and picture, and the fault that is drawn is found by it."""

import re
from functools import cache

import numpy as np
import pytest
from PIL import Image

from benchmarks.contender import ROOT
from benchmarks.rule_faults import FAULTS, findings_of, plant_and_find, right_case
from benchmarks.rule_pictures import draw, encoded
from qc.look import FLAG_MEDIUM
from qc.planting import Subject
from qc.plausibility.rules import RULES

NAMES = [rule.name for rule in RULES]
FOLDER = ROOT / "docs" / "plausibility"
PAGE = (ROOT / "docs" / "plausibility.md").read_text(encoding="utf-8")
MOST_BYTES = 40_000

subject = cache(right_case)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_has_its_section_with_a_picture(name: str) -> None:
    section = PAGE.partition(f"\n### `{name}`\n")[2].partition("\n###")[0]
    assert f"](plausibility/{name}.webp)" in section
    assert re.findall(r"\*\*(.+?):\*\* \S", section) == ["Finds", "Thresholds", "What to do"]
    path = FOLDER / f"{name}.webp"
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    assert pixels.shape == (258, 480, 3)
    yellow = np.abs(pixels - FLAG_MEDIUM).max(axis=2) < 60
    assert yellow[22:, 244:].sum() > 40  # the ring, on the tile with the fault


def test_no_picture_is_left_over() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES) == sorted(FAULTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_rule_finds_the_fault_that_is_drawn_for_it(name: str) -> None:
    case = subject()
    found = plant_and_find(name, case)
    assert found.finding.kind in next(rule.kinds for rule in RULES if rule.name == name)
    assert found.finding.severity in ("medium", "high")
    assert set(found.finding.structures) <= set(case.class_map.names)
    assert len(encoded(draw(found, case))) < MOST_BYTES


@pytest.mark.slow
def test_a_fault_that_its_rule_does_not_see_is_not_drawn() -> None:
    case = subject()
    emptied = Subject(np.zeros_like(case.labels), case.grid, case.class_map, case.ct)
    assert findings_of("sides", emptied, emptied.labels) == ()
    swapped = plant_and_find("sides", case).labels
    with pytest.raises(LookupError, match="sides: speaks of the case without a fault"):
        plant_and_find("sides", Subject(swapped, case.grid, case.class_map, case.ct))
