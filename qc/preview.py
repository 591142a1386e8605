"""`masksmith preview`: one CT and its segmentation as the gallery draws it, without a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.stage import FileCommand, StageSettings
from pipeline.volume import Grid, occurring_values
from pipeline.volume.label_reading import Segmentation
from pipeline.workspace import Finding
from qc.drawing import Style
from qc.legend import CaseInfo
from qc.measurement_table import age_years
from qc.picture import Picture, Subject, render_case
from qc.plausibility.case_check import sex_among
from qc.plausibility.checking import check_case
from qc.plausibility.scene import make_scene
from qc.plausibility.scene_measures import Context
from qc.plausibility.thresholds import Thresholds


class PreviewSettings(StageSettings):
    """What `masksmith preview` can be told beside its files."""

    class_map: str | None = Field(
        None,
        description="What values or names of masks mean: a name or a file; none: the workspace's, "
        "else the settings'",
    )
    findings: bool = Field(
        True, description="Apply the rules of plausibility and outline what they suspect"
    )
    pick_map: bool = Field(
        False, description="Also write which structure each pixel shows, as OUT with .picks.png"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A CT and its segmentation.

    Attributes
    ----------
    name : str
        As it stands in the picture.
    ct : ndarray of int16, shape (I, J, K)
        Hounsfield units.
    grid : Grid
    segmentation : Segmentation
        On that grid.
    facts : mapping of str to str
        What the CT's header says; ``sex`` and ``age`` count for the rules.
    """

    name: str
    ct: NDArray[np.int16]
    grid: Grid
    segmentation: Segmentation
    facts: Mapping[str, str] = field(default_factory=dict)


def suspicions_about(seen: Seen, style: Style, thresholds: Thresholds) -> tuple[Finding, ...]:
    """Apply the rules of plausibility; what cannot be checked is not suspected."""
    read = seen.segmentation
    context = Context(
        sex=sex_among(seen.facts),
        age_years=age_years(seen.facts),
        decided=read.covered,
        overlaps=read.overlaps,
    )
    scene = make_scene(read.labels, seen.grid, style.class_map, seen.ct, context)
    return check_case(scene, thresholds)


def draw_preview(
    seen: Seen, style: Style, driver: str, suspicious: tuple[Finding, ...] = ()
) -> Picture:
    """Draw the picture.

    Parameters
    ----------
    seen : Seen
    style : Style
    driver : str
        What :func:`qc.rendering_probe.require_rendering` gave.
    suspicious : tuple of Finding
        What is outlined.
    """
    there = set(style.class_map.values) & set(occurring_values(seen.segmentation.labels))
    sources: dict[str, Any] = {"file": len(there)}
    info = CaseInfo(seen.name, sources=sources, suspicious=suspicious)
    subject = Subject(seen.segmentation.labels, seen.grid, seen.ct, info)
    return render_case(subject, style.class_map, style.rules, style.settings, driver=driver)


COMMAND = FileCommand(
    name="preview",
    summary="Draw a CT and its segmentation as one picture: files in, PNG out.",
    Settings=PreviewSettings,
)
