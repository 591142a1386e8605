"""The one case that everything is measured on: a synthetic body with all 104 structures."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pipeline.phantom import BodySettings, make_body
from pipeline.volume import Grid, write_nifti
from pipeline.workspace import (
    Case,
    Provenance,
    Workspace,
    digest_of_ct,
    write_case,
    write_label_map_masks,
)

SHAPE = (270, 200, 450)
BODY = BodySettings(
    seed=7,
    size=0.8,
    spacing_mm=(1.5, 1.5, 1.5),
    in_plane_mm=(405.0, 300.0),
    field_of_view=(-45.0, 630.0),
)


def make_case(folder: Path) -> None:
    """Write the case as each side reads it: a workspace, full-size files for the peers."""
    workspace = Workspace.create(folder / "workspace")
    body = make_body(BODY, workspace.class_map)
    box = (slice(0, SHAPE[0]), slice(0, SHAPE[1]), slice(0, SHAPE[2]))
    ct, labels = np.asfortranarray(body.ct[box]), np.asfortranarray(body.labels[box])
    grid = body.grid.crop(box)
    if grid.shape != SHAPE:
        raise ValueError(f"the body has shape {body.grid.shape}, expected at least {SHAPE}")
    write_nifti(folder / "ct.nii.gz", ct, grid)
    write_nifti(folder / "labels.nii.gz", labels, grid)
    values = fill_workspace(workspace, ct, labels, grid)
    write_full_size_masks(folder / "masks", labels, grid, values)
    described = {"shape": list(SHAPE), "values": values}
    (folder / "case.json").write_text(json.dumps(described))


def fill_workspace(
    workspace: Workspace, ct: NDArray[np.int16], labels: NDArray[np.integer[Any]], grid: Grid
) -> dict[str, int]:
    """Put the case into a new workspace; return the structures present with their values."""
    case = Case(id="bench", grid=grid, ct_digest=digest_of_ct(ct, grid))
    provenance = Provenance(origin="model", maker="model:phantom")
    with workspace.driver_lock("bench"):
        workspace.record_case(write_case(workspace.layout, case, ct))
        masks = write_label_map_masks(
            workspace.layout, case, labels, workspace.class_map, provenance
        )
        workspace.record_masks(masks)
    return {mask.structure: workspace.class_map[mask.structure].value for mask in masks}


def write_full_size_masks(
    folder: Path, labels: NDArray[np.integer[Any]], grid: Grid, values: dict[str, int]
) -> None:
    """Write one full-size file per structure with nibabel, as the field exchanges them."""
    folder.mkdir()
    for name, value in values.items():
        mask = (labels == value).astype(np.uint8, order="F")
        nib.save(nib.Nifti1Image(mask, grid.affine), folder / f"{name}.nii.gz")
