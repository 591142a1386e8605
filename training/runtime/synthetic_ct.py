"""CTs of the sizes in the paper's figure 8, from a synthetic body with scanner noise.

A body is built at 3 mm and resampled to the voxels of a clinical scan, so that a network meets
anatomy and noise, and a CT of any size is made in seconds.
"""

from pathlib import Path

import numpy as np

from pipeline.anatomy import ClassMap
from pipeline.phantom import BodySettings, make_body
from pipeline.volume import Grid, resample_image, write_nifti

# 400 mm across at 512 x 512, 1.5 mm slices: 280 are an abdomen, 824 reach from head to knee.
IN_PLANE_MM = 400.0
SLICE_MM = 1.5
_BODY_MM = 3.0
_NOISE_HU = 12.0
# Centre of the scan along z; femoral heads at 0, top of the head at 850.
_CENTRE_MM = 300.0
_HEAD_MM = 850.0


def write_synthetic_ct(path: Path, class_map: ClassMap, matrix: int, slices: int) -> None:
    """Write one CT of ``matrix`` x ``matrix`` x ``slices`` voxels.

    Raises
    ------
    UsageError
        If no body can be built for the size.
    """
    grid = scan_grid(matrix, slices)
    low = grid.origin_mm[2]
    field = (low, low + slices * SLICE_MM)
    body = make_body(
        BodySettings(
            seed=1,
            sex="male",
            noise_hu=0.0,
            spacing_mm=(_BODY_MM, _BODY_MM, _BODY_MM),
            field_of_view=field,
            in_plane_mm=(IN_PLANE_MM, IN_PLANE_MM),
        ),
        class_map,
    )
    ct = resample_image(body.ct, body.grid, grid)
    rng = np.random.default_rng(1)
    noisy = np.empty(ct.shape, np.int16, order="F")
    for k in range(slices):  # never the whole noise at once
        noise = rng.normal(0.0, _NOISE_HU, ct.shape[:2])
        noisy[:, :, k] = np.clip(np.rint(ct[:, :, k] + noise), -1024, 3071)
    write_nifti(path, noisy, grid)


def scan_grid(matrix: int, slices: int) -> Grid:
    """Give the grid of a scan around the abdomen, or below the head where it is long."""
    pixel = IN_PLANE_MM / matrix
    affine = np.diag([pixel, pixel, SLICE_MM, 1.0])
    half = slices * SLICE_MM / 2
    bottom = min(_CENTRE_MM, _HEAD_MM - half) - half
    affine[:3, 3] = (-IN_PLANE_MM / 2 + pixel / 2, -IN_PLANE_MM / 2 + pixel / 2, bottom)
    return Grid((matrix, matrix, slices), affine)
