"""Case files: the CT and the record beside it. Safe to call from worker processes."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume import Grid, read_nifti, write_file_atomically, write_nifti
from pipeline.workspace.digest import digest_of
from pipeline.workspace.layout import Layout
from pipeline.workspace.words import Case

_FORMAT = 1


class CaseFileError(BadInput):
    """A case's record or CT that is missing, damaged, or belongs to another case."""


def digest_of_ct(array: NDArray[np.int16], grid: Grid) -> str:
    """Give the digest by which the same CT is recognised in another file.

    Parameters
    ----------
    array : ndarray of int16, shape (I, J, K)
        Hounsfield units.
    grid : Grid
        The affine counts to a thousandth of a millimetre.
    """
    placed = np.rint(grid.affine * 1000).astype(int).tolist()
    voxels = np.ascontiguousarray(array.T, dtype="<i2")
    return digest_of({"shape": list(grid.shape), "affine_um": placed}, voxels.data)


def write_case(layout: Layout, case: Case, array: NDArray[np.int16]) -> Case:
    """Store a case: the CT first, its record second, each atomically.

    A case whose record already stands is kept as it is.

    Raises
    ------
    CaseFileError
        When another CT already has this case's name.
    BadInput
        When the array is not int16 on the case's grid.
    """
    kept = kept_case(layout, case)
    if kept is not None:
        return kept
    if array.dtype != np.int16:
        raise BadInput(f"case {case.id}: voxels of type {array.dtype}, expected int16 HU")
    write_nifti(layout.ct(case.id), array, case.grid)
    return write_case_record(layout, case)


def kept_case(layout: Layout, case: Case) -> Case | None:
    """Give the record that stands under this case's name already, or None.

    Raises
    ------
    CaseFileError
        When another CT already has this case's name.
    """
    if not layout.case_file(case.id).exists():
        return None
    kept = read_case(layout, case.id)
    if kept.ct_digest != case.ct_digest:
        raise CaseFileError(
            f"case {case.id}: another CT already has this name "
            f"(digest {kept.ct_digest[:12]}, this one {case.ct_digest[:12]})"
        )
    return kept


def write_case_record(layout: Layout, case: Case) -> Case:
    """Write a case's record atomically; its CT must stand already."""
    record = {"format": _FORMAT, "case": case.to_dict()}
    text = json.dumps(record, indent=1, sort_keys=True)
    write_file_atomically(layout.case_file(case.id), text.encode())
    return case


def read_case(layout: Layout, case_id: str) -> Case:
    """Read a case's record.

    Raises
    ------
    CaseFileError
        When it is missing or cannot be read.
    """
    path = layout.case_file(case_id)
    try:
        return Case.from_dict(json.loads(path.read_bytes())["case"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaseFileError(f"{path}: no readable case record ({error})") from error


def read_ct(path: Path, case: Case) -> NDArray[np.int16]:
    """Read a stored CT, shape (I, J, K), int16 HU, Fortran-ordered.

    Raises
    ------
    GridMismatch
        When the file lies on another grid than the case's record says.
    NiftiError
        When the file cannot be read.
    """
    volume = read_nifti(path)
    case.grid.require_same(volume.grid, what=str(path))
    return volume.array.astype(np.int16, copy=False)


def verify_ct(layout: Layout, case: Case) -> None:
    """Check that a stored CT has the digest of its record.

    Raises
    ------
    CaseFileError
        When voxels or grid are not what was stored.
    """
    array = read_ct(layout.ct(case.id), case)
    found = digest_of_ct(array, case.grid)
    if found != case.ct_digest:
        raise CaseFileError(
            f"{layout.ct(case.id)}: content has digest {found[:12]}, expected "
            f"{case.ct_digest[:12]}: it was changed after intake; restore it from a backup"
        )
