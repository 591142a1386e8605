"""Writes DICOM RT Structure Sets: one closed curve per outline of a mask on a slice.

Modules as DICOM PS3.3 A.19.3 demands. A hole is written as a curve inside a curve, as most
programs write and read it; the curves hold every voxel centre of the mask and no other.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from annotation.formats.writers.codes import Code, code_of, side_code_of
from annotation.formats.writers.contours import outlines
from annotation.formats.writers.outgoing import CannotExport, Making, Outgoing, Segment
from annotation.formats.writers.source_series import SourceSeries, position_of, quiet_dicom
from pipeline.volume import Box, Grid, atomic_path

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"
_CONTOUR_DATA = 0x30060050
_FROM_SERIES = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID",
    "AccessionNumber", "FrameOfReferenceUID", "PositionReferenceIndicator",
    "SpecificCharacterSet",
)  # fmt: skip
_MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber", "PositionReferenceIndicator",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RtStructWriter:
    """``rtstruct``: outlines per slice; the same voxels when filled by their centres."""

    name: str = "rtstruct"
    suffix: str = ".rtstruct.dcm"
    needs_series: bool = True

    def write(
        self, outgoing: Outgoing, path: Path, series: SourceSeries | None = None
    ) -> tuple[str, ...]:
        """Write one file; see `Writer.write`. Empty masks have no outline and are left out."""
        segments = [segment for segment in outgoing.segments if not segment.is_empty]
        if series is None or not segments:
            raise CannotExport(f"{path.name}: every mask is empty; there is nothing to outline")
        with quiet_dicom(path), atomic_path(path) as partial:
            dataset = _structure_set(segments, outgoing.grid, series)
            dataset.save_as(partial, enforce_file_format=True)
        empty = [segment.name for segment in outgoing.segments if segment.is_empty]
        return (f"left out, being empty: {', '.join(empty)}",) if empty else ()


def _structure_set(segments: list[Segment], grid: Grid, series: SourceSeries) -> "Dataset":
    dataset = _about(series)
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of_reference(series)]
    dataset.StructureSetROISequence = []
    dataset.ROIContourSequence = []
    dataset.RTROIObservationsSequence = []
    for number, segment in enumerate(segments, start=1):
        part = series.crop_of(segment.crop, segment.box, grid)
        dataset.StructureSetROISequence.append(_roi(number, segment, series))
        dataset.ROIContourSequence.append(_contours(number, segment, part, series))
        dataset.RTROIObservationsSequence.append(_observation(number, segment))
    return dataset


def _about(series: SourceSeries) -> "Dataset":
    """Give patient, study, series, equipment and head of the structure set."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    first, now = series.slices[0], datetime.now(UTC)
    dataset = Dataset()
    for tag in _FROM_SERIES:
        value = first.get(tag)
        if value is not None or tag in _MAY_BE_EMPTY:
            setattr(dataset, tag, "" if value is None else value)
    dataset.SOPClassUID = _STORAGE
    dataset.SOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesNumber = min(int(first.get("SeriesNumber") or 0) * 100 + 2, 2**31 - 1)
    dataset.OperatorsName = ""
    dataset.Manufacturer = dataset.ManufacturerModelName = "Masksmith"
    dataset.SoftwareVersions = version("masksmith")
    dataset.StructureSetLabel = "Masksmith"
    dataset.StructureSetDate = dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.StructureSetTime = dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.ApprovalStatus = "UNAPPROVED"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset


def _frame_of_reference(series: SourceSeries) -> "Dataset":
    from pydicom.dataset import Dataset

    first = series.slices[0]
    of_series = Dataset()
    of_series.SeriesInstanceUID = first.SeriesInstanceUID
    of_series.ContourImageSequence = [_image(each) for each in series.slices]
    study = Dataset()
    study.ReferencedSOPClassUID = _DETACHED_STUDY
    study.ReferencedSOPInstanceUID = first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [of_series]
    frame = Dataset()
    frame.FrameOfReferenceUID = first.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _image(header: "Dataset") -> "Dataset":
    from pydicom.dataset import Dataset

    image = Dataset()
    image.ReferencedSOPClassUID = header.SOPClassUID
    image.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return image


def _roi(number: int, segment: Segment, series: SourceSeries) -> "Dataset":
    from pydicom.dataset import Dataset

    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = series.slices[0].FrameOfReferenceUID
    roi.ROIName = segment.name[:64]
    roi.ROIGenerationAlgorithm = segment.making.how
    description = _description(segment.making)
    if description:
        roi.ROIGenerationDescription = description
    return roi


def _description(making: Making) -> str:
    return " ".join(part for part in (making.algorithm, making.version) if part)[:1024]


def _contours(
    number: int, segment: Segment, part: tuple[NDArray[np.bool_], Box], series: SourceSeries
) -> "Dataset":
    from pydicom.dataset import Dataset

    crop, box = part
    contours = Dataset()
    contours.ReferencedROINumber = number
    contours.ROIDisplayColor = list(segment.structure.colour)
    contours.ContourSequence = []
    start = np.array([box[0].start, box[1].start])
    for plane in range(crop.shape[2]):
        header = series.slices[box[2].start + plane]
        for curve in outlines(crop[:, :, plane]):
            points = _lps_mm(curve + start, header, series.grid)
            contours.ContourSequence.append(_contour(points, header))
    return contours


def _lps_mm(curve: NDArray[np.float64], header: "Dataset", grid: Grid) -> NDArray[np.float64]:
    """Move a curve from voxel indices (i, j) into the plane of its slice, LPS mm."""
    axes = grid.affine[:3, :2] * np.array([[-1.0], [-1.0], [1.0]])
    points: NDArray[np.float64] = position_of(header) + curve @ axes.T
    return points


def _contour(points_mm: NDArray[np.float64], header: "Dataset") -> "Dataset":
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    contour = Dataset()
    contour.ContourImageSequence = [_image(header)]
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points_mm)
    # As text already: pydicom would make and check an object of each of a million numbers.
    values = [_decimal(value) for value in points_mm.ravel().tolist()]
    contour.add(DataElement(_CONTOUR_DATA, "DS", values, already_converted=True))
    return contour


def _decimal(value: float) -> str:
    """Write a coordinate to a ten-thousandth of a millimetre; DICOM allows 16 characters."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _observation(number: int, segment: Segment) -> "Dataset":
    from pydicom.dataset import Dataset

    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    code, side = _coded(code_of(segment.structure)), side_code_of(segment.structure)
    if side is not None:
        code.SegmentedPropertyTypeModifierCodeSequence = [_coded(side)]
    observation.RTROIIdentificationCodeSequence = [code]
    observation.RTROIInterpretedType = "ORGAN"
    observation.ROIInterpreter = ""
    return observation


def _coded(code: Code) -> "Dataset":
    from pydicom.dataset import Dataset

    coded = Dataset()
    if len(code.value) > 16:
        coded.LongCodeValue = code.value
    else:
        coded.CodeValue = code.value
    coded.CodingSchemeDesignator = code.scheme
    coded.CodeMeaning = code.meaning
    return coded
