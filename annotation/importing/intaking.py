"""The desk at which the driver looks at all drawings of a case together, then stores them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from annotation.importing.agreement import LOW_DICE, dice_with
from annotation.importing.reading import PackedMask, ReadFile, Reading
from annotation.importing.refusal import ImportRefused
from annotation.importing.settings import ImportRoughSettings
from annotation.importing.side_check import SideRules, wrong_sides
from annotation.importing.storing import Shelf, Stored, Storing, shelves
from annotation.person import person_or_login
from pipeline.errors import BadInput, UsageError
from pipeline.workspace import Case, Mask, Workspace

_MISPLACED_SHARE = 0.05
"""Of what was drawn together; a single mask among a hundred may have strayed by itself."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one drawing: stored (or kept), or why not."""

    reading: Reading
    stored: Stored | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseDesk:
    """Takes read files in by the settings of one call."""

    workspace: Workspace
    settings: ImportRoughSettings

    def take_in(self, files: Sequence[ReadFile]) -> dict[Path, tuple[Result, ...]]:
        """Decide about every drawing and store what may come in.

        Returns
        -------
        dict of Path to tuple of Result
            By file, in the order of its drawings.
        """
        misplaced = _misplaced(files)
        files = [_not_misplaced(file, misplaced) for file in files]
        by_case: dict[str, list[ReadFile]] = defaultdict(list)
        results: dict[Path, tuple[Result, ...]] = {}
        for file in files:
            if file.case is None:
                results[file.path] = tuple(Result(reading) for reading in file.readings)
            else:
                by_case[file.case.id].append(file)
        for same in by_case.values():
            case = same[0].case
            assert case is not None
            results |= self._case(case, same)
        return results

    def _case(self, case: Case, files: Sequence[ReadFile]) -> dict[Path, tuple[Result, ...]]:
        drawn = _drawn(files, empty_too=self.settings.store_empty)
        on_shelf = shelves(self.workspace, case.id, tuple(drawn))
        in_force = self.workspace.in_force(case.id)
        once = {name: found[0][1] for name, found in drawn.items() if len(found) == 1}
        rules = SideRules(self.workspace.class_map, self.settings.side_margin_mm)
        wrong = wrong_sides(once, in_force, case.grid, rules)
        storing = Storing(self.workspace, self.settings, _who(self.settings), _software())
        return {
            file.path: tuple(
                self._one(file, reading, _Look(drawn, wrong, on_shelf, storing))
                for reading in file.readings
            )
            for file in files
        }

    def _one(self, file: ReadFile, reading: Reading, look: "_Look") -> Result:
        name = reading.match.structure
        if name is None or reading.refused is not None or reading.mask is None:
            return Result(reading)
        if not reading.mask.voxels and not self.settings.store_empty:
            return Result(reading)
        others = [other.path.name for other, _ in look.drawn[name] if other.path != file.path]
        if others:
            words = f"also in {', '.join(others)} of this run: import one, look, then the other"
            return Result(replace(reading, refused=ImportRefused("two_files", words)))
        side = look.wrong.get(name)
        if side is not None and not self.settings.accept_sides:
            return Result(replace(reading, refused=side))
        notes = (f"taken although {side.words.partition(':')[0]}",) if side is not None else ()
        try:
            notes = (*notes, *self._disagreement(reading.mask, look.shelves[name].in_force))
            stored = look.storing.store(file, reading, look.shelves[name])
        except BadInput as error:  # a damaged mask of the workspace must not stop the others
            return Result(replace(reading, refused=ImportRefused("not_stored", str(error))))
        return Result(reading, stored, notes)

    def _disagreement(self, drawn: PackedMask, counting: Mask | None) -> tuple[str, ...]:
        """Note a drawing that has little to do with the mask that counted so far."""
        if counting is None or not counting.voxels or not drawn.voxels:
            return ()
        dice = dice_with(self.workspace, counting, drawn)
        if dice >= LOW_DICE:
            return ()
        by = f"{counting.id[:12]} by {counting.provenance.maker}"
        return (f"Dice only {dice:.2f} with {by}, which counted so far",)


@dataclass(frozen=True, slots=True)
class _Look:
    """All that is known of a case when one of its drawings is decided about."""

    drawn: Mapping[str, Sequence[tuple[ReadFile, Reading]]]
    wrong: Mapping[str, ImportRefused]
    shelves: Mapping[str, Shelf]
    storing: Storing


def _misplaced(files: Sequence[ReadFile]) -> dict[tuple[str, Path], ImportRefused]:
    """Find what was drawn together and lies at a wrong place: too many of it are in the air.

    What lies in one file or folder was drawn on one image. Of a set put into the wrong case or
    place some masks end in the air around the body, others inside it where nobody notices.
    """
    together: dict[tuple[str, Path], list[Reading]] = defaultdict(list)
    for file in files:
        if file.case is not None:
            readings = [reading for reading in file.readings if _has_place(reading)]
            together[file.case.id, file.path.parent] += readings
    misplaced = {}
    for place, readings in together.items():
        air = [r.match.structure or "" for r in readings if _is_in_air(r)]
        if len(air) >= _MISPLACED_SHARE * len(readings) and len(readings) > 1 and air:
            words = (
                f"{len(air)} of the {len(readings)} drawings beside it lie mostly in the air "
                f"around the body ({', '.join(air[:3])}): another case or place?"
            )
            misplaced[place] = ImportRefused("drawn_elsewhere", words)
    return misplaced


def _not_misplaced(file: ReadFile, misplaced: Mapping[tuple[str, Path], ImportRefused]) -> ReadFile:
    """Refuse what belongs to a misplaced set."""
    error = None if file.case is None else misplaced.get((file.case.id, file.path.parent))
    if error is None:
        return file
    readings = tuple(
        replace(reading, refused=error)
        if _has_place(reading) and not _is_in_air(reading)
        else reading
        for reading in file.readings
    )
    return replace(file, readings=readings)


def _is_in_air(reading: Reading) -> bool:
    return reading.refused is not None and reading.refused.kind == "in_air"


def _has_place(reading: Reading) -> bool:
    """Whether a drawing came onto the grid with voxels."""
    return _is_in_air(reading) or (reading.mask is not None and reading.mask.voxels > 0)


def _drawn(
    files: Sequence[ReadFile], *, empty_too: bool
) -> dict[str, list[tuple[ReadFile, Reading]]]:
    """Group by structure what could be placed and holds voxels, or is stored empty."""
    drawn: dict[str, list[tuple[ReadFile, Reading]]] = defaultdict(list)
    for file in files:
        for reading in file.readings:
            name = reading.match.structure
            if name is None or reading.refused is not None or reading.mask is None:
                continue
            if reading.mask.voxels or empty_too:
                drawn[name].append((file, reading))
    return drawn


def _who(settings: ImportRoughSettings) -> str:
    """Name who commands: verdicts of superseding are this person's."""
    try:
        return person_or_login(settings.by or "")
    except UsageError:
        return "unknown"


def _software() -> dict[str, str]:
    try:
        return {"masksmith": version("masksmith")}
    except PackageNotFoundError:
        return {}
