"""Findings as files beside the case they are about."""

import pytest

from pipeline.errors import BadInput
from pipeline.workspace import Finding, read_findings, write_findings
from pipeline.workspace.layout import Layout

TOUCH = Finding("rib_touching_separated", "two ribs touch", ("rib_left_1",), {"gap_mm": 1.5})


def test_they_come_back_by_maker(tmp_path):
    layout = Layout(tmp_path)
    write_findings(layout, "case-1", "model:ribfrac", [TOUCH])
    write_findings(layout, "case-1", "model:verse", [])
    assert read_findings(layout, "case-1") == {"model:ribfrac": (TOUCH,), "model:verse": ()}


def test_the_newest_list_of_a_maker_counts(tmp_path):
    layout = Layout(tmp_path)
    assert write_findings(layout, "case-1", "model:ribfrac", [TOUCH]) is not None
    assert write_findings(layout, "case-1", "model:ribfrac", [TOUCH]) is None
    write_findings(layout, "case-1", "model:ribfrac", [])
    assert read_findings(layout, "case-1") == {"model:ribfrac": ()}


def test_a_case_nobody_looked_at_has_none(tmp_path):
    assert read_findings(Layout(tmp_path), "case-1") == {}


def test_a_broken_file_is_named(tmp_path):
    layout = Layout(tmp_path)
    path = write_findings(layout, "case-1", "model:ribfrac", [TOUCH])
    path.write_text('{"maker": "x", "findings": [{}]}')
    with pytest.raises(BadInput, match=r"model-ribfrac\.json.*run the stage again"):
        read_findings(layout, "case-1")


def test_severity_and_place_come_back(tmp_path):
    layout = Layout(tmp_path)
    swapped = Finding("side_swapped", "left and right", severity="high", place_mm=(1.5, -20.0, 3.0))
    write_findings(layout, "case-1", "plausibility", [swapped])
    assert read_findings(layout, "case-1") == {"plausibility": (swapped,)}


def test_a_finding_of_before_there_were_severities_is_medium():
    old = {"kind": "overlap", "words": "two masks", "structures": [], "figures": {}}
    assert Finding.from_dict(old) == Finding("overlap", "two masks")


@pytest.mark.parametrize("wrong", [{"severity": "grave"}, {"place_mm": [1, 2]}])
def test_a_severity_or_place_that_is_none_is_refused(wrong):
    values = Finding("overlap", "two masks").to_dict() | wrong
    with pytest.raises(ValueError, match="severity|unpack"):
        Finding.from_dict(values)
