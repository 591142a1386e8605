"""Left and right of what was drawn for one case: against each other, the workspace, the body."""

from collections.abc import Mapping
from dataclasses import dataclass

from annotation.importing.reading import Reading
from annotation.importing.refusal import ImportRefused
from pipeline.anatomy import ClassMap, Side, Structure
from pipeline.volume import Grid
from pipeline.volume.sides import LEAST_PAIRS, Sides, compare_sides
from pipeline.workspace import Mask

_OFF_MIDDLE = "heart_"
"""Chambers of the heart: the right ventricle lies left of the body's middle (measured: 12 mm)."""

_USUAL_SIDES: Mapping[str, Side] = {
    "liver": "right",
    "gallbladder": "right",
    "spleen": "left",
    "stomach": "left",
}
"""Organs without a side in their name that lie on one: a mirrored mask of them alone shows."""


@dataclass(frozen=True, slots=True)
class SideRules:
    """What counts as the wrong side.

    Attributes
    ----------
    class_map : ClassMap
    margin_mm : float
        How far beyond the body's middle a single structure may lie.
    """

    class_map: ClassMap
    margin_mm: float


def wrong_sides(
    drawn: Mapping[str, Reading], in_force: Mapping[str, Mask], grid: Grid, rules: SideRules
) -> dict[str, ImportRefused]:
    """Find drawings whose side is not that of their name.

    Parameters
    ----------
    drawn : mapping of str to Reading
        By structure; all that a run brings for one case.
    in_force : mapping of str to Mask
        What the workspace has of the case: the other half of a pair that only half was drawn of.
    grid : Grid
        The case's.
    rules : SideRules

    Returns
    -------
    dict of str to ImportRefused
        By structure; ``sides_exchanged`` where all of at least two pairs are, else ``wrong_side``.
    """
    centres = {
        name: reading.centre_x_mm
        for name, reading in drawn.items()
        if reading.centre_x_mm is not None and name in rules.class_map
    }
    sides = compare_sides(centres, rules.class_map)
    if len(sides.exchanged) >= LEAST_PAIRS and not sides.agreeing:
        return _all_exchanged(sides, centres, rules.class_map)
    found = {}
    for name in centres:
        structure = rules.class_map[name]
        words = _words(structure, centres, sides) if structure.mirror in centres else None
        if structure.mirror is None or structure.mirror not in centres:
            words = _against_workspace(structure, centres[name], in_force, grid) or _off_middle(
                structure, drawn[name], rules
            )
        if words:
            found[name] = ImportRefused("wrong_side", words)
    return found


def _all_exchanged(
    sides: Sides, centres: Mapping[str, float], class_map: ClassMap
) -> dict[str, ImportRefused]:
    """Refuse everything: if the voxels are mirrored, what lies in the middle is wrong too."""
    pairs = ", ".join(
        f"{name} at x {centres[name]:.0f} mm, {class_map[name].mirror} at "
        f"{centres[class_map[name].mirror or '']:.0f} mm"
        for name in sides.exchanged[:3]
    )
    words = (
        f"left and right are exchanged in all {len(sides.exchanged)} pairs ({pairs}): the names or "
        "the voxels are mirrored; if this body is (situs inversus), say --accept-sides"
    )
    return {name: ImportRefused("sides_exchanged", words) for name in centres}


def _words(structure: Structure, centres: Mapping[str, float], sides: Sides) -> str | None:
    left = structure.name if structure.side == "left" else structure.mirror
    if left not in sides.exchanged:
        return None
    other = structure.mirror or ""
    return _pair_words(structure.name, centres[structure.name], other, centres[other])


def _against_workspace(
    structure: Structure, centre: float, in_force: Mapping[str, Mask], grid: Grid
) -> str | None:
    """Compare with the other half of the pair, where the workspace has it."""
    other = in_force.get(structure.mirror or "")
    if other is None or not other.voxels:
        return None
    middle = [(side.start + side.stop - 1) / 2 for side in other.box]
    there = float(grid.affine[0, :3] @ middle + grid.affine[0, 3])
    if (centre > there) == (structure.side == "right"):
        return None
    name = f"{other.structure} in force"
    return _pair_words(structure.name, centre, name, there)


def _pair_words(name: str, centre: float, other: str, there: float) -> str:
    return (
        f"{name} lies at x {centre:.0f} mm, {other} at {there:.0f} mm, and x grows to the "
        "patient's right: names exchanged? Correct them, or say --accept-sides"
    )


def _off_middle(structure: Structure, reading: Reading, rules: SideRules) -> str | None:
    side = structure.side or _USUAL_SIDES.get(structure.name)
    if side is None or reading.right_mm is None or structure.name.startswith(_OFF_MIDDLE):
        return None
    beyond = -reading.right_mm if side == "right" else reading.right_mm
    if beyond <= rules.margin_mm:
        return None
    other = "left" if side == "right" else "right"
    return (
        f"{structure.name} lies {beyond:.0f} mm to the {other} of the body's middle: "
        "mirrored, or its name exchanged? Correct it, or say --accept-sides"
    )
