"""Who and what a CT is of, as far as a case may know it: keyed hashes and plain facts.

Kinds of pseudonym (`Workspace.pseudonym(kind, value)`), so that whoever reads an RTSTRUCT
or a SEG later finds the case: ``patient`` (PatientID, with ``@`` and the issuer where one
is given), ``exam`` (StudyInstanceUID), ``series`` (SeriesInstanceUID) and
``frame_of_reference`` (FrameOfReferenceUID).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.intake.dicom_header import SliceHeader
from pipeline.intake.tables import TableRow

Pseudonym = Callable[[str, str], str]

# Words of a vendor or a protocol; anything longer or stranger could be a sentence.
_PLAIN_FACT = re.compile(r"[A-Za-z0-9][\w .,;:+/()%^*-]{0,63}")
_DICOM_AGE = re.compile(r"(\d{3})([YMWD])")
_SEXES = {"M": "m", "F": "f", "O": "o", "MALE": "m", "FEMALE": "f"}


@dataclass(frozen=True, slots=True)
class Identity:
    """The part of a case that says who and what; fields as in `Case`."""

    patient_id: str | None = None
    exam_id: str | None = None
    series_id: str | None = None
    frame_of_reference_id: str | None = None
    phase: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)


def identity_of_series(header: SliceHeader, pseudonym: Pseudonym) -> Identity:
    """Make the identity of a series from the header of one of its slices."""
    patient = f"{header.patient}@{header.issuer}" if header.issuer else header.patient
    return Identity(
        patient_id=_hashed("patient", patient if header.patient else "", pseudonym),
        exam_id=_hashed("exam", header.study, pseudonym),
        series_id=_hashed("series", header.series, pseudonym),
        frame_of_reference_id=_hashed("frame_of_reference", header.frame_of_reference, pseudonym),
        meta=plain_facts(header.about),
    )


def identity_of_row(row: TableRow, pseudonym: Pseudonym) -> Identity:
    """Make the identity of an image from its row in a table."""
    return Identity(
        patient_id=_hashed("patient", row.patient, pseudonym),
        exam_id=_hashed("exam", row.exam, pseudonym),
        phase=plain_facts({"phase": row.phase.lower()}).get("phase"),
        meta=plain_facts(row.meta),
    )


def plain_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """Keep short plain values; ages become years, sexes m, f or o."""
    kept = {}
    for name, value in facts.items():
        text = value.strip()
        if name == "age":
            text = _years(text)
        elif name == "sex":
            text = _SEXES.get(text.upper(), "")
        if _PLAIN_FACT.fullmatch(text):
            kept[name] = text
    return kept


def _years(text: str) -> str:
    """Give an age in whole years: DICOM's 060Y or 018M, or a plain number."""
    dicom = _DICOM_AGE.fullmatch(text)
    if dicom:
        per_year = {"Y": 1, "M": 12, "W": 52, "D": 365}[dicom[2]]
        return str(int(dicom[1]) // per_year)
    return re.sub(r"\.0+$", "", text) if re.fullmatch(r"\d{1,3}(\.\d+)?", text) else ""


def _hashed(kind: str, value: str, pseudonym: Pseudonym) -> str | None:
    return pseudonym(kind, value) if value else None
