"""Real scans of the heart transfer: a lung moved by a known warp, a CTA, a lesion on PET and CT.

None of them is a native and a contrast scan of one heart, which no public data shows; each
measures one part of the way on real tissue.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.transfer.carry import Carried, CarrySettings, transfer_labels
from pipeline.transfer.label_look_up import displacement_on, look_up_labels
from pipeline.transfer.working_scan import Scan
from pipeline.volume import Grid, read_nifti, resample_labels

Volume = NDArray[Any]
_DEFAULT = CarrySettings()
LUNG = "ct_lung_pair_elastix"
HEART = "cta_heart_ts"
LESION = "rtstruct_sts036"


@dataclass(frozen=True)
class Warp:
    """A known way from native to contrast: a shift and a smooth wave of world points.

    Attributes
    ----------
    shift_mm : tuple of float
    wave_mm : float
        Largest length along each axis of the smooth part.
    wavelength_mm : float
    """

    shift_mm: tuple[float, float, float]
    wave_mm: float = 0.0
    wavelength_mm: float = 160.0

    def __call__(self, points_mm: Volume) -> Volume:
        """Give the displacement (mm) of world points, shape (..., 3)."""
        turn = 2 * np.pi / self.wavelength_mm
        x, y, z = np.moveaxis(np.asarray(points_mm, float), -1, 0)
        waves = (np.sin(turn * z), np.sin(turn * x + 1), np.cos(turn * y + 2))
        moved: Volume = np.stack(waves, axis=-1) * self.wave_mm + np.array(self.shift_mm)
        return moved


@dataclass(frozen=True)
class Recovered:
    """How well a known warp of a real scan was found again.

    Attributes
    ----------
    before_mm, after_mm : float
        Mean distance from the truth within the labels, unmoved and registered.
    dice_before, dice_after : float
        Of the carried label with the truly moved one.
    """

    before_mm: float
    after_mm: float
    dice_before: float
    dice_after: float
    carried: Carried


def world_points(grid: Grid) -> Volume:
    """Give the world place (mm) of each voxel, shape (I, J, K, 3)."""
    index = np.moveaxis(np.indices(grid.shape, dtype=np.float64), 0, -1)
    return np.asarray(index @ grid.affine[:3, :3].T + grid.affine[:3, 3])


def warped(array: Volume, grid: Grid, target: Grid, warp: Warp, *, linear: bool) -> Volume:
    """Give what a scanner would see on a target grid of a body moved by a warp."""
    from scipy import ndimage

    points = world_points(target)
    back = np.linalg.inv(grid.affine)
    places = np.moveaxis((points + warp(points)) @ back[:3, :3].T + back[:3, 3], -1, 0)
    found = ndimage.map_coordinates(
        array.astype(np.float32),
        places,
        order=1 if linear else 0,
        mode="constant",
        cval=-1024.0 if linear else 0.0,
    )
    return np.asfortranarray(np.rint(found).astype(array.dtype))


def recover(
    contrast: Scan,
    labels: Volume,
    native: Scan,
    truth: Volume,
    warp: Warp,
    settings: CarrySettings,
) -> Recovered:
    """Carry labels onto a scan moved by a known warp and compare with the truth there."""
    carried = transfer_labels(contrast, labels, native, settings)
    points = world_points(native.grid)[truth > 0]
    real = warp(points)
    found = np.moveaxis(displacement_on(native.grid, carried.registration), 0, -1)[truth > 0]
    # All that was carried, also what is not written because a field of view cuts it off.
    after, _, _ = look_up_labels(native.grid, carried.registration, labels, contrast.grid)
    before = resample_labels(labels, contrast.grid, native.grid)
    return Recovered(
        float(np.linalg.norm(real, axis=-1).mean()),
        float(np.linalg.norm(found - real, axis=-1).mean()),
        dice(before > 0, truth > 0),
        dice(after > 0, truth > 0),
        carried,
    )


def lung_pair(folder: Path, warp: Warp, settings: CarrySettings = _DEFAULT) -> Recovered:
    """Recover a warp between two real CTs of one lung, taken at two times.

    The follow-up, registered by its makers to the baseline, stands for the contrast scan; the
    baseline at half its resolution, moved by the warp, for the native one.
    """
    lung, mask, small = (
        _read_mha(folder / LUNG / f"3DCT_lung{name}.mha")
        for name in ("", "_baseline_mask", "_baseline_small")
    )
    native = Scan(warped(*small, small[1], warp, linear=True), small[1])
    truth = warped(*mask, small[1], warp, linear=False)
    return recover(Scan(*lung), mask[0], native, truth, warp, settings)


def heart_cta(folder: Path, warp: Warp, settings: CarrySettings = _DEFAULT) -> Recovered:
    """Recover a warp of a real CTA whose blood was made native, on a coarser grid of its own."""
    ct = read_nifti(folder / HEART / "ct_cropped.nii.gz")
    heart = read_nifti(folder / HEART / "heart.nii.gz")
    artery = read_nifti(folder / HEART / "pulmonary_artery.nii.gz")
    labels = resample_labels(heart.array, heart.grid, ct.grid).astype(np.uint8)
    labels[np.asarray(artery.array != 0)] = 2
    native = native_of(ct.array, labels)
    affine = np.array(ct.grid.affine) @ np.diag([4 / 3, 4 / 3, 2.0, 1.0])
    shape = np.floor(np.array(ct.grid.shape) / (4 / 3, 4 / 3, 2)).astype(int)
    target = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
    moved = warped(native, ct.grid, target, warp, linear=True)
    truth = warped(labels, ct.grid, target, warp, linear=False)
    return recover(Scan(ct.array, ct.grid), labels, Scan(moved, target), truth, warp, settings)


def native_of(ct: Volume, labels: Volume) -> Volume:
    """Take the contrast out of a CTA: enhanced blood gets 40 HU, everything more noise.

    What is enhanced is found by value (150 to 700 HU) within 12 mm of the labels.
    """
    from scipy import ndimage

    near = ndimage.binary_dilation(labels > 0, iterations=8)
    enhanced = near & (ct > 150) & (ct < 700)
    native = np.where(enhanced, 40, ct) + np.random.default_rng(1).normal(0, 15, ct.shape)
    return np.asfortranarray(np.clip(native, -1024, 3071).astype(np.int16))


def lesion_dice(folder: Path) -> tuple[float, Grid, Grid]:
    """Give the Dice of a lesion drawn on a CT, carried by world coordinates, with that on PET."""
    masks = folder / LESION / "nifti"
    on_ct, on_pet = (read_nifti(masks / f"{name}_mask.nii.gz") for name in ("CT", "PET"))
    carried = resample_labels(on_ct.array, on_ct.grid, on_pet.grid)
    return dice(carried != 0, on_pet.array != 0), on_ct.grid, on_pet.grid


def dice(first: Volume, second: Volume) -> float:
    """Give the Dice of two masks; 1 when both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0


def _read_mha(path: Path) -> tuple[Volume, Grid]:
    import SimpleITK as sitk  # noqa: N813 - the name its users know

    image: Any = sitk.ReadImage(str(path))
    array = np.asfortranarray(sitk.GetArrayFromImage(image).T)
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, :3], affine[:3, 3] = directions, image.GetOrigin()
    return array, Grid(array.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
