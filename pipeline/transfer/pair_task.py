"""One pair in a worker: read both scans, carry the labels, write the masks, give the figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.transfer.carry import Carried, CarrySettings, Cut, transfer_labels
from pipeline.transfer.pairs import ScanPair
from pipeline.transfer.sanity import doubts, sanity_figures
from pipeline.transfer.working_scan import Scan
from pipeline.workspace import (
    Case,
    Finding,
    Layout,
    Mask,
    Provenance,
    digest_of_ct,
    read_mask,
    write_mask,
)
from pipeline.workspace.case_file import read_ct
from pipeline.workspace.mask_file import verify_mask


@dataclass(frozen=True, slots=True)
class PairTask:
    """One pair to carry.

    Attributes
    ----------
    layout : Layout
    pair : ScanPair
    contrast, native : Case
    masks : tuple of Mask
        Of the contrast case, in the order in which they are painted.
    wanted : tuple of str
        Structures to write in the native case: those no person decided there.
    settings : CarrySettings
    provenance : Provenance
        Of the masks that are written.
    key : str
        Digest of all the masks are made from.
    """

    layout: Layout
    pair: ScanPair
    contrast: Case
    native: Case
    masks: tuple[Mask, ...]
    wanted: tuple[str, ...]
    settings: CarrySettings
    provenance: Provenance
    key: str


@dataclass(frozen=True, slots=True)
class PairResult:
    """What came of one pair.

    Attributes
    ----------
    masks : tuple of Mask
        Written in the native case.
    findings : tuple of Finding
        About the native case.
    refusal : str
        Empty if the pair was carried.
    figures : mapping
        JSON values.
    """

    masks: tuple[Mask, ...]
    findings: tuple[Finding, ...]
    figures: Mapping[str, Any]
    refusal: str = ""


def carry_pair(task: PairTask) -> PairResult:
    """Carry the masks of one pair; nothing is written for a pair that is refused.

    Raises
    ------
    BadInput
        If a file is missing or damaged, or the scans do not meet.
    """
    if not task.masks:
        raise BadInput(
            f"contrast case {task.contrast.id} has no mask of the heart in force; "
            "make one first with 'masksmith bootstrap', or choose another pair"
        )
    names = {value: mask.structure for value, mask in enumerate(task.masks, start=1)}
    contrast, native = _scan(task.layout, task.contrast), _scan(task.layout, task.native)
    labels = _labels(task)
    carried = transfer_labels(contrast, labels, native, task.settings)
    seen = sanity_figures(contrast, labels, native, carried, names)
    figures = {**figures_of(carried, names), **seen}
    if carried.refusal:
        return PairResult((), (_refused(task, carried),), figures, carried.refusal)
    masks = [
        write_mask(
            task.layout,
            task.native,
            names[value],
            carried.labels == value,
            task.provenance,
            box=carried.box,
        )
        for value in carried.structures
        if names[value] in task.wanted
    ]
    findings = (*_findings(carried, names), *doubts(seen, task.contrast.id))
    return PairResult(tuple(masks), findings, figures)


def figures_of(carried: Carried, names: Mapping[int, str]) -> dict[str, Any]:
    """Give the figures of a pair as plain JSON values."""
    found = carried.registration
    return {
        "stages_kept": list(found.kept),
        "displacement_mm": round(carried.displacement_mm, 2),
        **found.before.figures("before"),
        **found.after.figures("after"),
        "mirror_check": {name: round(value, 4) for name, value in found.mirrored.items()},
        "tried": {name: figures.to_dict() for name, figures in found.stages.items()},
        "cut_off": {
            names[value]: {
                "by": cut.by,
                "voxels": cut.voxels,
                "ml": round(cut.ml, 2),
                "written": cut.written,
            }
            for value, cut in carried.cuts.items()
        },
    }


def _scan(layout: Layout, case: Case) -> Scan:
    """Read a CT and check that it is the one the masks will name."""
    path = layout.ct(case.id)
    ct = read_ct(path, case)
    digest = digest_of_ct(ct, case.grid)
    if digest != case.ct_digest:
        raise BadInput(
            f"{path}: content has digest {digest[:12]}, expected {case.ct_digest[:12]}: it was "
            "changed after intake; restore it from a backup"
        )
    return Scan(ct, case.grid)


def _labels(task: PairTask) -> NDArray[np.uint8]:
    labels = np.zeros(task.contrast.grid.shape, np.uint8, order="F")
    for value, mask in enumerate(task.masks, start=1):
        path = task.layout.mask(mask.case_id, mask.structure, mask.id)
        verify_mask(path, task.contrast)
        _, crop = read_mask(path)
        labels[mask.box][crop] = value
    return labels


def _refused(task: PairTask, carried: Carried) -> Finding:
    found = carried.registration
    return Finding(
        "pair_refused",
        f"the heart of {task.contrast.id} was not carried onto this scan: {carried.refusal}",
        tuple(mask.structure for mask in task.masks),
        {**found.before.figures("before"), **found.after.figures("after")},
    )


def _findings(carried: Carried, names: Mapping[int, str]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            "heart_cut_off",
            _words_of(names[value], cut),
            (names[value],),
            {"by": cut.by, "voxels": cut.voxels, "ml": round(cut.ml, 2)},
        )
        for value, cut in carried.cuts.items()
    )


def _words_of(structure: str, cut: Cut) -> str:
    """Say in a sentence what is cut off and what became of it."""
    if cut.by == "contrast":
        return (
            f"{structure}: the contrast scan's field of view cuts it off, this scan sees beyond; "
            f"no mask was written of the {cut.ml:.1f} ml that could have been carried"
        )
    if cut.written:
        return f"{structure}: this scan's field of view cuts it off; {cut.ml:.1f} ml are beyond"
    return f"{structure}: lies outside this scan's field of view; no mask was written"
