"""Codes for structures: SNOMED CT where the class map has one, else a private one.

SNOMED codes are written with the scheme ``SCT``. A structure without a code is coded by its
name in the private scheme ``99MASKSMITH`` (DICOM PS3.16, section 8: private schemes begin with
"99"), so that no file claims a meaning that nobody checked.
"""

from dataclasses import dataclass

from pipeline.anatomy import Structure
from pipeline.anatomy.structure import LATERALITY_SNOMED

PRIVATE_SCHEME = "99MASKSMITH"
SNOMED_SCHEME = "SCT"


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: value, scheme, and what a person reads."""

    value: str
    scheme: str
    meaning: str


ANATOMY = Code("123037004", SNOMED_SCHEME, "Anatomical Structure")
"""Category of every structure (DICOM CID 7150)."""

LEARNT = Code("123110", "DCM", "Artificial Intelligence")
"""Family of the algorithms that masks come from (DICOM CID 7162)."""


def code_of(structure: Structure) -> Code:
    """Give the code of a structure, without its side."""
    meaning = _meaning(structure)
    if structure.snomed is None:
        return Code(structure.name, PRIVATE_SCHEME, structure.name.replace("_", " ")[:64])
    return Code(structure.snomed, SNOMED_SCHEME, meaning)


def side_code_of(structure: Structure) -> Code | None:
    """Give the code of a structure's side (DICOM CID 244); None if the code needs none.

    A private code names its side itself.
    """
    if structure.side is None or structure.snomed is None:
        return None
    return Code(LATERALITY_SNOMED[structure.side], SNOMED_SCHEME, structure.side.capitalize())


def _meaning(structure: Structure) -> str:
    words = [word for word in structure.name.split("_") if word not in ("left", "right")]
    return " ".join(words)[:64].capitalize()
