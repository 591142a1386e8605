"""The DICOM series a case was made from: found again, checked, and read without its pixels.

A workspace keeps keyed hashes instead of UIDs, so the series must be there once more where a
DICOM object shall refer to it. It is recognised by the hash of its SeriesInstanceUID, and, where
the case came in as NIfTI and has none, by its voxels. No message quotes a UID.
"""

import logging
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annotation.formats.writers.outgoing import CannotExport
from pipeline.volume import Box, Grid, GridMismatch, bounding_box
from pipeline.volume.placement import place_on_grid
from pipeline.workspace import Case, Workspace

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TOLERANCE_MM = 0.1
_ROUNDING_HU = 0.51
_IMAGE_TAGS = ("SeriesInstanceUID", "ImagePositionPatient", "Rows")
_NEEDED_TAGS = (
    "ImageOrientationPatient", "PixelSpacing", "Columns", "SOPClassUID", "SOPInstanceUID",
    "StudyInstanceUID", "FrameOfReferenceUID",
)  # fmt: skip
_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class SourceSeries:
    """The slices of a series in order, and the grid they fill.

    Attributes
    ----------
    slices : tuple of Dataset
        Headers without pixels, along the normal of the slices.
    grid : Grid
        Axis I runs along a row, J down a column, K along the normal.
    """

    slices: "tuple[Dataset, ...]"
    grid: Grid

    def crop_of(
        self, crop: NDArray[np.bool_], box: Box, grid: Grid
    ) -> tuple[NDArray[np.bool_], Box]:
        """Turn a mask of a case onto the axes of the series; it is never resampled.

        Parameters
        ----------
        crop : ndarray of bool, shape of the box
            At least one voxel is set.
        box : tuple of slice
            Where it lies in `grid`.
        grid : Grid
            Of the case.

        Returns
        -------
        crop, box
            In the grid of the series.
        """
        if grid.same_as(self.grid):
            return crop, box
        whole = np.zeros(grid.shape, np.bool_, order="F")
        whole[box] = crop
        turned = place_on_grid(whole, grid, self.grid, what="the mask", minimum_cover=None).labels
        inner = bounding_box(turned)
        if inner is None:
            raise ValueError("an empty mask has no place in a series")
        return turned[inner].astype(np.bool_, copy=False), inner


class SeriesFolder:
    """The image series below a folder.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    CannotExport
        When there is no DICOM image in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = _image_files(folder)
        if not self._files:
            raise CannotExport(
                f"{folder}: holds no DICOM images; name the folder with the series that the "
                "cases were made from"
            )

    def series_of(self, workspace: Workspace, case: Case) -> SourceSeries:
        """Find the series of a case and check that it fills the case's grid.

        Raises
        ------
        CannotExport
            When none, or more than one, is the series the case was made from.
        """
        if case.series_id is not None:
            return self._by_uid(workspace, case)
        return self._by_voxels(workspace, case)

    def _by_uid(self, workspace: Workspace, case: Case) -> SourceSeries:
        for uid, paths in self._files.items():
            if workspace.pseudonym("series", uid) == case.series_id:
                series = read_series(paths)
                _require_fits(series, case, self._folder)
                return series
        raise CannotExport(
            f"{self._folder}: none of its {len(self._files)} series is the one that case "
            f"{case.id} was made from; name the folder with that series"
        )

    def _by_voxels(self, workspace: Workspace, case: Case) -> SourceSeries:
        found = []
        for paths in self._files.values():
            try:
                series = read_series(paths)
                _require_fits(series, case, self._folder)
            except (CannotExport, GridMismatch):
                continue
            if _same_voxels(paths, series, workspace.ct(case.id), case.grid):
                found.append(series)
        if len(found) == 1:
            return found[0]
        what = "none" if not found else f"{len(found)}"
        raise CannotExport(
            f"{self._folder}: case {case.id} came in without a series, and {what} of the "
            f"{len(self._files)} series here has its grid and its voxels (expected one)"
        )


@contextmanager
def quiet_dicom(what: Path) -> Iterator[None]:
    """Keep DICOM libraries from quoting values, which may name a patient, in warnings and errors.

    Raises
    ------
    CannotExport
        When they find that the source series' own values make no valid object.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise CannotExport(
                f"{what.name}: the source series lacks, or has wrong, what a DICOM object must "
                f"take over from it ({type(error).__name__}); export the series again from the "
                "archive"
            ) from None


def read_series(paths: Sequence[Path]) -> SourceSeries:
    """Read the headers of a series and put its slices in order.

    Raises
    ------
    CannotExport
        When the slices do not form one straight, even volume.
    """
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    for header in headers:
        # Empty means the default repertoire, as absent does; highdicom knows only the latter.
        if "SpecificCharacterSet" in header and not header.SpecificCharacterSet:
            del header.SpecificCharacterSet
    row, column = _directions(headers[0], paths[0])
    # A folder may hold an instance twice.
    slices = list({str(header.SOPInstanceUID): header for header in headers}.values())
    normal = np.cross(row, column)
    depths = [float(position_of(each) @ normal) for each in slices]
    ordered = [slices[index] for index in np.argsort(depths, kind="stable")]
    positions = np.array([position_of(each) for each in ordered])
    steps = max(len(ordered) - 1, 1)
    step = float((positions[-1] - positions[0]) @ normal) / steps
    expected = positions[0] + np.outer(np.arange(len(ordered)) * step, normal)
    off_mm = float(np.abs(positions - expected).max())
    if len(ordered) < 2 or step <= 0 or off_mm > _TOLERANCE_MM:
        raise CannotExport(
            f"{paths[0].parent}: {len(ordered)} slices up to {off_mm:.2f} mm off a straight, "
            "even series; expected the whole series that the case was made from"
        )
    between_rows, between_columns = (float(size) for size in ordered[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = row * between_columns * _LPS
    affine[:3, 1] = column * between_rows * _LPS
    affine[:3, 2] = normal * step * _LPS
    affine[:3, 3] = positions[0] * _LPS
    shape = (int(ordered[0].Columns), int(ordered[0].Rows), len(ordered))
    return SourceSeries(tuple(ordered), Grid(shape, affine))


def position_of(header: "Dataset") -> NDArray[np.float64]:
    """Give the centre of a slice's first voxel, LPS mm."""
    return np.array([float(part) for part in header.ImagePositionPatient])


def _directions(header: "Dataset", path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    missing = [tag for tag in _NEEDED_TAGS if not header.get(tag)]
    if missing:
        raise CannotExport(
            f"{path.parent}: slices without {', '.join(missing)}; expected the CT series that the "
            "case was made from"
        )
    values = [float(part) for part in header.ImageOrientationPatient]
    row, column = np.array(values[:3]), np.array(values[3:])
    return row / np.linalg.norm(row), column / np.linalg.norm(column)


def _image_files(folder: Path) -> Mapping[str, list[Path]]:
    """Group the slices below a folder by series; what is no DICOM image is passed over."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    # pydicom's own log quotes values.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=list(_IMAGE_TAGS))
        except (InvalidDicomError, OSError, EOFError, ValueError, TypeError, AttributeError):
            continue
        if all(header.get(tag) for tag in _IMAGE_TAGS):
            found[str(header.SeriesInstanceUID)].append(path)
    return found


def _require_fits(series: SourceSeries, case: Case, folder: Path) -> None:
    place_on_grid(
        np.zeros(case.grid.shape, np.bool_),
        case.grid,
        series.grid,
        what=f"{folder}: the series of case {case.id}",
        minimum_cover=None,
    )


def _same_voxels(
    paths: Sequence[Path], series: SourceSeries, ct: NDArray[np.int16], grid: Grid
) -> bool:
    """Tell whether a series holds the Hounsfield units of a case, to one unit of rounding."""
    from pydicom import dcmread

    turned = place_on_grid(ct, grid, series.grid, what="the CT", minimum_cover=None).labels
    place = {str(each.SOPInstanceUID): index for index, each in enumerate(series.slices)}
    for path in paths:
        image = dcmread(path)
        stored = _hounsfield(image)
        if np.abs(stored - turned[:, :, place[str(image.SOPInstanceUID)]]).max() > _ROUNDING_HU:
            return False
    return True


def _hounsfield(image: Any) -> NDArray[np.float64]:
    """Give a slice's Hounsfield units, shape (I, J)."""
    slope = float(image.get("RescaleSlope", 1) or 1)
    intercept = float(image.get("RescaleIntercept", 0) or 0)
    stored: NDArray[np.float64] = image.pixel_array.T.astype(np.float64)
    return stored * slope + intercept
