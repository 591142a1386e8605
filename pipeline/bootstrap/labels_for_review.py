"""What bootstrap noticed about a case: findings, and voxels that need a person to place them."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap.tasks import CaseTask
from pipeline.volume import Box, encode_nifti, write_file_atomically
from pipeline.workspace import Finding, Layout, write_findings
from pipeline.workspace.finding_file import findings_path

LABEL_WITHOUT_STRUCTURE = "label_without_structure"


def store_findings(layout: Layout, case_id: str, maker: str, findings: Sequence[Finding]) -> None:
    """Replace what a maker said about a case; no file is made where there is nothing to say."""
    if findings or findings_path(layout, case_id, maker).exists():
        write_findings(layout, case_id, maker, findings)


def keep_for_review(task: CaseTask, label: str, crop: NDArray[np.bool_], box: Box) -> Finding:
    """Keep the voxels of a label that has no structure, and say that a person must place them.

    They lie beside the findings of the case, under a name that changes with their content, as a
    NIfTI file that any viewer opens at the right place.

    Parameters
    ----------
    task : CaseTask
    label : str
        The model's own name: ``vertebrae_L6``.
    crop : ndarray of bool, shape of the box
    box : tuple of slice
        Where it lies in the case's grid.
    """
    model, case = task.model, task.case
    said = {"case": case.id, "label": label, "maker": model.maker, "for": "review"}
    data = encode_nifti(
        np.asfortranarray(crop), case.grid.crop(box), extension=said, intent="label"
    )
    digest = hashlib.sha256(data).hexdigest()
    beside = findings_path(model.layout, case.id, model.maker)
    path = beside.with_name(f"{beside.stem}--{label}--{digest[:12]}.nii.gz")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file_atomically(path, data)
    voxels = int(np.count_nonzero(crop))
    ml = voxels * case.grid.voxel_ml
    words = (
        f"{model.card.name} labelled {label} ({voxels} voxels, {ml:.1f} ml), which is no structure "
        f"of the class map '{model.class_map.name}'; look at {path.name} and give its voxels to a "
        "structure, or to none"
    )
    return Finding(
        LABEL_WITHOUT_STRUCTURE,
        words,
        (),
        {"label": label, "voxels": voxels, "ml": round(ml, 3), "file": path.name},
    )
