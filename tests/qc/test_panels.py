"""Panels: every structure of any class map in exactly one, right and left in one legend line."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from pipeline.anatomy import ClassMap, find_class_map, load_class_map, shipped_configs
from qc.panels import REST_TITLE, PanelRule, assign_panels, legend_rows


@pytest.fixture(scope="module")
def shipped() -> tuple[PanelRule, ...]:
    settings = yaml.safe_load((shipped_configs() / "gallery.yaml").read_text(encoding="utf-8"))
    return tuple(PanelRule(**rule) for rule in settings["panels"])


def class_map_named(name: str) -> ClassMap:
    return find_class_map(name, shipped_configs())


@pytest.mark.parametrize(("name", "count"), [("masksmith_104", 104), ("totalsegmentator_v2", 117)])
def test_the_shipped_panels_hold_every_structure_once_and_need_no_rest(
    shipped: tuple[PanelRule, ...], name: str, count: int
) -> None:
    class_map = class_map_named(name)
    panels = assign_panels(class_map, shipped)
    held = Counter(s.name for panel in panels for s in panel.structures)
    assert held == Counter(class_map.names)
    assert held.total() == count
    assert REST_TITLE not in [panel.title for panel in panels]
    assert len(panels) == 8


def test_a_foreign_class_map_goes_by_part_and_category_and_the_rest_is_kept(
    shipped: tuple[PanelRule, ...], two_arms: ClassMap
) -> None:
    panels = assign_panels(two_arms, shipped)
    assert {p.title: [s.name for s in p.structures] for p in panels} == {
        "other bones": ["arm_right", "arm_left"],
        REST_TITLE: ["middle", "tail"],
    }


def test_a_name_decides_before_a_category(two_arms: ClassMap) -> None:
    rules = (
        PanelRule(title="bones", categories=("bone",)),
        PanelRule(title="L", names=("*_left",)),
    )
    titles = {s.name: p.title for p in assign_panels(two_arms, rules) for s in p.structures}
    assert titles["arm_left"] == "L"
    assert titles["arm_right"] == "bones"
    assert titles["tail"] == REST_TITLE


def test_without_rules_everything_is_in_one_panel(two_arms: ClassMap) -> None:
    [panel] = assign_panels(two_arms, ())
    assert len(panel.structures) == 4


def test_legends_run_from_the_neck_down_and_count_ribs_as_numbers(
    shipped: tuple[PanelRule, ...],
) -> None:
    panels = {p.title: p for p in assign_panels(class_map_named("masksmith_104"), shipped)}
    spine = [row.label for row in legend_rows(panels["spine"])]
    assert spine[:2] == ["C1", "C2"]
    assert spine[-2:] == ["L5", "sacrum"]
    assert spine.index("T12") == spine.index("L1") - 1
    ribs = legend_rows(panels["ribs"])
    assert [row.label for row in ribs] == [f"rib {number}" for number in range(1, 13)]
    assert [member.side for member in ribs[0].members] == ["right", "left"]


def test_a_sided_structure_without_mirror_keeps_its_side(
    shipped: tuple[PanelRule, ...],
) -> None:
    panels = {p.title: p for p in assign_panels(class_map_named("masksmith_104"), shipped)}
    rows = {row.label: row for row in legend_rows(panels["lungs, airway, face"])}
    assert [m.name for m in rows["lung middle lobe"].members] == ["lung_middle_lobe_right"]
    assert rows["lung middle lobe"].sided
    assert not rows["trachea"].sided


def test_every_structure_stands_in_one_legend_line(shipped: tuple[PanelRule, ...]) -> None:
    for path in [*Path(shipped_configs() / "class_maps").glob("*.yaml")]:
        class_map = load_class_map(path)
        panels = assign_panels(class_map, shipped)
        names = [m.name for p in panels for row in legend_rows(p) for m in row.members]
        assert sorted(names) == sorted(class_map.names)
