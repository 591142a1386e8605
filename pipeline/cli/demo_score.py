"""How well the demo's masks fit the truth of the CTs that came without masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.cli.demo_steps import LARGE

if TYPE_CHECKING:
    from pipeline.workspace import Case, Mask, Origin, Workspace

Dice = dict[tuple[str, str], float]
"""By case and structure; only where the truth holds the structure."""


@dataclass(frozen=True, slots=True)
class Score:
    """Mean Dice of a structure or group, by who made the masks; None where nobody did.

    Attributes
    ----------
    structures, cases : int
        How many structures the truth holds in how many CTs.
    """

    name: str
    structures: int
    cases: int
    bootstrap: float | None
    round: float | None


def score(workspace_path: Path, truth: Path) -> list[Score]:
    """Compare the masks of the existing model and of round 1 with the truth.

    Parameters
    ----------
    workspace_path : Path
    truth : Path
        Folder with `sXXXX.nii.gz` and `sXXXX_labels.nii.gz`; a CT's truth is found by content.

    Returns
    -------
    list of Score
        Each large structure, then the groups by body part, then everything.
    """
    from pipeline.workspace import Workspace

    workspace = Workspace.open(workspace_path)
    model: Dice = {}
    learned: Dice = {}
    for case, labels in _cases_with_truth(workspace, truth):
        present = [s.name for s in workspace.class_map if np.any(labels == s.value)]
        model |= _dice(workspace, case, labels, "model")
        learned |= dict.fromkeys(((case.id, name) for name in present), 0.0)
        learned |= _dice(workspace, case, labels, "round")
    groups: dict[str, Iterable[str]] = {name: [name] for name in LARGE}
    groups["all large structures"] = LARGE
    for part in workspace.class_map.parts:
        groups[f"all of {part}"] = [s.name for s in workspace.class_map.in_part(part)]
    groups["all structures"] = workspace.class_map.names
    return [_score(name, set(names), model, learned) for name, names in groups.items()]


def _cases_with_truth(
    workspace: Workspace, truth: Path
) -> Iterator[tuple[Case, NDArray[np.int32]]]:
    """Pair each case with the truth of the same CT."""
    from pipeline.volume import read_nifti
    from pipeline.workspace import digest_of_ct

    by_digest = {case.ct_digest: case for case in workspace.cases()}
    for path in sorted(truth.glob("s????.nii.gz")):
        ct = read_nifti(path)
        case = by_digest.get(digest_of_ct(ct.array.astype(np.int16), ct.grid))
        if case is not None:
            labels = read_nifti(path.with_name(path.name.replace(".nii", "_labels.nii")))
            yield case, labels.array.astype(np.int32)


def _dice(workspace: Workspace, case: Case, labels: NDArray[np.int32], origin: Origin) -> Dice:
    """Compute the Dice of a case's masks of one origin with the truth."""
    newest: dict[str, Mask] = {}
    for mask in workspace.masks(case.id):
        if mask.origin == origin:
            newest[mask.structure] = mask
    found: Dice = {}
    for name, mask in newest.items():
        inside = labels == workspace.class_map[name].value
        voxels = int(np.count_nonzero(inside))
        if voxels:
            both = int(np.count_nonzero(inside[mask.box] & workspace.mask_crop(mask)))
            found[case.id, name] = 2 * both / (voxels + mask.voxels)
    return found


def _score(name: str, names: set[str], model: Dice, learned: Dice) -> Score:
    """Average over the structures of a group and the CTs that hold them."""
    held = [key for key in learned if key[1] in names]
    return Score(
        name=name,
        structures=len({structure for _, structure in held}),
        cases=len({case for case, _ in held}),
        bootstrap=_mean(model, names),
        round=_mean(learned, names),
    )


def _mean(dice: Mapping[tuple[str, str], float], names: set[str]) -> float | None:
    values = [value for (_, structure), value in dice.items() if structure in names]
    return round(float(np.mean(values)), 3) if values else None
