"""What a file held when it was given out, made again from the masks it names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from annotation.handout import HandedFile, HandoutError
from annotation.patches import NOTHING, Patch
from pipeline.workspace import CaseRecord, Workspace


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """One structure as it was given out.

    Attributes
    ----------
    mask_id : str
        Empty if there was no mask.
    mask : Patch
        The mask itself.
    written : Patch
        What the file showed of it.
    """

    mask_id: str
    mask: Patch
    written: Patch


def given_out(workspace: Workspace, record: CaseRecord, file: HandedFile) -> dict[str, Given]:
    """Make again what a file held, by structure.

    Raises
    ------
    HandoutError
        When it names a mask that this workspace does not have.
    """
    known = {mask.id: mask for mask in record.masks}
    masks: dict[str, tuple[str, Patch]] = {}
    for segment in file.segments:
        if not segment.mask_id:
            masks[segment.structure] = ("", NOTHING)
            continue
        mask = known.get(segment.mask_id)
        if mask is None or mask.structure != segment.structure:
            raise HandoutError(
                f"{file.path}: was given out from mask {segment.mask_id[:12]} of "
                f"{segment.structure}, which this workspace does not have; collect it in the "
                "workspace it is from"
            )
        masks[segment.structure] = (mask.id, Patch(workspace.mask_crop(mask), mask.box))
    if not file.painted:
        return {name: Given(mask_id, patch, patch) for name, (mask_id, patch) in masks.items()}
    shown = _painted(record, file, {name: patch for name, (_, patch) in masks.items()})
    return {name: Given(mask_id, patch, shown[name]) for name, (mask_id, patch) in masks.items()}


def _painted(record: CaseRecord, file: HandedFile, masks: Mapping[str, Patch]) -> dict[str, Patch]:
    """Paint the masks in the order in which the file was painted, and cut them out again."""
    numbers = {name: number for number, name in enumerate(file.painted, start=1)}
    labels = np.zeros(record.case.grid.shape, np.uint16, order="F")
    for name, number in numbers.items():
        patch = masks[name]
        np.copyto(labels[patch.box], number, where=patch.crop, casting="unsafe")
    return {
        name: Patch(labels[masks[name].box] == number, masks[name].box)
        for name, number in numbers.items()
    }
