"""Which time a drawing counts from, and which revision it follows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotation.importing.names import Match
from annotation.importing.reading import PackedMask, ReadFile, Reading
from annotation.importing.settings import ImportRoughSettings
from annotation.importing.storing import Storing, shelves
from pipeline.volume.drawn_slices import DrawnSlices
from pipeline.workspace import Case, Mask, Workspace, now_utc

OLD, LATER, FUTURE = "2024-03-01T09:00:00", "2024-04-01T09:00:00", "2999-01-01T00:00:00"


@pytest.fixture
def store(workspace: Workspace, add_case: Callable[..., Case]) -> Callable[..., Mask]:
    """Store a cube of some size as the liver of a case."""
    case = add_case("s1")

    def give(size: int, drawn_at: str = "", by: str = "", **settings: object) -> Mask:
        values = {"paths": (Path("x"),), "case": "s1"} | settings
        storing = Storing(workspace, ImportRoughSettings.model_validate(values), "carla")
        crop = np.ones((size, size, size), np.bool_)
        box = (slice(5, 5 + size), slice(5, 5 + size), slice(5, 5 + size))
        reading = Reading(
            "liver",
            Match("liver", "name"),
            mask=PackedMask.of(crop, box),
            how="same grid",
            slices=DrawnSlices(2, ((5, 4 + size),)),
            drawn_by=by,
            drawn_at=drawn_at,
        )
        file = ReadFile(Path("x"), "seg.nrrd", f"{size:064d}", case, software={"slicer": "5.6"})
        stored = storing.store(file, reading, shelves(workspace, "s1", ["liver"])["liver"])
        assert stored.mask is not None
        return stored.mask

    return give


def in_force(workspace: Workspace) -> str:
    return workspace.in_force("s1")["liver"].id


def test_who_and_when_come_from_the_file(store: Callable[..., Mask]) -> None:
    made = store(3, OLD, "Anna  Beispiel").provenance
    assert made.maker == "person:Anna Beispiel"
    assert made.created == "2024-03-01T09:00:00.000000+00:00"
    assert made.about["drawn_at"] == made.created
    assert made.software == {"slicer": "5.6"}


def test_who_is_unknown_if_nobody_says(store: Callable[..., Mask]) -> None:
    assert store(3).provenance.maker == "person:unknown"
    assert store(4, "", "").provenance.maker == "person:unknown"
    assert "drawn_at" not in store(5, "last week").provenance.about


def test_a_later_drawing_counts_from_its_own_time(
    workspace: Workspace, store: Callable[..., Mask]
) -> None:
    first = store(3, OLD)
    second = store(4, LATER)
    assert second.provenance.created == "2024-04-01T09:00:00.000000+00:00"
    assert second.provenance.parents == (first.id,)
    assert in_force(workspace) == second.id


def test_a_correction_with_the_same_date_is_still_the_newer(
    workspace: Workspace, store: Callable[..., Mask]
) -> None:
    store(3, OLD)
    before = now_utc()
    second = store(4, OLD)
    assert before <= second.provenance.created <= now_utc()
    assert in_force(workspace) == second.id


def test_an_older_drawing_that_comes_later_does_not_push_a_newer_one_out(
    workspace: Workspace, store: Callable[..., Mask]
) -> None:
    newer = store(3, LATER)
    older = store(4, OLD)
    assert older.provenance.created == "2024-03-01T09:00:00.000000+00:00"
    assert in_force(workspace) == newer.id


def test_a_date_in_the_future_is_not_believed(store: Callable[..., Mask]) -> None:
    mask = store(3, FUTURE)
    assert mask.provenance.created <= now_utc()
    assert mask.provenance.about["drawn_at"].startswith("2999")


def test_an_origin_of_human_is_said(store: Callable[..., Mask]) -> None:
    assert store(3, origin="human").origin == "human"
