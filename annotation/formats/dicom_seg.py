"""DICOM Segmentation objects (PS3.3, A.51): BINARY, FRACTIONAL and LABELMAP.

Frames come in any order and only where a segment has something; overlapping segments have
frames at the same place. The planes are put together by their positions
(:mod:`annotation.formats.seg_planes`), the frames decoded one by one.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.formats.codes import code_of, first_code, side_of, what_it_is
from annotation.formats.dicom_file import (
    items_of,
    read_dicom,
    readable,
    software_of,
    sop_class_of,
    uid_of,
)
from annotation.formats.drawing import Drawing, DrawnFile, ReadLimits, References, VoxelShape
from annotation.formats.label_map import drawings_of, label_map
from annotation.formats.plane_stack import PlaneStack
from annotation.formats.refusal import (
    iso_time,
    plain_name,
    plain_person,
    refused,
    require_drawings,
    require_size,
)
from annotation.formats.seg_planes import SegPlanes, place_planes

SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage (DICOM Supplement 243)."""

_TYPES = ("BINARY", "FRACTIONAL", "LABELMAP")
_INSIDE_FROM = 0.5
_FRAMES = "PerFrameFunctionalGroupsSequence"


@dataclass(frozen=True, slots=True)
class DicomSegReader:
    """Reads the segments of a DICOM Segmentation."""

    name: str = "dicom-seg"

    def recognises(self, path: Path) -> bool:
        """Tell by the SOP class in the file's meta information."""
        return sop_class_of(path) in SOP_CLASSES

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read all segments; see :class:`annotation.formats.drawing.Reader`."""
        dataset = read_dicom(path, limits)
        with readable(path):
            segmentation = _checked(path, dataset, limits)
            planes = place_planes(path, dataset, limits)
            shapes, notes = _shapes(segmentation, planes)
            drawings = _drawings(segmentation, planes, shapes)
            notes = (*planes.notes, *notes, *_notes(segmentation, shapes))
            return DrawnFile(
                path,
                self.name,
                drawings,
                _references(dataset),
                software_of(dataset),
                notes,
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Segmentation:
    path: Path
    dataset: Any
    limits: ReadLimits
    kind: str
    segments: dict[int, Any] = field(default_factory=dict)


def _checked(path: Path, dataset: Any, limits: ReadLimits) -> _Segmentation:
    """Check what is declared before a frame is decoded."""
    kind = str(dataset.get("SegmentationType") or "").upper()
    if uid_of(dataset, "SOPClassUID") not in SOP_CLASSES or kind not in _TYPES:
        raise refused(
            path,
            f"a DICOM object of segmentation type '{plain_name(kind, 20)}'",
            "BINARY, FRACTIONAL or LABELMAP",
            "check what the file is",
        )
    segments: dict[int, Any] = {}
    items = items_of(dataset, "SegmentSequence")
    require_drawings(path, len(items), limits)
    for item in items:
        number = int(item.get("SegmentNumber"))
        if number in segments:
            raise refused(
                path, f"segment {number} twice", "a number of its own for each", "export it again"
            )
        segments[number] = item
    _require_frames(path, dataset, limits)
    return _Segmentation(path, dataset, limits, kind, segments)


def _require_frames(path: Path, dataset: Any, limits: ReadLimits) -> None:
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    frames, groups = int(dataset.get("NumberOfFrames") or 0), len(items_of(dataset, _FRAMES))
    if min(rows, columns, frames) < 1 or frames != groups:
        raise refused(
            path,
            f"{frames:,} frames of {columns} x {rows}, {groups:,} of them described",
            "frames of at least one pixel, each with its place",
            "export the segmentation again",
        )
    require_size(path, frames * rows * columns, 1, limits)
    bits, samples = int(dataset.get("BitsAllocated") or 0), int(dataset.get("SamplesPerPixel") or 1)
    if bits not in (1, 8, 16) or samples != 1:
        raise refused(
            path,
            f"{samples} samples of {bits} bits per pixel",
            "one of 1, 8 or 16 bits",
            "export the segmentation again",
        )
    if "PixelData" not in dataset:
        raise refused(path, "no pixels", "the frames of the segments", "export it again")
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    needed = (frames * rows * columns * bits + 7) // 8
    if len(dataset.PixelData) < needed:
        raise refused(
            path,
            f"{len(dataset.PixelData):,} bytes of pixels",
            f"{needed:,} for {frames:,} frames",
            "copy it again, it is truncated",
        )


def _shapes(
    segmentation: _Segmentation, planes: SegPlanes
) -> tuple[dict[int, VoxelShape], tuple[str, ...]]:
    """Decode all frames and put them together by segment."""
    if segmentation.kind == "LABELMAP":
        return _shapes_of_labels(segmentation, planes)
    path, limits = segmentation.path, segmentation.limits
    if 0 in planes.segments:
        raise refused(
            path,
            f"{planes.segments.count(0)} frames of no segment",
            "ReferencedSegmentNumber for each",
            "export the segmentation again",
        )
    stacks: dict[int, PlaneStack] = {}
    taken = 0
    for at, frame in enumerate(_frames(segmentation)):
        stack = stacks.setdefault(planes.segments[at], PlaneStack())
        taken += stack.add(planes.slices[at], frame != 0)
        require_size(path, taken, 1, limits)
        require_drawings(path, len(stacks), limits)
    require_size(path, sum(stack.volume_voxels for stack in stacks.values()), 1, limits)
    notes = ["several frames of one segment at one place were joined"]
    doubled = any(stack.doubled for stack in stacks.values())
    shapes = {number: stack.shape(planes.grid) for number, stack in stacks.items()}
    return shapes, tuple(notes * doubled)


def _shapes_of_labels(
    segmentation: _Segmentation, planes: SegPlanes
) -> tuple[dict[int, VoxelShape], tuple[str, ...]]:
    path = segmentation.path
    if len(set(planes.slices)) != len(planes.slices):
        raise refused(path, "two label frames at one place", "one per slice", "export it again")
    labels = np.zeros(planes.grid.shape, np.uint16, order="F")
    for k, frame in zip(planes.slices, _frames(segmentation), strict=True):
        labels[:, :, k] = frame.T
    found = label_map(path, labels, planes.grid, segmentation.limits)
    shapes = {drawing.value or 0: drawing.shape for drawing in drawings_of(found, {})}
    return {n: shape for n, shape in shapes.items() if isinstance(shape, VoxelShape)}, ()


def _notes(segmentation: _Segmentation, shapes: Collection[int]) -> tuple[str, ...]:
    notes = []
    if segmentation.kind == "FRACTIONAL":
        notes.append("fractional segmentation: inside is what has at least half of the maximum")
    strays = sorted(set(shapes) - set(segmentation.segments))
    if strays:
        notes.append(f"{len(strays)} segment numbers are not described; kept without a name")
    return tuple(notes)


def _frames(segmentation: _Segmentation) -> Iterator[NDArray[np.generic]]:
    """Yield each frame as (rows, columns): 0 outside, and above it inside or the segment."""
    dataset = segmentation.dataset
    shape = (int(dataset.Rows), int(dataset.Columns))
    most = float(dataset.get("MaximumFractionalValue") or 255)
    for frame in _decoded(segmentation):
        if frame.shape != shape:
            raise refused(
                segmentation.path,
                f"a frame of {frame.shape} pixels",
                f"{shape} as the header says",
                "export the segmentation again",
            )
        if segmentation.kind == "FRACTIONAL":
            yield np.greater_equal(frame, _INSIDE_FROM * most)
        else:
            yield frame


def _decoded(segmentation: _Segmentation) -> Iterator[NDArray[np.generic]]:
    from pydicom.pixels import iter_pixels

    dataset = segmentation.dataset
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated or int(dataset.BitsAllocated) != 1:
        yield from iter_pixels(dataset, raw=True)
        return
    if not syntax.is_little_endian:
        raise refused(
            segmentation.path, "bits in big-endian order", "little-endian", "export it again"
        )
    # pydicom 3.0 misplaces bits where a frame does not end with a byte.
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    for start in range(0, int(dataset.NumberOfFrames) * rows * columns, rows * columns):
        some = packed[start // 8 : (start + rows * columns + 7) // 8]
        bits = np.unpackbits(some, bitorder="little")[start % 8 :]
        yield bits[: rows * columns].reshape(rows, columns)


def _drawings(
    segmentation: _Segmentation, planes: SegPlanes, shapes: Mapping[int, VoxelShape]
) -> tuple[Drawing, ...]:
    dataset = segmentation.dataset
    who = plain_person(dataset.get("ContentCreatorName"))
    when = iso_time(dataset.get("ContentDate"), dataset.get("ContentTime"))
    empty = PlaneStack().shape(planes.grid)
    drawings = []
    for number in sorted({*segmentation.segments, *shapes} - {0}):
        item = segmentation.segments.get(number, {})
        kind = first_code(item, "SegmentedPropertyTypeCodeSequence")
        drawings.append(
            Drawing(
                name=plain_name(item.get("SegmentLabel")),
                shape=shapes.get(number, empty),
                value=number,
                snomed=what_it_is(kind, first_code(item, "AnatomicRegionSequence")),
                side=_side(item),
                drawn_by=who,
                drawn_at=when,
            )
        )
    return tuple(drawings)


def _side(item: Any) -> str:
    """Find the laterality among the modifiers of type and region."""
    modifiers = [
        *items_of(item, "SegmentedPropertyTypeModifierCodeSequence"),
        *(
            modifier
            for owner in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence")
            for code in items_of(item, owner)
            for name in ("SegmentedPropertyTypeModifierCode", "AnatomicRegionModifier")
            for modifier in items_of(code, f"{name}Sequence")
        ),
    ]
    sides = [side_of(code_of(modifier)) for modifier in modifiers]
    return next((side for side in sides if side), "")


def _references(dataset: Any) -> References:
    series = [
        uid_of(one, "SeriesInstanceUID") for one in items_of(dataset, "ReferencedSeriesSequence")
    ]
    return References(
        tuple(uid for uid in dict.fromkeys(series) if uid),
        uid_of(dataset, "StudyInstanceUID"),
        uid_of(dataset, "FrameOfReferenceUID"),
    )
