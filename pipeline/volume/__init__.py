"""Volumes: grids, NIfTI in and out, resampling, label crops.

Words
-----
grid
    The voxel lattice of a volume: its shape (I, J, K) and the 4x4 affine from voxel
    index to world millimetres in RAS+ (x grows to the patient's right, y to the front,
    z to the head).
box
    Three slices (I, J, K) that cut a volume.
canonical
    The orientation whose axes point closest to R, A and S.
"""

from pipeline.volume.atomic_file import (
    atomic_path,
    is_partial,
    remove_partial_files,
    write_file_atomically,
    write_output_file,
)
from pipeline.volume.boxes import Box, bounding_box, grow_box, label_boxes, occurring_values
from pipeline.volume.grid import Grid, GridMismatch
from pipeline.volume.label_vote import vote_labels
from pipeline.volume.measurements import Measurement, measure_labels, measure_mask
from pipeline.volume.nifti import (
    NiftiError,
    NiftiLimits,
    NiftiVolume,
    read_nifti,
    read_nifti_grid,
)
from pipeline.volume.nifti_writing import encode_nifti, write_nifti
from pipeline.volume.orientation import canonical_view, from_canonical, to_canonical
from pipeline.volume.overlap import Overlap, label_overlaps, mask_overlap, on_union_box
from pipeline.volume.resample import resample_image, resample_labels
from pipeline.volume.surface_distance import (
    SurfaceAgreement,
    normalised_surface_dice,
    surface_agreement,
)

__all__ = [
    "Box",
    "Grid",
    "GridMismatch",
    "Measurement",
    "NiftiError",
    "NiftiLimits",
    "NiftiVolume",
    "Overlap",
    "SurfaceAgreement",
    "atomic_path",
    "bounding_box",
    "canonical_view",
    "encode_nifti",
    "from_canonical",
    "grow_box",
    "is_partial",
    "label_boxes",
    "label_overlaps",
    "mask_overlap",
    "measure_labels",
    "measure_mask",
    "normalised_surface_dice",
    "occurring_values",
    "on_union_box",
    "read_nifti",
    "read_nifti_grid",
    "remove_partial_files",
    "resample_image",
    "resample_labels",
    "surface_agreement",
    "to_canonical",
    "vote_labels",
    "write_file_atomically",
    "write_nifti",
    "write_output_file",
]
