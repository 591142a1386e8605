"""A round's manifest -> the cases nnU-Net is trained on, from the very masks it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.volume import Box, Grid, read_nifti
from pipeline.workspace import Case, Layout, Mask, Workspace, read_mask, verify_mask
from pipeline.workspace.in_force import paint_order
from training.nnunet_dataset import TrainingCase, ignore_value, label_dtype
from training.round_choice import Choice, State
from training.skipped_slices import SkippedSlices, skipped_boxes


@dataclass(frozen=True, slots=True)
class FrozenCase:
    """Loads one case as the manifest froze it; picklable.

    Attributes
    ----------
    states : mapping
        Structure to state; structures without a mask are background.
    class_map : ClassMap
        Values of the label map.
    skipped_slices : str
        What becomes of slices between drawn ones that somebody drew nothing on; see
        ``training/skipped_slices.py``.
    """

    layout: Layout
    case: Case
    states: Mapping[str, State]
    class_map: ClassMap
    skipped_slices: SkippedSlices = "background"

    def __call__(self) -> tuple[NDArray[Any], NDArray[Any], Grid]:
        """Read the CT and assemble the label map, checking every mask against its digest.

        Raises
        ------
        MaskFileError
            If a mask is gone or was changed.
        """
        volume = read_nifti(self.layout.ct(self.case.id))
        volume.grid.require_same(self.case.grid, what=f"{self.case.id}: CT and record")
        labels = np.zeros(self.case.grid.shape, label_dtype(self.class_map), order="F")
        masks = self._masks()
        reviewed = {mask.id for name, mask in masks.items() if self.states[name].unreviewed is None}
        skipped: list[Box] = []
        for mask in paint_order(masks, reviewed):
            _, crop = read_mask(self.layout.mask(mask.case_id, mask.structure, mask.id))
            value = self.class_map[mask.structure].value
            np.copyto(labels[mask.box], value, where=crop, casting="unsafe")
            if self.skipped_slices == "ignore":
                skipped += skipped_boxes(mask, crop)
        for box in skipped:
            labels[box][labels[box] == 0] = ignore_value(self.class_map)
        return volume.array, labels, volume.grid

    def _masks(self) -> dict[str, Mask]:
        masks = {}
        for name, state in self.states.items():
            if state.kind == "mask" and state.mask_id is not None:
                path = self.layout.mask(self.case.id, name, state.mask_id)
                masks[name] = verify_mask(path, self.case)
        return masks


def training_cases(
    workspace: Workspace,
    choice: Choice,
    class_map: ClassMap,
    skipped_slices: SkippedSlices = "background",
) -> tuple[TrainingCase, ...]:
    """Give the training cases of one model; each is read only when its turn comes."""
    cases = []
    for case_id, states in choice.cases.items():
        case = workspace.case(case_id)
        cases.append(
            TrainingCase(
                case.id,
                case.patient_id or case.id,
                FrozenCase(workspace.layout, case, states, class_map, skipped_slices),
                undecided=choice.undecided_in(case_id),
                may_ignore=skipped_slices == "ignore",
            )
        )
    return tuple(cases)
