"""Who and what a dataset is of: age, sex, site, kind of image, as figure 2 of the paper shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.workspace import Case, Workspace
from qc.figure_style import SEX_WORDS
from qc.measurement_table import age_years

_DECADE = 10
_OLDEST_DECADE = 100
_STUDY_TYPE, _PHASE = "study type", "contrast phase"


@dataclass(frozen=True, slots=True)
class Panel:
    """One distribution.

    Attributes
    ----------
    name : str
        age, sex, site or image type.
    title : str
    counts : tuple of (str, int)
        Value and cases, in the order in which they are drawn; every case is either here or unknown.
    unknown : int
        Cases of which it is not known.
    """

    name: str
    title: str
    counts: tuple[tuple[str, int], ...]
    unknown: int

    def rows(self) -> list[dict[str, object]]:
        """Give a row per value, and one for what is not known."""
        known = [{"panel": self.name, "value": value, "cases": n} for value, n in self.counts]
        return [*known, {"panel": self.name, "value": "not known", "cases": self.unknown}]


@dataclass(frozen=True, slots=True)
class Cohort:
    """The four distributions of a dataset.

    Attributes
    ----------
    cases, excluded : int
        Excluded cases are in no panel.
    patients : int
    without_patient : int
        Cases that name no patient; each counts as one.
    """

    cases: int
    patients: int
    without_patient: int
    excluded: int
    panels: tuple[Panel, ...]


def cohort_of(workspace: Workspace) -> Cohort:
    """Count the cases of a workspace that nobody excluded."""
    excluded = workspace.excluded()
    cases = [case for case in workspace.cases() if case.id not in excluded]
    named = {case.patient_id for case in cases if case.patient_id}
    without = sum(not case.patient_id for case in cases)
    return Cohort(
        cases=len(cases),
        patients=len(named) + without,
        without_patient=without,
        excluded=len(excluded),
        panels=(
            _ages(cases),
            _sexes(cases),
            _most_common("site", "Site", cases, lambda case: case.meta.get("site", "")),
            _image_types(cases),
        ),
    )


def _ages(cases: Iterable[Case]) -> Panel:
    ages = [age_years(case.meta) for case in cases]
    known = [min(int(age) // _DECADE * _DECADE, _OLDEST_DECADE) for age in ages if age is not None]
    counts = Counter(known)
    # A decade without a case between others is a gap, not left out.
    decades = range(min(known), max(known) + 1, _DECADE) if known else ()
    values = tuple((_decade_words(decade), counts[decade]) for decade in decades)
    return Panel("age", "Age (years)", values, len(ages) - len(known))


def _decade_words(decade: int) -> str:
    return f"{decade}+" if decade == _OLDEST_DECADE else f"{decade}-{decade + _DECADE - 1}"


def _sexes(cases: Iterable[Case]) -> Panel:
    found = Counter(case.meta.get("sex", "") for case in cases)
    counts = tuple((word, found[sex]) for sex, word in SEX_WORDS.items() if found[sex])
    return Panel("sex", "Sex", counts, found.total() - sum(n for _, n in counts))


def _image_types(cases: list[Case]) -> Panel:
    """Give the kinds of examination, or where fewer cases name one, the contrast phases."""
    kinds = _most_common("image_type", f"Image type: {_STUDY_TYPE}", cases, _study_type)
    phases = _most_common("image_type", f"Image type: {_PHASE}", cases, lambda c: c.phase or "")
    return phases if phases.unknown < kinds.unknown else kinds


def _study_type(case: Case) -> str:
    return case.meta.get("study_type", "")


def _most_common(
    name: str, title: str, cases: Iterable[Case], value_of: Callable[[Case], str]
) -> Panel:
    found = Counter(value_of(case) for case in cases)
    unknown = found.pop("", 0)
    counts = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return Panel(name, title, tuple(counts), unknown)
