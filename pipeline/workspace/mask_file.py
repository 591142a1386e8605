"""Mask files: cropped to their bounding box, immutable, and able to explain themselves.

A mask file is a NIfTI any viewer opens at the right place. Its header extension holds the
mask's record with its provenance, so the index can be rebuilt from the files alone.
Safe to call from worker processes: nothing here touches the ledger.
"""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, Structure
from pipeline.errors import BadInput
from pipeline.volume import (
    Box,
    Grid,
    bounding_box,
    encode_nifti,
    label_boxes,
    write_file_atomically,
)
from pipeline.volume.nifti import UNREADABLE, parse_extension
from pipeline.workspace.digest import digest_of
from pipeline.workspace.layout import Layout
from pipeline.workspace.words import Case, Mask, Provenance

_FORMAT = 1
_WRITERS = 8
_EMPTY_BOX: Box = (slice(0, 1), slice(0, 1), slice(0, 1))
_HEADER_BYTES = 348


class MaskFileError(BadInput):
    """A mask file that is damaged or is not one of Masksmith's."""


def write_mask(
    layout: Layout,
    case: Case,
    structure: str,
    array: NDArray[np.generic],
    provenance: Provenance,
    *,
    box: Box | None = None,
) -> Mask:
    """Store one revision of a mask; a file that is already there is kept byte for byte.

    Parameters
    ----------
    layout : Layout
    case : Case
    structure : str
    array : ndarray, shape (I, J, K) or the shape of ``box``
        Non-zero is inside. An empty mask is legal: its maker looked and found nothing.
    provenance : Provenance
    box : tuple of slice, optional
        Where ``array`` lies in the case's grid; the whole grid by default.

    Returns
    -------
    Mask
        As stored; for a kept file with the time at which it was first made.

    Raises
    ------
    BadInput
        When the array does not fit the box or the case's grid.
    """
    crop, tight = _tight(np.asarray(array), case.grid, box)
    voxels = int(np.count_nonzero(crop))
    mask = Mask(
        _mask_id(case, structure, crop, tight, provenance),
        case.id,
        structure,
        provenance,
        tight,
        voxels,
    )
    path = layout.mask(case.id, structure, mask.id)
    if path.exists():
        return read_mask_record(path)
    data = encode_nifti(
        crop.view(np.uint8), case.grid.crop(tight), extension=_record(mask, case), intent="label"
    )
    write_file_atomically(path, data)
    return mask


def write_label_map_masks(
    layout: Layout,
    case: Case,
    labels: NDArray[np.integer[Any]],
    class_map: ClassMap,
    provenance: Provenance | Callable[[str], Provenance],
    *,
    include_empty: Collection[str] = (),
) -> list[Mask]:
    """Store every structure of a label map as a mask, in one pass over its boxes.

    Parameters
    ----------
    labels : ndarray of integer, shape (I, J, K)
        Values of ``class_map`` on the case's grid; 0 is background.
    class_map : ClassMap
    provenance : Provenance or callable
        The same for all of them, or what gives a structure's.
    include_empty : collection of str
        Structures to record as empty masks when the map holds none of their voxels.

    Raises
    ------
    BadInput
        When the map is not of the case's shape or holds values the class map lacks.
    """
    if labels.shape != case.grid.shape:
        raise BadInput(
            f"case {case.id}: label map of shape {labels.shape}, expected {case.grid.shape}"
        )
    boxes = label_boxes(labels)
    unknown = sorted(set(boxes) - set(class_map.values))
    if unknown:
        raise BadInput(f"case {case.id}: label values {unknown} are not in {class_map.name}")
    looked_for = [s for s in class_map if s.value in boxes or s.name in include_empty]

    def write(structure: Structure) -> Mask:
        box = boxes.get(structure.value, _EMPTY_BOX)
        crop = labels[box] == structure.value
        made = provenance(structure.name) if callable(provenance) else provenance
        return write_mask(layout, case, structure.name, crop, made, box=box)

    # Most of the time goes into waiting for the disk, which takes many syncs at once.
    with ThreadPoolExecutor(_WRITERS) as pool:
        return list(pool.map(write, looked_for))


def read_mask(path: Path) -> tuple[Mask, NDArray[np.bool_]]:
    """Read a mask file.

    Returns
    -------
    mask : Mask
    crop : ndarray of bool
        The voxels inside ``mask.box``, Fortran-ordered.

    Raises
    ------
    MaskFileError
        When the file is missing, damaged, or has no Masksmith record.
    """
    mask, data, offset = _open(path)
    shape = tuple(side.stop - side.start for side in mask.box)
    voxels = np.frombuffer(data, np.uint8, offset=offset)
    if voxels.size != int(np.prod(shape)):
        raise MaskFileError(f"{path}: {voxels.size} voxels, expected {shape}: damaged")
    return mask, voxels.reshape(shape, order="F").view(np.bool_)


def read_mask_record(path: Path) -> Mask:
    """Read only what a mask file says of itself; raises as :func:`read_mask`."""
    return _open(path)[0]


def verify_mask(path: Path, case: Case) -> Mask:
    """Read a mask file and check that its voxels and record have the digest it is named by.

    Raises
    ------
    MaskFileError
        When the file is damaged, was changed, or lies under another mask's name.
    """
    mask, crop = read_mask(path)
    found = _mask_id(case, mask.structure, crop, mask.box, mask.provenance)
    if found != mask.id or not path.name.startswith(found[:12]) or mask.case_id != case.id:
        raise MaskFileError(
            f"{path}: content has digest {found[:12]}, expected {mask.id[:12]}: it was changed "
            "after it was written; restore it from a backup or delete it"
        )
    return mask


def _tight(
    array: NDArray[np.generic], grid: Grid, box: Box | None
) -> tuple[NDArray[np.bool_], Box]:
    outer = box or tuple(slice(0, size) for size in grid.shape)
    shape = tuple(side.stop - side.start for side in outer)
    fits = all(0 <= s.start < s.stop <= n for s, n in zip(outer, grid.shape, strict=True))
    if array.shape != shape or not fits:
        raise BadInput(f"mask of shape {array.shape} for box {outer} of grid {grid.shape}")
    inner = bounding_box(array)
    if inner is None:
        return np.zeros((1, 1, 1), np.bool_, order="F"), _EMPTY_BOX
    crop = np.asfortranarray(array[inner] != 0)
    i, j, k = (
        slice(o.start + n.start, o.start + n.stop) for o, n in zip(outer, inner, strict=True)
    )
    return crop, (i, j, k)


def _mask_id(
    case: Case,
    structure: str,
    crop: NDArray[np.bool_],
    box: Box,
    provenance: Provenance,
) -> str:
    made = provenance.to_dict()
    del made["created"]
    record = {
        "case": case.id,
        "grid": list(case.grid.shape),
        "structure": structure,
        "box": [[side.start, side.stop] for side in box],
        "provenance": made,
    }
    return digest_of(record, np.packbits(crop.reshape(-1, order="F")).tobytes())


def _record(mask: Mask, case: Case) -> dict[str, Any]:
    return {"format": _FORMAT, "mask": mask.to_dict(), "case_shape": list(case.grid.shape)}


def _open(path: Path) -> tuple[Mask, bytes, int]:
    try:
        data = igzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise MaskFileError(f"{path}: the mask file is gone; run 'masksmith doctor'") from error
    except UNREADABLE as error:
        raise MaskFileError(f"{path}: damaged ({error}); run 'masksmith doctor'") from error
    if len(data) < _HEADER_BYTES + 4:
        raise MaskFileError(f"{path}: {len(data)} bytes, too short for a mask: damaged")
    offset = int(np.frombuffer(data, "<f4", count=1, offset=108)[0])
    record = parse_extension(data[_HEADER_BYTES:offset])
    if record is None or "mask" not in record:
        raise MaskFileError(f"{path}: has no Masksmith record in its header")
    return Mask.from_dict(record["mask"]), data, offset
