"""Folders laid out like the TotalSegmentator dataset.

::

    dataset/
      meta.csv                          v1 and v2 columns, ';' between them
      s0000/ct.nii.gz
      s0000/segmentations/liver.nii.gz  one binary mask per structure

Version 1 of the dataset says image_id, age, gender, institute, study_type, split; version
2 adds manufacturer, scanner_model, kvp, pathology, pathology_location. Neither says which
images are of one patient.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.intake.tables import Table, read_table

CT_NAME = "ct.nii.gz"
MASKS_NAME = "segmentations"
META_NAME = "meta.csv"
_IMAGE_COLUMNS = ("image_id", "image", "case", "case_id")
_PLAIN_ID = re.compile(r"s\d{3,6}")


@dataclass(frozen=True, slots=True)
class DatasetSubject:
    """One image of such a dataset with the mask files beside it."""

    folder: Path
    masks: tuple[Path, ...]

    @property
    def ct(self) -> Path:
        """The image."""
        return self.folder / CT_NAME

    @property
    def case_id(self) -> str | None:
        """The folder's name if it is of the form sXXXX; any other may name a patient."""
        return self.folder.name if _PLAIN_ID.fullmatch(self.folder.name) else None


def is_subject(folder: Path, *, with_masks: bool = True) -> bool:
    """Whether a folder holds a CT (and a folder of masks), named as in that dataset."""
    masks = not with_masks or (folder / MASKS_NAME).is_dir()
    return masks and (folder / CT_NAME).is_file()


def dataset_subject(folder: Path) -> DatasetSubject:
    """List the mask files of a folder; files of macOS (``._*``) are not among them."""
    masks = sorted((folder / MASKS_NAME).glob("*.nii*"))
    return DatasetSubject(
        folder,
        tuple(
            path
            for path in masks
            if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".")
        ),
    )


def structure_of(mask: Path) -> str:
    """Name the structure a mask file is of."""
    return mask.name.removesuffix(".gz").removesuffix(".nii")


def read_meta(root: Path) -> Table:
    """Read `meta.csv` of a dataset; a dataset without one has an empty table.

    Raises
    ------
    Refused
        If the file is there but is no such table.
    """
    path = root / META_NAME
    return read_table(path, _IMAGE_COLUMNS) if path.exists() else Table({})
