"""Training, validation, test: every case on one side, a patient's cases always together.

Words
-----
side
    ``train``, ``val`` or ``test``.
patient
    The pseudonym; a case without one belongs to its exam's patient, and without an exam it
    counts as a patient of its own.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.errors import BadInput
from pipeline.volume import write_file_atomically
from pipeline.workspace import Case
from training.nnunet_dataset import by_seed

Side = Literal["train", "val", "test"]
SIDES: tuple[Side, ...] = get_args(Side)
COLUMNS = ("case_id", "patient_id", "split")
# Below this nobody can stand on each of the three sides.
_FEWEST_PATIENTS = 3


@dataclass(frozen=True, slots=True)
class Split:
    """Who stands where.

    Attributes
    ----------
    patients : mapping
        Case id to patient.
    sides : mapping
        Case id to side.
    """

    patients: Mapping[str, str]
    sides: Mapping[str, Side]

    def cases(self, *sides: Side) -> tuple[str, ...]:
        """Give the case ids of some sides, sorted."""
        return tuple(sorted(case for case, side in self.sides.items() if side in sides))

    def count_patients(self, side: Side) -> int:
        """Count the patients of a side."""
        return len({self.patients[case] for case in self.cases(side)})

    def only(self, cases: Iterable[str]) -> "Split":
        """Give the part of the split that concerns some cases."""
        kept = [case for case in cases if case in self.sides]
        return Split(
            {case: self.patients[case] for case in kept},
            {case: self.sides[case] for case in kept},
        )

    def to_csv(self) -> str:
        """Write case, patient and side, by case."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (case, self.patients[case], self.sides[case]) for case in self.cases(*SIDES)
        )
        return text.getvalue()


def patients_of(cases: Iterable[Case]) -> dict[str, str]:
    """Say whose each case is, by case id."""
    cases = tuple(cases)
    owners = {case.exam_id: case.patient_id for case in cases if case.exam_id and case.patient_id}

    def owner(case: Case) -> str:
        return case.patient_id or owners.get(case.exam_id or "") or case.exam_id or case.id

    return {case.id: owner(case) for case in cases}


def draw_split(patients: Mapping[str, str], proportions: Sequence[int], seed: int) -> Split:
    """Draw a split by patient.

    Patients are ordered by a digest of seed and id; the first ones are the test side, the next
    ones validation. So a patient's side depends on nobody else except through the counts, and
    adding patients moves few. The counts are those of the proportions, rounded, and at least
    one where a proportion is not 0.

    Parameters
    ----------
    patients : mapping
        Case id to patient.
    proportions : sequence of int
        Training, validation, test: 1082, 57, 65 in the paper (section 2.3).
    seed : int

    Raises
    ------
    BadInput
        If there are fewer than three patients.
    """
    ordered = by_seed(set(patients.values()), seed)
    if len(ordered) < _FEWEST_PATIENTS:
        raise BadInput(
            f"found {len(ordered)} patients with a decided structure, a split into training, "
            f"validation and test needs {_FEWEST_PATIENTS}: decide more cases, or name every side "
            "with --split CSV"
        )
    whole = sum(proportions)
    _, val, test = (
        max(1, round(len(ordered) * share / whole)) if share else 0 for share in proportions
    )
    side_of: dict[str, Side] = dict.fromkeys(ordered, "train")
    side_of |= dict.fromkeys(ordered[:test], "test")
    side_of |= dict.fromkeys(ordered[test : test + val], "val")
    return Split(dict(patients), {case: side_of[patient] for case, patient in patients.items()})


def read_split(path: Path, patients: Mapping[str, str]) -> Split:
    """Read a split that a person made.

    Parameters
    ----------
    path : Path
        CSV with a header: ``split`` and ``case_id``, ``patient_id`` or both. A line that names
        only a patient stands for all their cases; a case without a line is not used.
    patients : mapping
        Case id to patient: whoever may stand in the file.

    Raises
    ------
    BadInput
        Naming the line: an unknown case, patient or side, a case that is said to be another
        patient's, a patient on two sides.
    """
    sides: dict[str, Side] = {}
    said_at: dict[str, tuple[int, Side]] = {}
    for number, row in _rows(path):
        where = f"{path}, line {number}"
        side = _side(row, where)
        for case in _named_cases(row, patients, where):
            patient = patients[case]
            line, before = said_at.setdefault(patient, (number, side))
            if before != side:
                raise BadInput(
                    f"{where}: patient {patient} (case {case}) stands in {side}, and in {before} "
                    f"in line {line}; all cases of a patient stand on one side"
                )
            sides[case] = side
    return Split({case: patients[case] for case in sides}, sides)


def read_frozen_split(path: Path) -> Split:
    """Read a split that :func:`write_split` wrote.

    Raises
    ------
    BadInput
        If it was changed so that it says something impossible.
    """
    patients = {row["case_id"]: row["patient_id"] for _, row in _rows(path)}
    return read_split(path, patients)


def write_split(split: Split, path: Path) -> None:
    """Write a split as CSV: case, patient's pseudonym, side."""
    write_file_atomically(path, split.to_csv().encode())


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a CSV ({error})") from error
    reader = csv.DictReader(io.StringIO(text))
    columns = [column.strip() for column in reader.fieldnames or ()]
    if "split" not in columns or not {"case_id", "patient_id"} & set(columns):
        raise BadInput(
            f"{path}: found the columns {', '.join(columns) or 'none'}, expected 'split' and "
            "'case_id' or 'patient_id'"
        )
    reader.fieldnames = columns
    rows = []
    for row in reader:
        said = {name: (value or "").strip() for name, value in row.items() if name in COLUMNS}
        if any(said.values()):
            rows.append((reader.line_num, said))
    if not rows:
        raise BadInput(f"{path}: has no line below its header")
    return rows


def _side(row: Mapping[str, str], where: str) -> Side:
    word = row["split"]
    if word not in SIDES:
        raise BadInput(f"{where}: split '{word}' is unknown, expected {', '.join(SIDES)}")
    return word


def _named_cases(
    row: Mapping[str, str], patients: Mapping[str, str], where: str
) -> tuple[str, ...]:
    case, patient = row.get("case_id", ""), row.get("patient_id", "")
    if not case:
        found = tuple(each for each, owner in patients.items() if owner == patient)
        if not found:
            raise BadInput(f"{where}: patient '{patient}' has no case here; masksmith status lists")
        return found
    if case not in patients:
        raise BadInput(
            f"{where}: case '{case}' is not in the workspace, or was excluded; take the line out"
        )
    if patient and patients[case] != patient:
        raise BadInput(
            f"{where}: case {case} is said to be of patient {patient}, in the workspace it is of "
            f"{patients[case]}"
        )
    return (case,)
