"""Coded meanings: which SNOMED CT code a file gives, and on which side it says the thing is."""

from typing import Any

from pipeline.anatomy.structure import LATERALITY_SNOMED

_SNOMED = ("SCT", "SNOMEDCT", "SNM3", "SRT", "99SDM")

# Types that say only "something of a body"; what it is then stands in the anatomic region.
_GENERIC = {
    "85756007",  # Tissue
    "113343008",  # Body organ
    "123037004",  # Body structure (Anatomical Structure)
    "91723000",  # Anatomical structure
    "309825002",  # Spatial and relational concept
}


def snomed_code(scheme: object, value: object) -> str:
    """Give a code as one of SNOMED CT, or nothing.

    Codes of the older SNOMED RT (``T-62000``) are translated by the table that comes with
    pydicom (DICOM PS3.16, annex O).

    Parameters
    ----------
    scheme : object
        Coding scheme designator, such as ``SCT`` or ``SRT``.
    value : object
        Code value.
    """
    code = str(value or "").strip()
    if str(scheme or "").strip().upper() not in _SNOMED or not code:
        return ""
    if code.isdigit():
        return code if len(code) <= 18 else ""
    from pydicom.sr._snomed_dict import mapping

    translated = mapping["SRT"].get(code, "")
    return str(translated)


def side_of(snomed: str) -> str:
    """Give ``left`` or ``right`` for a laterality code of SNOMED CT, else nothing."""
    return next((side for side, code in LATERALITY_SNOMED.items() if code == snomed), "")


def what_it_is(kind: str, region: str) -> str:
    """Choose between the code of a type and of an anatomic region.

    The type counts, unless it is as general as "tissue"; then the region does, if given.
    """
    if kind and kind not in _GENERIC:
        return kind
    return "" if region in _GENERIC else region


def code_of(item: Any) -> str:
    """Give the SNOMED CT code of a DICOM code item, or nothing."""
    return snomed_code(item.get("CodingSchemeDesignator"), item.get("CodeValue"))


def first_code(dataset: Any, sequence: str) -> str:
    """Give the SNOMED CT code of the first item of a DICOM code sequence, or nothing."""
    codes = dataset.get(sequence) or []
    return code_of(codes[0]) if len(codes) else ""
