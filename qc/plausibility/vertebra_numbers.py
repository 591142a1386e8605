"""Whether the vertebrae are numbered as they stand: in order, without gaps, each number once.

Wrong vertebra numbers are among the commonest errors of ground truth, and every rib that is
numbered by its vertebra inherits them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import vertebra_number
from pipeline.volume import Box, Grid
from pipeline.workspace import Finding
from qc.plausibility.thresholds import Thresholds

Crop = tuple[NDArray[np.bool_], Box]
Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Vertebra:
    """One vertebra as it is labelled.

    Attributes
    ----------
    name : str
    number : int
        Along the spine, see `pipeline.anatomy.vertebra_number`.
    parts : tuple of (int, ndarray)
        Voxels and centre (world, mm) of each connected piece, the largest first.
    is_cut : bool
        Whether the field of view ends in it.
    """

    name: str
    number: int
    parts: tuple[tuple[int, Point], ...]
    is_cut: bool

    @property
    def centre_mm(self) -> Point:
        """Centre of the largest piece: world (RAS+), shape (3,)."""
        return self.parts[0][1]


def read_vertebrae(crops: Mapping[str, Crop], grid: Grid) -> tuple[Vertebra, ...]:
    """Measure the vertebrae among some masks, from the highest number down the spine.

    Parameters
    ----------
    crops : mapping of str to (ndarray of bool, box)
        Voxels by structure name, and where in the grid they lie. Empty masks and other structures
        are passed over.
    grid : Grid
    """
    found = []
    for name, (crop, box) in crops.items():
        number = vertebra_number(name)
        if number is not None and crop.any():
            parts = _parts(crop, box, grid)
            found.append(Vertebra(name, number, parts, _is_cut(box, grid)))
    return tuple(sorted(found, key=lambda vertebra: (vertebra.number, vertebra.name)))


def vertebra_findings(vertebrae: Sequence[Vertebra], thresholds: Thresholds) -> tuple[Finding, ...]:
    """Say what is odd about the numbers of the vertebrae of one case.

    Kinds of findings: ``vertebra_order`` (a higher number stands above a lower one),
    ``vertebra_gap`` (a number is missing between two others), ``vertebra_unlabelled`` (room for
    another vertebra between two neighbours), ``vertebra_twice`` (one number on two vertebrae, or
    two numbers on one).

    Parameters
    ----------
    vertebrae : sequence of Vertebra
        As `read_vertebrae` gives them.
    thresholds : Thresholds
    """
    scale = _scale(vertebrae, thresholds)
    findings = _order(vertebrae)
    for upper, lower in pairwise(vertebrae):
        one_mm = scale * thresholds.vertebra_step_mm(upper.number)
        findings += _between(upper, lower, one_mm, thresholds)
    for vertebra in vertebrae:
        one_mm = scale * thresholds.vertebra_step_mm(vertebra.number)
        findings += _pieces(vertebra, one_mm, thresholds)
    return tuple(findings)


def _order(vertebrae: Sequence[Vertebra]) -> list[Finding]:
    findings = []
    for upper, lower in pairwise(vertebrae):
        rise_mm = float(lower.centre_mm[2] - upper.centre_mm[2])
        if rise_mm > 0 and lower.number > upper.number:
            words = f"{lower.name} lies {rise_mm:.0f} mm above {upper.name}: numbers out of order"
            findings.append(
                Finding(
                    "vertebra_order",
                    words,
                    (upper.name, lower.name),
                    {"rise_mm": round(rise_mm, 1)},
                )
            )
    return findings


def _between(
    upper: Vertebra, lower: Vertebra, one_mm: float, thresholds: Thresholds
) -> list[Finding]:
    names = (upper.name, lower.name)
    step = lower.number - upper.number
    apart_mm = _apart_mm(upper, lower)
    is_far = apart_mm > thresholds["vertebra_far_share"] * one_mm
    figures = {"apart_mm": round(apart_mm, 1), "usual_mm": round(one_mm, 1)}
    far = f"they lie {apart_mm:.0f} mm apart, neighbours here some {one_mm:.0f} mm"
    judged = not (upper.is_cut or lower.is_cut)
    level_mm = abs(float(upper.centre_mm[2] - lower.centre_mm[2]))
    if judged and level_mm < thresholds["vertebra_level_share"] * one_mm and not is_far:
        words = f"{upper.name} and {lower.name} lie on one vertebra: {far}"
        return [Finding("vertebra_twice", words, names, figures)]
    if step > 1:
        return [_gap(upper, lower, one_mm, far, no_room=judged and not is_far)]
    if step == 1 and judged and is_far:
        words = f"between {upper.name} and {lower.name} there is room for another vertebra: {far}"
        return [Finding("vertebra_unlabelled", words, names, figures)]
    return []


def _gap(upper: Vertebra, lower: Vertebra, one_mm: float, far: str, *, no_room: bool) -> Finding:
    missing = lower.number - upper.number - 1
    apart_mm = _apart_mm(upper, lower)
    if no_room:
        why = "there is no room for it, so a number was skipped or the person has one less"
    else:
        why = "it is there unlabelled, or was removed"
    what = "a number is" if missing == 1 else f"{missing} numbers are"
    return Finding(
        "vertebra_gap",
        f"{what} missing between {upper.name} and {lower.name}: {far}; {why}",
        (upper.name, lower.name),
        {"missing": missing, "apart_mm": round(apart_mm, 1), "usual_mm": round(one_mm, 1)},
    )


def _pieces(vertebra: Vertebra, one_mm: float, thresholds: Thresholds) -> list[Finding]:
    (largest, centre), *others = vertebra.parts
    findings: list[Finding] = []
    if vertebra.is_cut:
        return findings
    for voxels, place in others:
        # Up and down: the transverse processes of one vertebra lie far apart sideways.
        apart_mm = abs(float(place[2] - centre[2]))
        is_large = voxels >= thresholds["vertebra_part_share"] * largest
        if is_large and apart_mm > thresholds["vertebra_part_apart_share"] * one_mm:
            findings.append(
                Finding(
                    "vertebra_twice",
                    f"{vertebra.name} has two large pieces {apart_mm:.0f} mm apart: one number on "
                    "two vertebrae",
                    (vertebra.name,),
                    {"apart_mm": round(apart_mm, 1), "voxels": voxels, "largest_voxels": largest},
                )
            )
    return findings


def _scale(vertebrae: Sequence[Vertebra], thresholds: Thresholds) -> float:
    """How large this spine is beside the usual one; 1 if too little is seen of it."""
    shares = [
        _apart_mm(upper, lower) / thresholds.vertebra_step_mm(upper.number)
        for upper, lower in pairwise(vertebrae)
        if lower.number - upper.number == 1 and not (upper.is_cut or lower.is_cut)
    ]
    if len(shares) < thresholds["vertebra_fewest_steps"]:
        return 1.0
    low, high = thresholds["vertebra_scale_low"], thresholds["vertebra_scale_high"]
    return float(np.clip(np.median(shares), low, high))


def _apart_mm(one: Vertebra, other: Vertebra) -> float:
    return float(np.linalg.norm(one.centre_mm - other.centre_mm))


def _parts(crop: NDArray[np.bool_], box: Box, grid: Grid) -> tuple[tuple[int, Point], ...]:
    from scipy import ndimage

    pieces, count = ndimage.label(crop, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    places = np.array(ndimage.center_of_mass(crop, pieces, range(1, count + 1)))
    places += np.array([side.start for side in box])
    world = places @ np.array(grid.affine)[:3, :3].T + np.array(grid.affine)[:3, 3]
    order = sorted(range(count), key=lambda n: (-int(sizes[n]), tuple(world[n])))
    return tuple((int(sizes[n]), world[n]) for n in order)


def _is_cut(box: Box, grid: Grid) -> bool:
    """Tell whether a box touches the upper or lower end of the field of view."""
    axis = int(np.argmax(np.asarray(grid.world_axes()[0]) == 2))
    return bool(box[axis].start == 0 or box[axis].stop == grid.shape[axis])
