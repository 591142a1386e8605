"""Which case a file of drawings belongs to. Everything that is known must agree on one case."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotation.formats.drawing import DrawnFile, References, VoxelShape
from annotation.importing.path_hints import Hints
from annotation.importing.refusal import ImportRefused
from pipeline.volume import Grid
from pipeline.volume.placement import canonical_grid
from pipeline.workspace import Case, CaseIndex, read_case
from pipeline.workspace.pseudonym import pseudonym

GRID_TOLERANCE_MM = 0.01
_SHOWN = 5
_SHOW_HOW = "name it with --case, or file by file with --table"


@dataclass(frozen=True, slots=True)
class FoundCase:
    """The case, and what about finding it is worth telling."""

    case: Case
    note: str = ""


@dataclass(frozen=True, slots=True)
class CaseFinder:
    """Finds cases by the rules of one call; travels to worker processes."""

    index: CaseIndex
    allow_other_series: bool = False

    def find(self, drawn: DrawnFile, hints: Hints) -> FoundCase:
        """Find the case of a file.

        By what a person said, the series it was drawn on, the frame of reference, the exam, the
        CT beside it, and the case id in its name. Evidence of two kinds must agree.

        Raises
        ------
        ImportRefused
            ``no_case``, ``several_cases``, ``contradiction``, ``other_series``, ``other_frame``.
        """
        if hints.told is not None:
            return self._told(hints.told, drawn.references)
        said = drawn.references
        by_series = _all(self.index.of_series(uid) for uid in said.series_uids)
        by_frame = self.index.of_frame(said.frame_of_reference_uid)
        by_exam = self.index.of_exam(said.study_uid)
        if said.series_uids and not by_series and (by_exam or by_frame):
            return self._on_other_series(drawn, hints, by_exam or by_frame)
        evidence = [
            ("the series it was drawn on", by_series),
            ("its frame of reference", () if by_series else by_frame),
            ("its exam", () if by_series or by_frame else by_exam),
            ("the CT beside it", hints.beside),
            ("the case id in its name", hints.named),
        ]
        case = self._only(_agreeing(evidence), drawn)
        if said.series_uids and not by_series:
            self._refuse_other_series(case, said)
        return FoundCase(case)

    def _told(self, case_id: str, said: References) -> FoundCase:
        if case_id not in self.index.ids:
            raise ImportRefused("no_case", f"there is no case '{case_id}'")
        case = read_case(self.index.layout, case_id)
        by_series = _all(self.index.of_series(uid) for uid in said.series_uids)
        if case.id in by_series or not said.series_uids:
            return FoundCase(case)
        if by_series and not self.allow_other_series:
            raise ImportRefused(
                "other_series",
                f"it was drawn on the series of {_list(by_series)}, not of {case.id}: import it "
                "there, or say --allow-other-series if it shall come onto this one by place",
            )
        self._refuse_other_series(case, said)
        self._refuse_other_frame(case, said)
        return FoundCase(case, self._note(said, case, by_series))

    def _refuse_other_series(self, case: Case, said: References) -> None:
        """Refuse a case that has a series of its own which the file does not name."""
        if case.series_id is not None and not self.allow_other_series:
            raise ImportRefused(
                "other_series",
                f"it was drawn on series {self._short(said)}, which is not taken in; case "
                f"{case.id} is another series: take the right one in, or say --allow-other-series",
            )

    def _refuse_other_frame(self, case: Case, said: References) -> None:
        """Refuse another series whose world coordinates mean other places."""
        uid = said.frame_of_reference_uid
        if not uid or case.frame_of_reference_id is None or case.id in self.index.of_frame(uid):
            return
        raise ImportRefused(
            "other_frame",
            f"its frame of reference is not that of {case.id}: the same coordinates are another "
            "place there, so it cannot be placed; register the two images first",
        )

    def _on_other_series(
        self, drawn: DrawnFile, hints: Hints, same_exam: Sequence[str]
    ) -> FoundCase:
        said = drawn.references
        if not self.allow_other_series:
            raise ImportRefused(
                "other_series",
                f"it was drawn on series {self._short(said)}, which is not taken in; of the same "
                f"exam are {_list(same_exam)}: take the right series in, or say "
                "--allow-other-series to place it by world coordinates",
            )
        evidence = [
            ("its exam", tuple(same_exam)),
            ("the CT beside it", hints.beside),
            ("the case id in its name", hints.named),
        ]
        case = self._only(_agreeing(evidence), drawn)
        self._refuse_other_frame(case, said)
        return FoundCase(case, self._note(said, case, ()))

    def _only(self, candidates: Sequence[str], drawn: DrawnFile) -> Case:
        """Give the only candidate; of several, the only one on whose grid it was painted."""
        if not candidates:
            raise ImportRefused("no_case", f"no case found: {_looked_for(drawn)}; {_SHOW_HOW}")
        cases = [read_case(self.index.layout, case_id) for case_id in candidates]
        if len(cases) > 1:
            grids = [d.shape.grid for d in drawn.drawings if isinstance(d.shape, VoxelShape)]
            cases = [c for c in cases if grids and _same(grids[0], c.grid)] or cases
        if len(cases) > 1:
            found = _list([case.id for case in cases])
            raise ImportRefused("several_cases", f"it may belong to {found}: {_SHOW_HOW}")
        return cases[0]

    def _note(self, said: References, case: Case, by_series: Sequence[str]) -> str:
        owner = f" ({_list(by_series)})" if by_series else ""
        return f"drawn on another series, {self._short(said)}{owner}, placed on {case.id} by place"

    def _short(self, said: References) -> str:
        """Name a series without telling its UID: by the beginning of its keyed hash."""
        return f"#{pseudonym(self.index.layout, 'series', said.series_uids[0])[:8]}"


def _agreeing(evidence: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Intersect what each kind of evidence says; kinds that say nothing do not count."""
    agreed: list[str] = []
    by: str = ""
    for kind, cases in evidence:
        if not cases:
            continue
        both = [case for case in agreed if case in cases] if agreed else list(cases)
        if not both:
            raise ImportRefused(
                "contradiction",
                f"{by} says {_list(agreed)}, {kind} says {_list(cases)}: {_SHOW_HOW}",
            )
        agreed, by = both, by or kind
    return agreed


def _looked_for(drawn: DrawnFile) -> str:
    said = drawn.references
    looked = [
        "series" if said.series_uids else "",
        "frame of reference" if said.frame_of_reference_uid else "",
        "exam" if said.study_uid else "",
    ]
    known = [each for each in looked if each]
    uids = "it names no DICOM series"
    if known:
        uids = f"no case is known of its {' or '.join(known)}"
    return f"{uids}; no CT that was taken in lies beside it; no case id in its path"


def _same(grid: Grid, target: Grid) -> bool:
    return canonical_grid(grid).same_as(canonical_grid(target), GRID_TOLERANCE_MM)


def _all(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(case for group in groups for case in group))


def _list(cases: Sequence[str]) -> str:
    shown = ", ".join(cases[:_SHOWN])
    return shown if len(cases) <= _SHOWN else f"{shown} and {len(cases) - _SHOWN} more"
