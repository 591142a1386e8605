"""What one DICOM file says about itself, read without its pixels.

The identifiers (patient, study, series, frame of reference) are in here in clear, so a
`SliceHeader` stays in memory: only keyed hashes of them are ever written. No message of
this module quotes a value from a file.
"""

import logging
import struct
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.intake.refusal import Refused, refusal

_DEFLATED = "1.2.840.10008.1.2.1.99"
_LARGEST_INFLATED_BYTES = 256 * 2**20
_INFLATE_STEP_BYTES = 2**20

_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType",
    "PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesInstanceUID",
    "FrameOfReferenceUID", "AcquisitionNumber", "InstanceNumber",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "GantryDetectorTilt",
    "RescaleSlope", "RescaleIntercept", "RescaleType",
    "PatientAge", "PatientSex", "Manufacturer", "ManufacturerModelName", "KVP",
    "ConvolutionKernel", "SliceThickness", "ContrastBolusAgent",
)  # fmt: skip

# What pydicom raises on files that are broken or lie; anything else is a fault of ours.
_UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError,
    NotImplementedError, OverflowError, MemoryError, RecursionError, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """The fields of one DICOM file that intake decides on.

    Attributes
    ----------
    orientation : tuple of six floats, or empty
        Direction of a row, then of a column, in DICOM's LPS millimetres.
    position_mm : tuple of three floats, or empty
        Centre of the first voxel, LPS.
    pixel_spacing_mm : tuple of two floats, or empty
        Between rows, then between columns.
    about : dict
        Technical facts worth keeping in the case (age, sex, kVp, kernel, ...), unchecked.
    """

    path: Path
    sop_class: str
    sop_instance: str
    modality: str
    image_type: tuple[str, ...]
    patient: str
    issuer: str
    study: str
    series: str
    frame_of_reference: str
    acquisition: str
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    pixel_spacing_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    position_mm: tuple[float, ...]
    tilt_deg: float
    rescale: tuple[float, float]
    rescale_type: str
    about: dict[str, str] = field(default_factory=dict)


def read_slice_header(path: Path) -> SliceHeader:
    """Read the header of one DICOM file.

    Raises
    ------
    Refused
        If the file is no DICOM, is broken, or expands to more than 256 MiB.
    """
    import pydicom
    from pydicom.config import IGNORE, settings
    from pydicom.errors import BytesLengthException, InvalidDicomError

    settings.reading_validation_mode = IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its lines quote values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _require_small_when_inflated(path)
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
            header = _slice_header(path, dataset)
        except Refused:
            raise
        except (InvalidDicomError, BytesLengthException, *_UNREADABLE) as error:
            raise refusal(
                f"a DICOM header that cannot be read ({type(error).__name__})",
                "a whole DICOM file",
                "copy it again from the archive",
            ) from None
    if not header.sop_class and not header.series:
        raise refusal("a DICOM header with nothing in it", "a whole DICOM file", "copy it again")
    return header


def _require_small_when_inflated(path: Path) -> None:
    """Inflate a deflated file in small steps, so that a bomb is met before it is opened."""
    from pydicom.filereader import read_file_meta_info

    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != _DEFLATED:
        return
    start = 132 + 12 + int(meta["FileMetaInformationGroupLength"].value)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(2**16):
            while block:
                total += len(inflater.decompress(block, _INFLATE_STEP_BYTES))
                block = inflater.unconsumed_tail
                if total > _LARGEST_INFLATED_BYTES:
                    raise refusal(
                        f"a deflated file that expands beyond {_LARGEST_INFLATED_BYTES:,} bytes",
                        "one slice of a CT",
                        "leave it out",
                    )


def _slice_header(path: Path, dataset: Any) -> SliceHeader:
    return SliceHeader(
        path=path,
        sop_class=_text(dataset, "SOPClassUID"),
        sop_instance=_text(dataset, "SOPInstanceUID"),
        modality=_text(dataset, "Modality"),
        image_type=tuple(str(part).strip().upper() for part in _several(dataset, "ImageType")),
        patient=_text(dataset, "PatientID"),
        issuer=_text(dataset, "IssuerOfPatientID"),
        study=_text(dataset, "StudyInstanceUID"),
        series=_text(dataset, "SeriesInstanceUID"),
        frame_of_reference=_text(dataset, "FrameOfReferenceUID"),
        acquisition=_text(dataset, "AcquisitionNumber"),
        rows=int(_number(dataset, "Rows", 0)),
        columns=int(_number(dataset, "Columns", 0)),
        frames=int(_number(dataset, "NumberOfFrames", 1)),
        samples=int(_number(dataset, "SamplesPerPixel", 1)),
        photometric=_text(dataset, "PhotometricInterpretation"),
        pixel_spacing_mm=_numbers(dataset, "PixelSpacing"),
        orientation=_numbers(dataset, "ImageOrientationPatient"),
        position_mm=_numbers(dataset, "ImagePositionPatient"),
        tilt_deg=_number(dataset, "GantryDetectorTilt", 0.0),
        rescale=(_number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0)),
        rescale_type=_text(dataset, "RescaleType").upper(),
        about=_about(dataset),
    )


def _about(dataset: Any) -> dict[str, str]:
    """Pick the technical facts; the contrast agent, being free text, only as given or not."""
    named = {
        "age": "PatientAge",
        "sex": "PatientSex",
        "manufacturer": "Manufacturer",
        "scanner_model": "ManufacturerModelName",
        "kvp": "KVP",
        "kernel": "ConvolutionKernel",
        "slice_thickness_mm": "SliceThickness",
    }
    facts = {name: _text(dataset, tag) for name, tag in named.items()}
    facts["contrast_agent"] = "given" if _text(dataset, "ContrastBolusAgent") else ""
    return {name: value for name, value in facts.items() if value}


def _several(dataset: Any, tag: str) -> list[Any]:
    value = dataset.get(tag)
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | int | float) else list(value)


def _text(dataset: Any, tag: str) -> str:
    parts = _several(dataset, tag)
    return str(parts[0]).strip() if parts else ""


def _number(dataset: Any, tag: str, default: float) -> float:
    text = _text(dataset, tag)
    return float(text) if text else default


def _numbers(dataset: Any, tag: str) -> tuple[float, ...]:
    return tuple(float(part) for part in _several(dataset, tag))
