"""What is wrong in a planted case: one file beside the cases, read by the report alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput
from pipeline.volume import write_file_atomically
from pipeline.workspace import Layout, Verdict

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PlantTruth:
    """A planted case and its error.

    Attributes
    ----------
    case_id : str
        Of the planted case.
    copy_of : str
        The real case it was made from.
    kind, grade : str
        As in `qc.planting`.
    targets : tuple of str
        What the error is about.
    wrong : tuple of str
        Structures that are wrong now, also those that the error only touched.
    words : str
    created : str
        ISO 8601, UTC.
    details : mapping
        Figures, changes, seed: plain JSON values.
    verdicts : tuple of Verdict
        What people said, kept here once the case is taken out.
    """

    case_id: str
    copy_of: str
    kind: str
    grade: str
    targets: tuple[str, ...]
    wrong: tuple[str, ...]
    words: str
    created: str
    details: Mapping[str, Any] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "format": _FORMAT,
            "case": self.case_id,
            "copy_of": self.copy_of,
            "kind": self.kind,
            "grade": self.grade,
            "targets": list(self.targets),
            "wrong": list(self.wrong),
            "words": self.words,
            "created": self.created,
            "details": dict(self.details),
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PlantTruth":
        """Read what :meth:`to_dict` gave; KeyError, TypeError or BadInput if it is no such."""
        return cls(
            case_id=str(values["case"]),
            copy_of=str(values["copy_of"]),
            kind=str(values["kind"]),
            grade=str(values["grade"]),
            targets=tuple(str(name) for name in values["targets"]),
            wrong=tuple(str(name) for name in values["wrong"]),
            words=str(values["words"]),
            created=str(values["created"]),
            details=dict(values["details"]),
            verdicts=tuple(Verdict.from_dict(each) for each in values["verdicts"]),
        )


def write_truth(folder: Path, truth: PlantTruth) -> Path:
    """Write the file of one planted case, atomically."""
    path = folder / f"{truth.case_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(truth.to_dict(), indent=1, ensure_ascii=False) + "\n"
    write_file_atomically(path, text.encode())
    return path


def read_truths(folder: Path) -> tuple[PlantTruth, ...]:
    """Read the files of a folder, by case id.

    Raises
    ------
    BadInput
        If one is not what :func:`write_truth` wrote.
    """
    found = []
    for path in sorted(folder.glob("[!.]*.json")):
        try:
            truth = PlantTruth.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, BadInput) as error:
            raise BadInput(
                f"{path}: expected what was planted into a case, found something else ({error}); "
                "restore it from a backup, or move it away: that case is then in no report"
            ) from error
        found.append(truth)
    return tuple(found)


def all_truths(layout: Layout) -> tuple[PlantTruth, ...]:
    """Read what is planted now and what was taken out, by case id."""
    removed = {truth.case_id: truth for truth in read_truths(layout.removed_plants_dir)}
    # What a removal that was interrupted left in both places counts as taken out.
    planted = [t for t in read_truths(layout.planted_dir) if t.case_id not in removed]
    return tuple(sorted([*planted, *removed.values()], key=lambda truth: truth.case_id))
