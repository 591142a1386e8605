"""Segmentations of 3D Slicer (``.seg.nrrd``): segments by name, with codes, in layers.

Three generations are read (Slicer, Libs/MRML/Core/vtkMRMLSegmentationStorageNode.cxx, and the
page "Segmentations" of its developer guide):

- since 4.11, segments that do not overlap share a layer: ``SegmentN_Layer`` says which, and
  ``SegmentN_LabelValue`` which value in it; one layer is a 3-D file, several are a list axis;
- before, each segment had a layer of its own, of 0 and 1;
- the first ones (``Segmentation_Extent``) have the layers along a fourth axis of an unnamed
  space in RAS, whose origin is not that of the first voxel but of the index 0 of the reference
  image: the extent says at which index the voxels begin.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.formats.codes import side_of, snomed_code, what_it_is
from annotation.formats.drawing import Drawing, DrawnFile, ReadLimits, VoxelShape
from annotation.formats.geometry import checked_grid, checked_shape
from annotation.formats.label_map import EMPTY_BOX, crop_of, label_map
from annotation.formats.nrrd_geometry import legacy_spatial_affine, nrrd_grid
from annotation.formats.nrrd_header import NrrdHeader, read_nrrd_header, recognise_nrrd
from annotation.formats.nrrd_samples import layers_of, read_nrrd_samples
from annotation.formats.refusal import plain_name, refused, require_drawings, require_size
from pipeline.volume import Grid

_KEY = re.compile(r"Segment(\d{1,6})_(\w+)")
_LEGACY_EXTENT = "Segmentation_Extent"
_SNIFFED_BYTES = 2**20
_MARKS = (b"\nSegmentation_", b"\nSegment0_")


@dataclass(frozen=True, slots=True)
class _Segment:
    name: str
    layer: int
    value: int
    extent: tuple[int, ...] | None
    snomed: str
    side: str


@dataclass(frozen=True, slots=True)
class SegNrrdReader:
    """Reads ``.seg.nrrd`` of 3D Slicer."""

    name: str = "seg.nrrd"

    def recognises(self, path: Path) -> bool:
        """Tell by NRRD's magic and a key of Slicer's in the header."""
        if not recognise_nrrd(path):
            return False
        with path.open("rb") as file:
            start = file.read(_SNIFFED_BYTES)
        return any(mark in start for mark in _MARKS)

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read all segments; see :class:`annotation.formats.drawing.Reader`."""
        header = read_nrrd_header(path)
        segments = _segments(header, limits)
        is_legacy = _LEGACY_EXTENT in header.texts
        grid = _legacy_grid(header, limits) if is_legacy else nrrd_grid(header, limits)
        samples = read_nrrd_samples(header, limits)
        if is_legacy:
            segments = _from_first_voxel(header, segments)
            layers = iter(np.moveaxis(samples, 3, 0))
        else:
            layers = layers_of(header, samples)
        drawings, notes = _drawings(header, segments, _shapes(path, layers, grid, limits), grid)
        return DrawnFile(path, self.name, drawings, software={"3D Slicer": ""}, notes=notes)


def _segments(header: NrrdHeader, limits: ReadLimits) -> list[_Segment]:
    found: dict[int, dict[str, str]] = {}
    for key, value in header.texts.items():
        match = _KEY.fullmatch(key)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = value
    require_drawings(header.path, len(found), limits)
    return [_segment(header.path, number, found[number]) for number in sorted(found)]


def _segment(path: Path, number: int, keys: Mapping[str, str]) -> _Segment:
    kind, side = _terminology(keys.get("Tags", ""))
    extent = _whole(path, f"Segment{number}_Extent", keys.get("Extent", ""))
    layer = _whole(path, f"Segment{number}_Layer", keys.get("Layer", str(number)))
    value = _whole(path, f"Segment{number}_LabelValue", keys.get("LabelValue", "1"))
    if len(layer) != 1 or len(value) != 1 or len(extent) not in (0, 6):
        raise refused(
            path,
            f"a segment {number} of layer {layer}, value {value}, extent {extent}",
            "one layer, one value and six numbers",
            "save the segmentation again in 3D Slicer",
        )
    name = plain_name(keys.get("Name")) or plain_name(keys.get("ID"))
    return _Segment(name, layer[0], value[0], extent or None, kind, side)


def _whole(path: Path, key: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text[:200].split())
    except ValueError:
        raise refused(
            path,
            f"{key} '{plain_name(text, 40)}'",
            "whole numbers",
            "save the segmentation again in 3D Slicer",
        ) from None


def _terminology(tags: str) -> tuple[str, str]:
    """Find SNOMED code and side in Slicer's tags.

    A ``TerminologyEntry`` is context~category~type~modifier~region context~region~region
    modifier, each code as scheme^value^meaning.
    """
    for tag in tags.split("|"):
        key, _, entry = tag.partition(":")
        if key != "TerminologyEntry" and not key.endswith(".TerminologyEntry"):
            continue
        parts = [part.split("^") for part in entry.split("~")]
        codes = [snomed_code(*part[:2]) if len(part) >= 2 else "" for part in parts]
        codes += [""] * (7 - len(codes))
        return what_it_is(codes[2], codes[5]), side_of(codes[3]) or side_of(codes[6])
    return "", ""


def _legacy_grid(header: NrrdHeader, limits: ReadLimits) -> Grid:
    path = header.path
    affine = legacy_spatial_affine(header)
    extent = _whole(path, _LEGACY_EXTENT, header.texts[_LEGACY_EXTENT])
    if affine is None or len(extent) != 6:
        raise refused(
            path,
            f"{_LEGACY_EXTENT} without a four-dimensional space of its own",
            "a file as early versions of 3D Slicer wrote it",
            "open it in 3D Slicer and save it again",
        )
    shape = checked_shape(path, header.sizes[:3], limits)
    declared = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3))
    if declared != shape:
        raise refused(
            path,
            f"an extent of {' x '.join(map(str, declared))} voxels for sizes "
            f"{' x '.join(map(str, shape))}, so that its place is unknown",
            "an extent of as many voxels as there are",
            "open it in 3D Slicer and save it again",
        )
    affine[:3, 3] += affine[:3, :3] @ np.array(extent[::2], dtype=np.float64)
    return checked_grid(path, shape, affine)


def _from_first_voxel(header: NrrdHeader, segments: list[_Segment]) -> list[_Segment]:
    """Count extents from the first voxel, as later files do, not from the reference image."""
    starts = _whole(header.path, _LEGACY_EXTENT, header.texts[_LEGACY_EXTENT])[::2]
    return [
        replace(
            segment,
            extent=segment.extent
            and tuple(end - starts[at // 2] for at, end in enumerate(segment.extent)),
        )
        for segment in segments
    ]


def _shapes(
    path: Path, layers: Iterator[NDArray[np.generic]], grid: Grid, limits: ReadLimits
) -> tuple[dict[tuple[int, int], VoxelShape], tuple[str, ...]]:
    """Find the voxels of each value of each layer."""
    shapes: dict[tuple[int, int], VoxelShape] = {}
    notes: list[str] = []
    taken = 0
    for at, layer in enumerate(layers):
        found = label_map(path, layer, grid, limits)
        notes.extend(found.notes)
        for number, box in found.boxes.items():
            crop = crop_of(found.labels, box, number)
            taken += crop.size
            require_size(path, taken, 1, limits)
            shapes[at, found.values[number]] = VoxelShape(grid, box, crop)
        require_drawings(path, len(shapes), limits)
    return shapes, tuple(dict.fromkeys(notes))


def _drawings(
    header: NrrdHeader,
    segments: list[_Segment],
    found: tuple[dict[tuple[int, int], VoxelShape], tuple[str, ...]],
    grid: Grid,
) -> tuple[tuple[Drawing, ...], tuple[str, ...]]:
    shapes, notes = dict(found[0]), list(found[1])
    layers = _layer_count(header)
    by_place: dict[tuple[int, int], _Segment] = {}
    for segment in segments:
        _require_own_place(header.path, segment, by_place, layers)
        by_place[segment.layer, segment.value] = segment
    empty = VoxelShape(grid, EMPTY_BOX, np.zeros((1, 1, 1), np.bool_, order="F"))
    drawings = []
    for place, segment in by_place.items():
        shape = shapes.pop(place, empty)
        notes.extend(_extent_note(segment, shape))
        drawings.append(Drawing(segment.name, shape, segment.value, segment.snomed, segment.side))
    for (at, value), shape in sorted(shapes.items(), key=lambda item: item[0]):
        drawings.append(Drawing("", shape, value))
        notes.append(f"value {value} in layer {at} belongs to no segment; kept without a name")
    return tuple(drawings), tuple(notes)


def _layer_count(header: NrrdHeader) -> int:
    if _LEGACY_EXTENT in header.texts:
        return header.sizes[3]
    return 1 if header.list_axis is None else header.sizes[header.list_axis]


def _require_own_place(
    path: Path, segment: _Segment, taken: Mapping[tuple[int, int], _Segment], layers: int
) -> None:
    if not 0 <= segment.layer < layers or segment.value < 1:
        raise refused(
            path,
            f"segment '{segment.name}' as value {segment.value} of layer {segment.layer}",
            f"a value above 0 in one of {layers} layers",
            "save the segmentation again in 3D Slicer",
        )
    other = taken.get((segment.layer, segment.value))
    if other is not None:
        raise refused(
            path,
            f"segments '{other.name}' and '{segment.name}' both as value {segment.value} of "
            f"layer {segment.layer}",
            "a value of its own for each",
            "save the segmentation again in 3D Slicer",
        )


def _extent_note(segment: _Segment, shape: VoxelShape) -> list[str]:
    """Say if a segment has voxels outside the extent it declares: the voxels count."""
    extent = segment.extent
    if extent is None or not shape.crop.any():
        return []
    outside = any(
        side.start < extent[2 * axis] or side.stop - 1 > extent[2 * axis + 1]
        for axis, side in enumerate(shape.box)
    )
    return [f"'{segment.name}' reaches beyond the extent it declares; all voxels kept"] * outside
