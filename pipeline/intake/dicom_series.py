"""DICOM files grouped into series, and which of them are CTs."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.intake.dicom_geometry import straight_series
from pipeline.intake.dicom_header import SliceHeader
from pipeline.intake.refusal import refusal
from pipeline.volume import Grid

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_NO_PICTURES = ("RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SEG", "SR", "REG", "KO", "PR", "FID")
_UNITS_OF_A_CT = ("", "HU", "US", "UNSPECIFIED")


@dataclass(frozen=True, slots=True)
class DicomSeries:
    """The files of one series, each instance once.

    Attributes
    ----------
    name : str
        How a message names it: the folder and, if it holds several, which one. No UID.
    copies : int
        Files left out because they repeat an instance byte for byte.
    """

    name: str
    headers: tuple[SliceHeader, ...]
    copies: int = 0

    @property
    def is_image(self) -> bool:
        """Whether these are pictures at all (an RTSTRUCT, a SEG or a report is not)."""
        first = self.headers[0]
        return first.modality not in _NO_PICTURES and first.rows > 0

    @property
    def label(self) -> str:
        """Modality and number of files, for messages."""
        count = len(self.headers)
        files = "1 file" if count == 1 else f"{count} files"
        return f"{self.headers[0].modality or 'no modality'}, {files}"


@dataclass(frozen=True, slots=True)
class StraightSeries:
    """A CT series whose slices are in order and fill one grid."""

    series: DicomSeries
    slices: tuple[SliceHeader, ...]
    grid: Grid


def group_series(headers: Iterable[SliceHeader]) -> tuple[DicomSeries, ...]:
    """Group files by series, in the order of their first file.

    Files without a SeriesInstanceUID form one series per folder, which `ct_series` refuses.
    """
    groups: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in sorted(headers, key=lambda header: header.path):
        groups[header.series or f"none in {header.path.parent}"].append(header)
    series = [_without_copies(group) for group in groups.values()]
    return tuple(_named(series))


def _named(series: Sequence[DicomSeries]) -> Iterable[DicomSeries]:
    """Name each series by its folder, numbering those that share one."""
    folders = [each.headers[0].path.parent for each in series]
    for index, (each, folder) in enumerate(zip(series, folders, strict=True)):
        of = folders.count(folder)
        number = folders[: index + 1].count(folder)
        where = f"{folder} (series {number} of {of})" if of > 1 else str(folder)
        yield replace(each, name=where)


def _without_copies(group: Sequence[SliceHeader]) -> DicomSeries:
    """Keep each instance once; a repeated one must be the same file byte for byte."""
    kept: dict[str, SliceHeader] = {}
    extra: list[SliceHeader] = []
    copies = 0
    for header in group:
        first = kept.setdefault(header.sop_instance or str(header.path), header)
        if first is header:
            continue
        if _file_digest(first.path) == _file_digest(header.path):
            copies += 1
        else:
            extra.append(header)
    return DicomSeries("", (*kept.values(), *extra), copies)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ct_series(series: DicomSeries) -> StraightSeries:
    """Check that a series is a CT that fills one grid.

    Raises
    ------
    Refused
        If it is another modality, a scout, a capture, an enhanced multi-frame file, in
        colour, not in Hounsfield units, or not straight and even.
    """
    for header in series.headers:
        _require_ct_slice(header)
    if len({header.frame_of_reference for header in series.headers}) > 1:
        raise refusal(
            "several frames of reference in one series",
            "one patient position per series",
            "split the series by frame of reference",
        )
    slices, grid = straight_series(series.headers)
    return StraightSeries(series, slices, grid)


def _require_ct_slice(header: SliceHeader) -> None:
    if not header.series:
        raise refusal("no SeriesInstanceUID", "DICOM that says its series", "export it again")
    if header.modality != "CT":
        raise refusal(
            f"modality {header.modality or 'missing'}", "modality CT", "leave the series out"
        )
    if "LOCALIZER" in header.image_type:
        raise refusal("a localizer (scout)", "an axial CT", "leave the series out")
    if header.sop_class in _ENHANCED_CT or header.frames > 1:
        raise refusal(
            "an enhanced multi-frame CT",
            "one file per slice",
            "convert it to single-frame CT or to NIfTI first",
        )
    if header.sop_class != CT_IMAGE:
        raise refusal(
            "a secondary capture or another object of modality CT",
            "CT Image Storage",
            "leave the series out",
        )
    _require_gray_hounsfield(header)


def _require_gray_hounsfield(header: SliceHeader) -> None:
    if header.samples != 1 or header.photometric != "MONOCHROME2":
        raise refusal(
            f"{header.samples} samples per pixel, {header.photometric or 'no photometric name'}",
            "gray CT values (MONOCHROME2)",
            "leave the series out",
        )
    slope, intercept = header.rescale
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        raise refusal(
            f"rescale slope {slope:g} and intercept {intercept:g}",
            "a finite rescaling to Hounsfield units",
            "export the series again from the archive",
        )
    if header.rescale_type not in _UNITS_OF_A_CT:
        raise refusal(
            f"rescale type {header.rescale_type[:16]}",
            "Hounsfield units (HU)",
            "leave the series out (a dual-energy or perfusion map?)",
        )
