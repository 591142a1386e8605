"""Small CTs on disk: NIfTI files and DICOM series written afresh for each test."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.engine import SerialEngine
from pipeline.intake.intake import STAGE
from pipeline.stage import Outcome, run_stage
from pipeline.workspace import Workspace

SHAPE = (24, 20, 16)
AFFINE = np.array([[-2.0, 0, 0, 20], [0, -2.0, 0, 15], [0, 0, 3.0, -100], [0, 0, 0, 1]])


@pytest.fixture(scope="session")
def ct_values() -> Callable[..., NDArray[np.int16]]:
    """Give a function that makes a CT: soft tissue with a bone in air, shape (I, J, K)."""

    def make(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.int16]:
        noise = np.random.default_rng(seed).integers(-30, 30, shape)
        values = np.full(shape, -1000, np.int16)
        values[3:-3, 3:-3] = 40
        values[8:12, 8:12] = 700
        return (values + noise).astype(np.int16)

    return make


@pytest.fixture(scope="session")
def write_ct(ct_values: Callable[..., NDArray[np.int16]]) -> Callable[..., Path]:
    """Give a function that writes a CT with nibabel: ``write_ct(path, seed=1)``."""

    def write(
        path: Path,
        values: NDArray[Any] | None = None,
        affine: NDArray[Any] = AFFINE,
        seed: int = 0,
        **header: object,
    ) -> Path:
        image = nibabel.Nifti1Image(ct_values(seed) if values is None else values, affine)
        for name, value in header.items():
            image.header[name] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(image, path)
        return path

    return write


@pytest.fixture
def write_series(ct_values: Callable[..., NDArray[np.int16]]) -> Callable[..., list[Path]]:
    """Give a function that writes a straight axial CT series, one file per slice.

    ``positions`` are the slices' places (x, y, z) in LPS millimetres; ``change(dataset, k)``
    edits slice k before it is saved. Further keywords set attributes of every slice.
    """

    def write(
        folder: Path,
        *,
        seed: int = 0,
        series: str = "1.2.3.4",
        positions: Sequence[Sequence[float]] | None = None,
        change: Callable[[Any, int], None] = lambda dataset, k: None,
        **attributes: object,
    ) -> list[Path]:
        places = positions or [(-20.0, -15.0, 100.0 + 3 * k) for k in range(SHAPE[2])]
        values = ct_values(seed, (*SHAPE[:2], len(places)))
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for k, place in enumerate(places):
            dataset = dicom_slice(values[:, :, k], place, f"{series}.{k}")
            dataset.SeriesInstanceUID = series
            for name, value in attributes.items():
                setattr(dataset, name, value)
            change(dataset, k)
            path = folder / f"IM{len(places) - k:04d}"  # file order is not slice order
            dataset.save_as(path, enforce_file_format=True)
            paths.append(path)
        return paths

    return write


def dicom_slice(hu: NDArray[np.int16], place: Sequence[float], instance: str) -> Any:
    """Make one slice of an axial CT; ``hu`` has shape (I, J)."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.PatientName = "Muster^Erika"
    dataset.PatientID = "PID4711"
    dataset.PatientBirthDate = "19600229"
    dataset.PatientAge = "060Y"
    dataset.PatientSex = "F"
    dataset.InstitutionName = "Klinik Sankt Beispiel"
    dataset.StudyDescription = "Abdomen, Frau Muster"
    dataset.StudyDate = "20200229"
    dataset.StudyInstanceUID = "1.2.3"
    dataset.FrameOfReferenceUID = "1.2.3.9"
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Manufacturer = "Maker"
    dataset.KVP = "120"
    dataset.ConvolutionKernel = "B30f"
    dataset.ContrastBolusAgent = "given by Dr. Schmidt"
    dataset.Rows, dataset.Columns = hu.shape[1], hu.shape[0]
    dataset.PixelSpacing = [2.0, 2.5]  # between rows (y), between columns (x)
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [float(value) for value in place]
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelData = np.ascontiguousarray(hu.T + 1024).astype("<i2").tobytes()
    return dataset


@pytest.fixture
def take_in(workspace: Workspace) -> Callable[..., list[Outcome]]:
    """Give a function that runs the stage in this process: ``take_in(path, layout="nifti")``."""

    def run(*paths: Path, **settings: Any) -> list[Outcome]:
        chosen = STAGE.Settings(paths=paths, **{"isolate": False, **settings})
        return list(run_stage(STAGE, workspace, chosen, SerialEngine()).outcomes)

    return run
