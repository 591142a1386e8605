"""All findings of a workspace: read from the files beside the cases, damaged ones set aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.workspace.finding_file import Finding, findings_path, read_findings_file
from pipeline.workspace.layout import Layout


@dataclass(frozen=True, slots=True)
class CaseFinding:
    """A finding with the case it is about and who noticed it."""

    case_id: str
    maker: str
    finding: Finding

    def to_dict(self) -> dict[str, object]:
        """Give plain JSON values."""
        return {"case": self.case_id, "maker": self.maker, **self.finding.to_dict()}


@dataclass(frozen=True, slots=True)
class CaseFindings:
    """What all stages noticed about some cases.

    Attributes
    ----------
    found : tuple of CaseFinding
        By case and maker, in the maker's order.
    damaged : tuple of str
        One line for each file that cannot be read: which, why and what to do.
    """

    found: tuple[CaseFinding, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def by_kind(self) -> dict[str, int]:
        """How many there are of each kind, the commonest first."""
        counts: dict[str, int] = {}
        for each in self.found:
            counts[each.finding.kind] = counts.get(each.finding.kind, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def about(self, structure: str) -> CaseFindings:
        """Keep those that name a structure."""
        kept = tuple(each for each in self.found if structure in each.finding.structures)
        return CaseFindings(kept, self.damaged)


def case_findings(layout: Layout, case_ids: Iterable[str]) -> CaseFindings:
    """Read the findings about some cases; other files in their folders do not matter."""
    found: list[CaseFinding] = []
    damaged: list[str] = []
    for case_id in case_ids:
        for path in finding_files(layout, case_id):
            try:
                maker, findings = read_case_findings(layout, case_id, path)
            except BadInput as error:
                damaged.append(str(error))
            else:
                found += [CaseFinding(case_id, maker, finding) for finding in findings]
    return CaseFindings(tuple(found), tuple(damaged))


def finding_files(layout: Layout, case_id: str) -> Iterator[Path]:
    """Go through the files of findings about a case, by name."""
    yield from sorted(layout.findings_dir(case_id).glob("*.json"))


def read_case_findings(layout: Layout, case_id: str, path: Path) -> tuple[str, tuple[Finding, ...]]:
    """Read one maker's findings about a case.

    Raises
    ------
    BadInput
        If the file cannot be read, is not one that a stage wrote, or bears another maker's name.
    """
    advice = "move the file away and run the stage again"
    try:
        maker, findings = read_findings_file(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); {advice}") from error
    expected = findings_path(layout, case_id, maker).name
    if path.name != expected:
        raise BadInput(
            f"{path}: holds the findings of {maker}, expected in a file {expected}; {advice}"
        )
    return maker, findings
