"""Vertebrae are numbered as they stand: in order, without gaps, evenly spaced."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.anatomy import vertebra_number
from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Measured
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.vertebra_numbers import Vertebra, vertebra_findings
from qc.plausibility.wording import place_of

_WRONG = ("vertebra_order", "vertebra_twice", "vertebra_gap", "vertebra_unlabelled")


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Apply the rule of vertebra numbers (decision 0026) to the scene's vertebrae."""
    for finding in vertebra_findings(vertebrae_in(scene), thresholds):
        if finding.kind == "vertebra_gap" and set(_missing(scene, finding)) <= scene.absent:
            continue  # a person said so
        at = scene.get(finding.structures[-1])
        place = None if at is None else place_of(at.place_mm)
        missing = _missing(scene, finding) if finding.kind == "vertebra_gap" else ()
        named = (*missing, *finding.structures)
        yield replace(finding, structures=named, severity="high", place_mm=place)


def _missing(scene: CaseScene, gap: Finding) -> tuple[str, ...]:
    """Name the vertebrae whose numbers are missing."""
    first, last = (vertebra_number(name) for name in gap.structures)
    numbers = range((first or 0) + 1, last or 0)
    return tuple(s.name for s in scene.class_map if vertebra_number(s.name) in numbers)


def vertebrae_in(scene: CaseScene) -> tuple[Vertebra, ...]:
    """Give the vertebrae of a scene, from the highest number down the spine."""
    found = [_vertebra(each) for each in scene.present() if vertebra_number(each.name) is not None]
    return tuple(sorted(found, key=lambda vertebra: (vertebra.number, vertebra.name)))


def _vertebra(measured: Measured) -> Vertebra:
    parts = tuple((piece.voxels, piece.centroid_mm) for piece in measured.pieces)
    is_cut = bool(measured.edges & {"top", "bottom"})
    number = vertebra_number(measured.name)
    assert number is not None
    return Vertebra(measured.name, number, parts, is_cut)


RULE = Rule(
    "vertebra_numbering",
    "Vertebrae are numbered as they stand: in order, without gaps, evenly spaced.",
    check,
    _WRONG,
)
