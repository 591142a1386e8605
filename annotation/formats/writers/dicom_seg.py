"""Writes DICOM Segmentation objects: BINARY, overlapping segments kept.

Built by highdicom from the source series. Patient and study come from that series, as they must
for the object to join it: such a file names the patient as much as the series does.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annotation.formats.writers.codes import ANATOMY, LEARNT, Code, code_of, side_code_of
from annotation.formats.writers.outgoing import CannotExport, Outgoing, Segment, layers_of
from annotation.formats.writers.source_series import quiet_dicom
from pipeline.volume import atomic_path

if TYPE_CHECKING:
    from annotation.formats.writers.source_series import SourceSeries

_MANUFACTURER = "Masksmith"
_LARGEST_BYTES = 8_000_000_000
_UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True, slots=True)
class DicomSegWriter:
    """``dicom-seg``: exact, overlaps included; SNOMED codes with side, who or what made each."""

    name: str = "dicom-seg"
    suffix: str = ".seg.dcm"
    needs_series: bool = True

    def write(
        self, outgoing: Outgoing, path: Path, series: "SourceSeries | None" = None
    ) -> tuple[str, ...]:
        """Write one file; see `Writer.write`. Empty masks have no frame and are left out."""
        segments = [segment for segment in outgoing.segments if not segment.is_empty]
        if series is None or not segments:
            raise CannotExport(f"{path.name}: every mask is empty; a DICOM SEG needs one voxel")
        planes, pixels = _pixels(outgoing, segments, series)
        slices = [series.slices[plane] for plane in planes]
        with quiet_dicom(path), atomic_path(path) as partial:
            _segmentation(segments, slices, pixels).save_as(partial)
        empty = [segment.name for segment in outgoing.segments if segment.is_empty]
        return (f"left out, being empty: {', '.join(empty)}",) if empty else ()


def _pixels(
    outgoing: Outgoing, segments: list[Segment], series: "SourceSeries"
) -> tuple[list[int], NDArray[Any]]:
    """Give the planes that hold voxels, and their voxels.

    Returns
    -------
    planes : list of int
    pixels : ndarray
        Segment numbers, shape (planes, rows, columns); with a last axis of segments, 0 or 1,
        only where segments overlap, as that takes so much more memory.
    """
    parts = [series.crop_of(segment.crop, segment.box, outgoing.grid) for segment in segments]
    used = np.zeros(series.grid.shape[2], np.bool_)
    for crop, box in parts:
        used[box[2]] |= crop.any(axis=(0, 1))
    planes = np.flatnonzero(used)
    columns, rows, _ = series.grid.shape
    if len(layers_of(segments)) == 1:
        dtype = np.uint8 if len(segments) <= 255 else np.uint16
        labels = np.zeros((series.grid.shape[2], rows, columns), dtype)
        for number, (crop, (i, j, k)) in enumerate(parts, start=1):
            np.copyto(labels[k, j, i], number, where=crop.T, casting="unsafe")
        return planes.tolist(), labels[planes]
    shape = (len(planes), rows, columns, len(segments))
    if np.prod(shape, dtype=object) > _LARGEST_BYTES:
        raise CannotExport(
            f"{len(segments)} overlapping segments on {len(planes)} slices need "
            f"{np.prod(shape, dtype=object):,} bytes at once; export fewer --structures, or "
            "--per-structure"
        )
    stack = np.zeros(shape, np.uint8)
    place = np.cumsum(used) - 1
    for index, (crop, (i, j, k)) in enumerate(parts):
        # Planes of the box in which nobody has a voxel are left out.
        kept = used[k]
        stack[place[k][kept], j, i, index] |= crop.T[kept].view(np.uint8)
    return planes.tolist(), stack


def _segmentation(segments: list[Segment], slices: "list[Any]", pixels: NDArray[Any]) -> Any:
    import highdicom

    software = version("masksmith")
    return highdicom.seg.Segmentation(
        source_images=slices,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(number, segment) for number, segment in enumerate(segments, start=1)
        ],
        series_instance_uid=highdicom.UID(),
        series_number=_free_series_number(slices[0]),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_MANUFACTURER,
        manufacturer_model_name=_MANUFACTURER,
        software_versions=software,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description="Masks of Masksmith",
    )


def _free_series_number(header: Any) -> int:
    """Give a series number that tells the segmentation from its images at a glance."""
    return min(int(header.get("SeriesNumber") or 0) * 100 + 1, 2**31 - 1)


def _description(number: int, segment: Segment) -> Any:
    import highdicom

    making, structure = segment.making, segment.structure
    algorithm = None
    if making.how != "MANUAL":
        algorithm = highdicom.AlgorithmIdentificationSequence(
            name=making.algorithm[:64],
            family=_coded(LEARNT),
            version=(making.version or _UNKNOWN_VERSION)[:64],
        )
    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.name[:64],
        segmented_property_category=_coded(ANATOMY),
        segmented_property_type=_coded(code_of(structure)),
        algorithm_type=making.how,
        algorithm_identification=algorithm,
        tracking_uid=highdicom.UID(),
        tracking_id=structure.name[:64],
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.colour),
    )
    side = side_code_of(structure)
    if side is not None:
        # highdicom has no argument for it; DICOM PS3.3 C.8.20.4, inside the type's item.
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_coded(side)]
    return description


def _coded(code: Code) -> Any:
    import highdicom

    return highdicom.sr.CodedConcept(code.value, code.scheme, code.meaning)
