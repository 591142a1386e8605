"""Which close-ups a gallery needs: those that were asked for, and every correction."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pipeline.errors import NothingToDo
from pipeline.workspace import CaseRecord, Mask, Workspace, digest_of
from pipeline.workspace.case_findings import case_findings
from qc.close_up import CloseUpTask, Part
from qc.drawing import PICTURE_VERSION, PictureFiles, source_of
from qc.flags import number_findings, suspicions_of
from qc.scene import Tile

CORRECTED = "corrected"
FLAGGED = "flagged"
_MOST_NEIGHBOURS = 200


@dataclass(frozen=True, slots=True)
class CloseUpPlan:
    """What is wanted of every case.

    Attributes
    ----------
    wanted : tuple of str
        Names or shell patterns of structures; ``flagged``; ``corrected``.
    tile : Tile
        That of the large picture, so that the same renderer serves.
    """

    workspace: Workspace
    wanted: tuple[str, ...]
    tile: Tile

    def check(self) -> None:
        """Refuse what fits no structure.

        Raises
        ------
        NothingToDo
            Naming it.
        """
        for pattern in self._patterns:
            if not any(fnmatchcase(name, pattern) for name in self.workspace.class_map.names):
                raise NothingToDo(
                    f"--close-ups {pattern}: no structure of class map "
                    f"'{self.workspace.class_map.name}' is called so; expected a name, a pattern "
                    f"such as 'rib_*', '{FLAGGED}' or '{CORRECTED}'"
                )

    def tasks(self, record: CaseRecord) -> Iterator[CloseUpTask]:
        """Go through the pictures of a case that are missing or show something else."""
        yield from (task for task in self._all(record) if not task.is_drawn())

    @property
    def _patterns(self) -> list[str]:
        return [word for word in self.wanted if word not in (CORRECTED, FLAGGED)]

    def _all(self, record: CaseRecord) -> Iterator[CloseUpTask]:
        in_force = record.in_force()
        for name in self._chosen(record, in_force):
            yield self._close_up(record, in_force, name)
        if CORRECTED in self.wanted:
            for after in in_force.values():
                before = corrected_from(after, record.masks)
                if before is not None and after.structure in self.workspace.class_map:
                    yield self._change(record, before, after)

    def _chosen(self, record: CaseRecord, in_force: Iterable[str]) -> list[str]:
        flagged: Iterable[str] = ()
        if FLAGGED in self.wanted:
            found = case_findings(self.workspace.layout, [record.case.id]).found
            flagged = suspicions_of(number_findings(each.finding for each in found))
        there = set(in_force)
        return [
            name
            for name in self.workspace.class_map.names
            if name in there
            and (name in flagged or any(fnmatchcase(name, each) for each in self._patterns))
        ]

    def _close_up(self, record: CaseRecord, in_force: dict[str, Mask], name: str) -> CloseUpTask:
        class_map, mask = self.workspace.class_map, in_force[name]
        around = [n for n in class_map[name].neighbours if n in in_force][:_MOST_NEIGHBOURS]
        files = PictureFiles(self.workspace.layout.gallery_dir, record.case.id)
        words = (f"{record.case.id}   {name}", self._words(record, mask))
        return self._task(
            CloseUpTask(
                kind="closeup",
                case=record.case,
                structure=name,
                parts=tuple(self._part(record, in_force[each]) for each in (name, *around)),
                words=words,
                file=files.close_ups / f"{name}.png",
                digest="",
                tile=self.tile,
            )
        )

    def _change(self, record: CaseRecord, before: Mask, after: Mask) -> CloseUpTask:
        files = PictureFiles(self.workspace.layout.gallery_dir, record.case.id)
        words = (
            f"{record.case.id}   {after.structure}",
            f"before: {self._words(record, before)}      after: {self._words(record, after)}",
        )
        return self._task(
            CloseUpTask(
                kind="change",
                case=record.case,
                structure=after.structure,
                parts=(self._part(record, before), self._part(record, after)),
                words=words,
                file=files.changes / f"{after.structure}.png",
                digest="",
                tile=self.tile,
            )
        )

    def _task(self, task: CloseUpTask) -> CloseUpTask:
        shown = [[part.path.parent.name, part.path.name, part.colour] for part in task.parts]
        size = [self.tile.width_px, self.tile.height_px, self.tile.supersampling]
        grid = task.case.grid.to_dict()
        said = [PICTURE_VERSION, task.kind, task.case.ct_digest, grid, shown, task.words, size]
        return replace(task, digest=digest_of(said))

    def _part(self, record: CaseRecord, mask: Mask) -> Part:
        path = self.workspace.layout.mask(record.case.id, mask.structure, mask.id)
        return Part(path, self.workspace.class_map[mask.structure].colour)

    def _words(self, record: CaseRecord, mask: Mask) -> str:
        return f"{source_of(mask)}, {mask.voxels * record.case.grid.voxel_ml:.4g} ml"


def corrected_from(mask: Mask, revisions: Sequence[Mask]) -> Mask | None:
    """Give the mask that a person corrected into this one; None if it is no correction."""
    if mask.origin != "human":
        return None
    parents = [
        each
        for each in revisions
        if each.id in mask.provenance.parents and each.structure == mask.structure
    ]
    return max(parents, key=lambda each: (each.provenance.created, each.id), default=None)
