"""By which keyed hashes a case is found again from outside: series, exam, frame, file.

A workspace keeps neither UIDs nor file names, since they may lead to a patient; who still has
them can ask which case they belong to. An index travels to worker processes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.workspace.layout import Layout
from pipeline.workspace.pseudonym import path_pseudonym, pseudonym
from pipeline.workspace.words import Case

CaseIds = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseIndex:
    """The cases of a workspace by what is known of them; make it with :meth:`of`.

    Attributes
    ----------
    layout : Layout
    ids : frozenset of str
        Every case.
    series, exams, frames, files : mapping of str to tuple of str
        Keyed hash to the cases that have it, by id.
    """

    layout: Layout
    ids: frozenset[str]
    series: Mapping[str, CaseIds]
    exams: Mapping[str, CaseIds]
    frames: Mapping[str, CaseIds]
    files: Mapping[str, CaseIds]

    @classmethod
    def of(cls, layout: Layout, cases: Iterable[Case]) -> "CaseIndex":
        """Index cases; those listed first come first where several share a hash."""
        every = list(cases)
        return cls(
            layout,
            frozenset(case.id for case in every),
            _grouped((case.series_id, case.id) for case in every),
            _grouped((case.exam_id, case.id) for case in every),
            _grouped((case.frame_of_reference_id, case.id) for case in every),
            _grouped((case.source.get("file"), case.id) for case in every),
        )

    def of_series(self, uid: str) -> CaseIds:
        """Find the cases of a SeriesInstanceUID."""
        return self.series.get(pseudonym(self.layout, "series", uid), ()) if uid else ()

    def of_exam(self, uid: str) -> CaseIds:
        """Find the cases of a StudyInstanceUID."""
        return self.exams.get(pseudonym(self.layout, "exam", uid), ()) if uid else ()

    def of_frame(self, uid: str) -> CaseIds:
        """Find the cases of a FrameOfReferenceUID."""
        known = pseudonym(self.layout, "frame_of_reference", uid)
        return self.frames.get(known, ()) if uid else ()

    def of_file(self, path: Path) -> CaseIds:
        """Find the cases whose CT came from a file; links are followed as intake did."""
        return self.files.get(path_pseudonym(self.layout, path), ())


def _grouped(pairs: Iterable[tuple[str | None, str]]) -> dict[str, CaseIds]:
    grouped: dict[str, CaseIds] = {}
    for known, case_id in pairs:
        if known:
            grouped[known] = (*grouped.get(known, ()), case_id)
    return grouped
