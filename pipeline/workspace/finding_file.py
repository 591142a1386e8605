"""Findings: what a stage noticed about a case and a person should look at.

One JSON file per case and maker below the case's folder. A maker's list is replaced as a whole,
so a finding whose cause is gone goes too; an empty list says that the maker looked.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pipeline.errors import BadInput
from pipeline.volume import write_file_atomically
from pipeline.workspace.layout import Layout

Figure = float | int | str
Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should look at.

    Attributes
    ----------
    kind : str
        snake_case, the same for all of its sort: ``rib_number_ambiguous``, ``overlap``.
    words : str
        A sentence for people.
    structures : tuple of str
        What it is about.
    figures : mapping
        Its numbers, with units in their names.
    severity : {"low", "medium", "high"}
        High: the mask is most likely wrong. Low: worth a glance.
    place_mm : tuple of float, or None
        The point to look at, RAS+ world millimetres (x, y, z).
    """

    kind: str
    words: str
    structures: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    severity: Severity = "medium"
    place_mm: tuple[float, float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "kind": self.kind,
            "words": self.words,
            "structures": list(self.structures),
            "figures": dict(self.figures),
            "severity": self.severity,
            "place_mm": None if self.place_mm is None else [round(at, 2) for at in self.place_mm],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Finding":
        """Read what :meth:`to_dict` gave; what was written before severities is medium.

        Raises
        ------
        ValueError
            If the severity is none, or the place is no point.
        """
        severity, place = values.get("severity", "medium"), values.get("place_mm")
        if severity not in SEVERITIES:
            raise ValueError(f"severity {severity!r}, expected one of {', '.join(SEVERITIES)}")
        return cls(
            kind=str(values["kind"]),
            words=str(values["words"]),
            structures=tuple(str(name) for name in values["structures"]),
            figures=dict(values["figures"]),
            severity=severity,
            place_mm=None if place is None else _point(place),
        )


def _point(place: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = (float(at) for at in place)
    return x, y, z


def findings_path(layout: Layout, case_id: str, maker: str) -> Path:
    """Name the file of one maker's findings about one case."""
    return layout.findings_dir(case_id) / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', maker)}.json"


def write_findings(
    layout: Layout, case_id: str, maker: str, findings: Iterable[Finding]
) -> Path | None:
    """Replace what `maker` said about a case, atomically; None if nothing changed.

    Parameters
    ----------
    maker : str
        As in a mask's provenance, such as ``model:ribfrac``.
    """
    path = findings_path(layout, case_id, maker)
    said = {"maker": maker, "findings": [finding.to_dict() for finding in findings]}
    text = (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode()
    if path.is_file() and path.read_bytes() == text:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file_atomically(path, text)
    return path


def read_findings(layout: Layout, case_id: str) -> dict[str, tuple[Finding, ...]]:
    """Read all findings about a case, by maker.

    Raises
    ------
    BadInput
        If a file is not one that :func:`write_findings` wrote.
    """
    found = {}
    for path in sorted(layout.findings_dir(case_id).glob("*.json")):
        maker, findings = read_findings_file(path)
        found[maker] = findings
    return found


def read_findings_file(path: Path) -> tuple[str, tuple[Finding, ...]]:
    """Read one maker's findings.

    Raises
    ------
    BadInput
        If the file is not one that :func:`write_findings` wrote.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return str(said["maker"]), tuple(Finding.from_dict(each) for each in said["findings"])
    except (ValueError, KeyError, TypeError, UnicodeError) as error:
        raise BadInput(
            f"{path}: expected findings as a stage writes them, found something else ({error}); "
            "move the file away and run the stage again"
        ) from error
