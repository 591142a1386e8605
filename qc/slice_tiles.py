"""One tile of a contact sheet: a CT slice in a window, with the outlines of the masks over it.

As radiologists look: axial from the feet, coronal from the front, both with the patient's right at
the left; sagittal with the front at the left.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.anatomy.windows import Window
from qc.look import PANEL, TEXT

Pixels = NDArray[np.uint8]

_WHITE = 235
_OTHERS_OPACITY = 0.55
_DARKEST_OUTLINE = 110.0


@dataclass(frozen=True, slots=True)
class Plane:
    """A way to cut: the axis that is left out, those across and up, and what the edges are."""

    name: str
    normal: int
    across: int
    up: int
    marks: tuple[str, str]


PLANES = (
    Plane("axial", 2, 0, 1, ("R", "L")),
    Plane("coronal", 1, 0, 2, ("R", "L")),
    Plane("sagittal", 0, 1, 2, ("A", "P")),
)


@dataclass(frozen=True, slots=True)
class TileView:
    """What a tile shows.

    Attributes
    ----------
    index : int
        The slice along the plane's normal.
    middle : tuple of float
        Voxel indices (across, up) in the middle of the tile.
    spacing_mm : tuple of float
        Of the axes across and up.
    side_mm : float
        Edge length of the square.
    size_px : int
    """

    plane: Plane
    index: int
    middle: tuple[float, float]
    spacing_mm: tuple[float, float]
    side_mm: float
    size_px: int

    @property
    def px_per_mm(self) -> float:
        """Scale."""
        return self.size_px / self.side_mm

    def sampled(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the voxel indices across, by column, and up, by row; both fall."""
        steps_mm = (np.arange(self.size_px) + 0.5) / self.px_per_mm - self.side_mm / 2
        across, up = (
            np.asarray(centre - steps_mm / spacing, np.float64)
            for centre, spacing in zip(self.middle, self.spacing_mm, strict=True)
        )
        return across, up

    def pixel_of(self, across: float, up: float) -> tuple[float, float]:
        """Give column and row of a voxel index (across, up)."""
        column, row = (
            ((centre - index) * spacing + self.side_mm / 2) * self.px_per_mm - 0.5
            for index, centre, spacing in zip(
                (across, up), self.middle, self.spacing_mm, strict=True
            )
        )
        return column, row


def colours_of(class_map: ClassMap) -> Pixels:
    """Give the colour of each label value, shape (n, 3); that of no structure stands at 0."""
    colours = np.zeros((max(class_map.values, default=0) + 1, 3), np.uint8)
    colours[0] = TEXT
    for structure in class_map:
        colours[structure.value] = structure.colour
    return colours


def shown_labels(labels: NDArray[np.integer[Any]], view: TileView) -> NDArray[np.int64]:
    """Give the label at each pixel of a tile, the nearest voxel's; 0 outside the volume."""
    plane, at = _plane(labels, view), view.sampled()
    across, up = (
        np.clip(np.rint(index), 0, size - 1).astype(np.intp)
        for index, size in zip(at, plane.shape, strict=True)
    )
    shown = plane[across[None, :], up[:, None]]
    return np.where(_inside(at, plane.shape), shown, 0).astype(np.int64)


def draw_tile(
    ct: NDArray[np.int16],
    labels: NDArray[np.unsignedinteger],
    view: TileView,
    window: Window,
    colours: NDArray[np.uint8],
    value: int,
) -> Pixels:
    """Draw one tile.

    Parameters
    ----------
    ct, labels : ndarray, shape (I, J, K)
        Canonical; only one slice of each is read.
    view : TileView
    window : Window
    colours : ndarray of uint8, shape (n, 3)
        Colour of each label value.
    value : int
        The structure in question, whose outline is thicker; 0 for none.

    Returns
    -------
    ndarray of uint8, shape (size_px, size_px, 3)
    """
    at = view.sampled()
    grey = _grey(_plane(ct, view), at, window)
    tile = np.repeat(grey[..., None], 3, axis=2)
    inside = _inside(at, _plane(ct, view).shape)
    tile[~inside] = PANEL
    if not inside.any():
        return tile
    shown = shown_labels(labels, view)
    edges = _edges(shown) & (shown != value)
    tile[edges] = _mixed(tile[edges], _light(colours)[_known(shown[edges], colours)])
    if value:
        tile[_outline(shown == value)] = _light(colours)[value]
    return tile


def _plane(volume: NDArray[np.generic], view: TileView) -> NDArray[np.generic]:
    """Take a slice out, as (across, up)."""
    # Not `take`: it would copy the whole volume first.
    cut: list[int | slice] = [slice(None)] * 3
    cut[view.plane.normal] = view.index
    return np.asarray(volume[tuple(cut)])


def _inside(
    at: tuple[NDArray[np.float64], NDArray[np.float64]], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    across, up = (
        (index >= -0.5) & (index <= size - 0.5) for index, size in zip(at, shape, strict=True)
    )
    return np.asarray(up[:, None] & across[None, :])


def _grey(
    plane: NDArray[np.generic],
    at: tuple[NDArray[np.float64], NDArray[np.float64]],
    window: Window,
) -> Pixels:
    from scipy import ndimage

    across, up = at
    places = np.broadcast_arrays(across[None, :], up[:, None])
    hu = ndimage.map_coordinates(plane.astype(np.float32), places, order=1, mode="nearest")
    low, high = window.range_hu
    return np.asarray(np.clip((hu - low) / (high - low), 0, 1) * _WHITE, np.uint8)


def _edges(shown: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Find the pixels of a label that have another label beside or below them."""
    other = np.zeros(shown.shape, np.bool_)
    down, across = shown[1:] != shown[:-1], shown[:, 1:] != shown[:, :-1]
    other[1:] |= down
    other[:-1] |= down
    other[:, 1:] |= across
    other[:, :-1] |= across
    return other & (shown > 0)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the outermost two pixels of a mask."""
    from scipy import ndimage

    return mask & ~ndimage.binary_erosion(mask, iterations=2, border_value=1)


def _mixed(under: Pixels, over: Pixels) -> Pixels:
    return np.asarray((1 - _OTHERS_OPACITY) * under + _OTHERS_OPACITY * over, np.uint8)


def _known(values: NDArray[np.int64], colours: Pixels) -> NDArray[np.intp]:
    """Turn label values that have no colour into 0."""
    return np.where(values < len(colours), values, 0).astype(np.intp)


def _light(colours: Pixels) -> Pixels:
    """Lighten colours that would not be seen on a CT."""
    brightness = colours @ np.array([0.299, 0.587, 0.114])
    missing = np.clip((_DARKEST_OUTLINE - brightness) / (255 - brightness), 0, 1)[:, None]
    return np.asarray(colours + missing * (255.0 - colours), np.uint8)
