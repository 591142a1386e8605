"""One planted fault for each plausibility rule, in a synthetic body, and what the rule says."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.plausibility_bodies import class_map_104
from pipeline.phantom import BodySettings, make_body
from pipeline.volume.claims import Overlapping
from pipeline.workspace import Finding
from qc.planting import Grade, Planted, Subject, draw_for, plant
from qc.plausibility.case_check import paint
from qc.plausibility.checking import apply_rules
from qc.plausibility.rules import RULES
from qc.plausibility.scene import make_scene
from qc.plausibility.scene_measures import Changed, Context
from qc.plausibility.thresholds import shipped_thresholds

SPACING_MM = 3.5
_FLAT_END = "flat_end"
_SHARE_CUT = 0.4
_RULES = {rule.name: rule for rule in RULES}

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A fault and how it is looked at.

    Attributes
    ----------
    kind : str
        Of :mod:`qc.planting`, or ``flat_end``.
    among : tuple of str
        What it may be about.
    seed : int
    grade : {"gross", "medium", "small"}
    view : {"axial", "coronal", "sagittal", "through"}
        A slice, or what is named seen through from the front.
    side_mm : float
        Edge length of what is shown.
    named : str
        Shell pattern of what is coloured and named; empty: what the finding is about.
    window : str
        Of the CT; empty: bone or soft, as fits.
    """

    kind: str
    among: tuple[str, ...]
    seed: int = 0
    grade: Grade = "gross"
    view: str = "coronal"
    side_mm: float = 240.0
    named: str = ""
    window: str = ""


FAULTS: Mapping[str, RuleFault] = {
    "sides": RuleFault("swapped_pair", ("kidney_left", "kidney_right"), side_mm=270.0),
    "vertebra_numbering": RuleFault(
        "swapped_vertebrae",
        ("vertebrae_L1", "vertebrae_L5"),
        1,
        view="sagittal",
        side_mm=230.0,
        named="vertebrae_*",
    ),
    "vertebra_anchor": RuleFault(
        "renumbered_vertebrae",
        ("vertebrae_L5", "vertebrae_L4"),
        view="sagittal",
        named="vertebrae_*",
    ),
    "rib_numbering": RuleFault(
        "swapped_ribs",
        ("rib_left_9", "rib_left_5"),
        1,
        view="through",
        side_mm=300.0,
        named="rib_left_*",
    ),
    "rib_vertebra": RuleFault(
        "renumbered_ribs",
        ("rib_left_6", "rib_right_6"),
        view="through",
        side_mm=330.0,
        named="*_[lT]*[0-9]",
    ),
    "series_sizes": RuleFault(
        "eroded", ("vertebrae_T10",), view="sagittal", side_mm=150.0, named="vertebrae_*"
    ),
    "missing": RuleFault("deleted", ("kidney_left",), side_mm=270.0, named="kidney_*"),
    "cut_off": RuleFault(_FLAT_END, ("liver",), side_mm=260.0),
    "pieces": RuleFault("island", ("spleen",), view="through", side_mm=260.0),
    "scattered": RuleFault("islands", ("spleen",), view="through", side_mm=240.0),
    "slipped_slices": RuleFault(
        "slipped_slices", ("kidney_left",), 1, view="sagittal", side_mm=220.0
    ),
    "holes": RuleFault("hollow", ("liver",), 1, side_mm=260.0),
    "heights": RuleFault("another_room", ("heart_myocardium",), side_mm=400.0),
    "reach": RuleFault("cut", ("aorta",), 1, view="through", side_mm=420.0),
    "containment": RuleFault("another_room", ("urinary_bladder",), 1, side_mm=360.0),
    "touching": RuleFault(
        "dilated",
        ("liver",),
        2,
        "medium",
        side_mm=280.0,
        view="coronal",
    ),
    "mirror_sizes": RuleFault("eroded", ("kidney_left",), 1, side_mm=270.0),
    "opposites": RuleFault(
        "upside_down",
        ("gluteus_minimus_left",),
        0,
        "medium",
        side_mm=330.0,
        named="gluteus_minimus_*",
    ),
    "sizes": RuleFault("eroded", ("liver",), 2, side_mm=280.0),
    "density": RuleFault("shifted", ("aorta",), 2, view="axial", side_mm=220.0),
    "leak": RuleFault("leak_into_lung", ("liver",), 1, side_mm=260.0, window="lung"),
    "unlabelled_lung": RuleFault("cut", ("lung_middle_lobe_right",), 1, view="sagittal",
                                 side_mm=250.0, window="lung"),
    "unlabelled_vertebra": RuleFault(
        "cut", ("vertebrae_L2",), view="sagittal", side_mm=150.0, named="vertebrae_*"
    ),
    "borders": RuleFault("dilated", ("kidney_left",), view="axial", side_mm=190.0),
    "overlap": RuleFault("fat_brush", ("spleen",), view="axial", side_mm=230.0, window="soft"),
    "round_change": RuleFault("shifted", ("spleen",), view="coronal", side_mm=230.0),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Found:
    """A fault that was planted, and the first finding of its rule.

    Attributes
    ----------
    labels : ndarray, shape (I, J, K)
        With the fault, canonical.
    words : str
        What was planted.
    """

    rule: str
    fault: RuleFault
    labels: Labels
    words: str
    finding: Finding


def right_case() -> Subject:
    """Give a woman from the thighs to the neck, portal venous, whose labels are right."""
    class_map = class_map_104()
    spacing = (SPACING_MM, SPACING_MM, SPACING_MM)
    settings = BodySettings(seed=21, spacing_mm=spacing, field_of_view=(-40.0, 620.0))
    body = make_body(settings, class_map)
    return Subject.of(body.labels, body.grid, class_map, body.ct)


def findings_of(
    rule: str, subject: Subject, labels: Labels, planted: Planted | None = None
) -> tuple[Finding, ...]:
    """Give what one rule says of labels; what was planted tells what overlaps or has changed."""
    context = Context("f", "portal_venous", decided=frozenset(subject.class_map.names))
    if planted is not None and rule == "overlap":
        overlaps = _overlaps(subject, planted)
        context = replace(context, overlaps=overlaps)
    if planted is not None and rule == "round_change":
        changes = [
            Changed(name, "round 1", change.before_ml, change.after_ml, change.dice)
            for name, change in planted.changes.items()
            if name in planted.targets
        ]
        context = replace(context, changes=tuple(changes))
    values = labels.astype(subject.class_map.dtype)
    scene = make_scene(values, subject.grid, subject.class_map, subject.ct, context)
    return apply_rules([_RULES[rule]], scene, shipped_thresholds()).findings


def plant_and_find(rule: str, subject: Subject) -> Found:
    """Plant the fault of a rule and let the rule find it.

    Raises
    ------
    LookupError
        If the rule says nothing of the fault, or something of the case without it.
    """
    fault = FAULTS[rule]
    if before := findings_of(rule, subject, subject.labels):
        raise LookupError(f"{rule}: speaks of the case without a fault: {before[0].words}")
    if fault.kind == _FLAT_END:
        planted, labels, words = None, *_ended_flat(subject, fault.among[0])
    else:
        draw = draw_for(fault.kind, fault.grade, fault.seed, among=fault.among)
        planted = plant(subject, draw)
        labels, words = planted.labels, planted.words
    found = findings_of(rule, subject, labels, planted)
    if not found:
        raise LookupError(f"{rule}: does not see that {words}")
    return Found(rule, fault, labels, words, found[0])


def _ended_flat(subject: Subject, name: str) -> tuple[Labels, str]:
    """Take the lowest slices of a structure away, as when somebody stopped drawing."""
    labels = subject.labels.copy(order="F")
    rows = subject.boxes[name][2]
    cut = round((rows.stop - rows.start) * _SHARE_CUT)
    lowest = labels[..., rows.start : rows.start + cut]
    lowest[lowest == subject.value(name)] = 0
    return labels, f"{name} was not drawn in its lowest {cut} slices"


def _overlaps(subject: Subject, planted: Planted) -> tuple[Overlapping, ...]:
    """Put the masks as they were and those that were changed into one label map."""
    whole = (slice(0, None), slice(0, None), slice(0, None))
    crops = [
        (subject.value(name), subject.crop(name), box)
        for name, box in subject.boxes.items()
        if name not in planted.targets
    ]
    grown = [(value, planted.labels == value, whole) for value in subject.values(planted.targets)]
    return paint([*crops, *grown], subject.grid, subject.class_map)[1]
