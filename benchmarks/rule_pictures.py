"""Draw a planted fault for each plausibility rule: `python -m benchmarks.rule_pictures`.

Left the labels as they should be, right with the fault, cut where the finding of the rule lies.
"""

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import ROOT
from benchmarks.rule_faults import FAULTS, Found, Labels, plant_and_find, right_case
from pipeline.anatomy.windows import WINDOWS, Window
from pipeline.volume import write_file_atomically
from qc.look import BACKGROUND, DIM, FLAG_MEDIUM, TEXT, font
from qc.planting import Subject
from qc.plausibility.wording import spoken
from qc.slice_tiles import PLANES, TileView, colours_of, draw_tile, shown_labels

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_TILE_PX, _GAP_PX, _HEADER_PX = 236, 8, 22
_FILL = 0.5
_RING_PX = 15
_QUALITY = 82
_FEWEST_PX = 60


def main() -> int:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rule_pictures", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "plausibility")
    parser.add_argument("--rules", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    options = parser.parse_args()
    subject = right_case()
    options.folder.mkdir(parents=True, exist_ok=True)
    for rule in options.rules:
        found = plant_and_find(rule, subject)
        path = options.folder / f"{rule}.webp"
        write_file_atomically(path, encoded(draw(found, subject)))
        print(f"{path.name}: {found.words} -> {found.finding.kind}: {found.finding.words}")
    return 0


def encoded(picture: "Image") -> bytes:
    """Give a WebP file."""
    file = BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, method=6)
    return file.getvalue()


def draw(found: Found, subject: Subject) -> "Image":
    """Draw a fault: two tiles side by side, and what is seen."""
    from PIL import Image, ImageDraw

    size = (2 * _TILE_PX + _GAP_PX, _HEADER_PX + _TILE_PX)
    picture = Image.new("RGB", size, BACKGROUND)
    pen = ImageDraw.Draw(picture)
    at = _voxel_of(found.finding.place_mm, subject)
    view = _view(found, subject, at)
    for column, (heading, labels) in enumerate(
        (("as it should be", subject.labels), ("with the fault", found.labels))
    ):
        left = column * (_TILE_PX + _GAP_PX)
        tile, names = _tile(found, subject, labels, view)
        picture.paste(Image.fromarray(tile), (left, _HEADER_PX))
        pen.text((left + 2, 3), heading, TEXT if column else DIM, font(13))
        for mark, x, anchor in zip(view.plane.marks, (4, _TILE_PX - 5), ("lb", "rb"), strict=True):
            _write(pen, (left + x, _HEADER_PX + _TILE_PX - 4), mark, anchor, 12)
        if column:
            ring_x, ring_y = view.pixel_of(at[view.plane.across], at[view.plane.up])
            _ring(pen, (left + ring_x, _HEADER_PX + ring_y))
        for name, (word_x, word_y) in names.items():
            half = pen.textlength(_short(name), font(11)) / 2 + 3
            middle = min(max(word_x, half), _TILE_PX - half)
            _write(pen, (left + middle, _HEADER_PX + word_y), _short(name), "mm", 11)
    return picture


def _tile(
    found: Found, subject: Subject, labels: Labels, view: TileView
) -> tuple[NDArray[np.uint8], dict[str, tuple[float, float]]]:
    """Draw a tile, with what the finding is about filled; and where its names go."""
    named = _named(found, subject)
    only = np.where(np.isin(labels, subject.values(named)), labels, 0)
    ct = _ct_of(subject)
    if found.fault.view == "through":
        ct, only = ct.max(axis=1, keepdims=True), _seen_from_behind(only)
    colours = colours_of(subject.class_map)
    tile = draw_tile(ct, only, view, _window(found, subject), colours, 0)
    shown = shown_labels(only, view)
    marked = shown > 0
    tile[marked] = (1 - _FILL) * tile[marked] + _FILL * colours[shown[marked]]
    return tile, {
        name: place
        for name in named
        if (place := _room_for_name(shown == subject.value(name))) is not None
    }


def _room_for_name(mask: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Give column and row of the middle of a mask's largest part; None where it is too small."""
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())[1:]
    if not count or sizes.max() < _FEWEST_PX:
        return None
    largest = np.pad(parts == sizes.argmax() + 1, 1)
    depth = ndimage.distance_transform_edt(largest)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column), float(row)


def _ct_of(subject: Subject) -> NDArray[np.int16]:
    if subject.ct is None:
        raise LookupError("a body without a CT cannot be drawn")
    return subject.ct


def _named(found: Found, subject: Subject) -> list[str]:
    if found.fault.named:
        return [n for n in subject.class_map.names if fnmatchcase(n, found.fault.named)]
    about = {*found.finding.structures, *found.fault.among}
    return [name for name in subject.class_map.names if name in about]


def _view(found: Found, subject: Subject, at: NDArray[np.float64]) -> TileView:
    wanted = "coronal" if found.fault.view == "through" else found.fault.view
    plane = next(plane for plane in PLANES if plane.name == wanted)
    side_mm = found.fault.side_mm
    middle = [_middle(found, subject, float(at[axis]), axis) for axis in (plane.across, plane.up)]
    return TileView(
        plane=plane,
        index=0 if found.fault.view == "through" else round(float(at[plane.normal])),
        middle=(middle[0], middle[1]),
        spacing_mm=(float(subject.spacing_mm[plane.across]), float(subject.spacing_mm[plane.up])),
        side_mm=side_mm,
        size_px=_TILE_PX,
    )


def _middle(found: Found, subject: Subject, at: float, axis: int) -> float:
    """Give the middle of the tile: of all it names if that fits, else near the finding's place."""
    boxes = [subject.boxes[name][axis] for name in _named(found, subject) if name in subject.boxes]
    low = min(at, *(box.start for box in boxes))
    high = max(at, *(box.stop - 1 for box in boxes))
    side = found.fault.side_mm / subject.spacing_mm[axis]
    if high - low < side:
        return float(low + high) / 2
    last = subject.labels.shape[axis] - 1
    return float(np.clip(at, side / 2, last - side / 2)) if side < last else last / 2


def _voxel_of(place_mm: tuple[float, float, float] | None, subject: Subject) -> NDArray[np.float64]:
    if place_mm is None:
        raise LookupError("a finding without a place cannot be marked")
    at = np.linalg.solve(subject.grid.affine, np.array([*place_mm, 1.0]))[:3]
    return np.asarray(np.clip(np.rint(at), 0, np.array(subject.labels.shape) - 1), np.float64)


def _seen_from_behind(labels: Labels) -> Labels:
    """Give the rearmost label of each line of sight from front to back, shape (I, 1, K)."""
    first = (labels > 0).argmax(axis=1)[:, None]
    return np.take_along_axis(labels, first, axis=1)


def _window(found: Found, subject: Subject) -> Window:
    name = found.fault.window
    if name:
        return WINDOWS[name]
    about = subject.class_map[found.finding.structures[0]]
    is_bone = about.category == "bone" or found.fault.view == "through"
    return WINDOWS["bone" if is_bone else "soft"]


def _short(name: str) -> str:
    return name.rpartition("_")[2] if name.startswith("rib_") else spoken(name)


def _write(pen: "ImageDraw", at: tuple[float, float], words: str, anchor: str, size: int) -> None:
    pen.text(at, words, TEXT, font(size), anchor=anchor, stroke_width=2, stroke_fill=BACKGROUND)


def _ring(pen: "ImageDraw", at: Sequence[float]) -> None:
    x, y = at
    for grown, colour, width in ((1, BACKGROUND, 5), (0, FLAG_MEDIUM, 3)):
        r = _RING_PX + grown
        pen.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=width)


if __name__ == "__main__":
    sys.exit(main())
