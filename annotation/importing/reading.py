"""Read one file of drawings in a worker process: its case, its names, its places."""

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import Drawing, DrawnFile, ReadLimits
from annotation.importing.body import Body, body_of
from annotation.importing.case_finding import CaseFinder, FoundCase
from annotation.importing.names import Match, Matcher, label_of
from annotation.importing.path_hints import Hints, without_ids
from annotation.importing.placing import Placed, is_empty, place, united
from annotation.importing.refusal import ImportRefused
from pipeline.errors import BadInput
from pipeline.volume import Box
from pipeline.volume.drawn_slices import DrawnSlices
from pipeline.volume.memory_ceiling import memory_ceiling
from pipeline.volume.sides import centre_x_mm
from pipeline.workspace import Case, digest_of_file

_JOINED = " + "
_EMPTY_BOX: Box = (slice(0, 1), slice(0, 1), slice(0, 1))


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask on its case's grid, packed to travel and to wait."""

    box: Box
    voxels: int
    bits: bytes

    @classmethod
    def of(cls, crop: NDArray[np.bool_], box: Box) -> "PackedMask":
        """Pack a crop."""
        bits = zlib.compress(np.packbits(crop.reshape(-1, order="F")).tobytes(), 1)
        return cls(box, int(np.count_nonzero(crop)), bits)

    @classmethod
    def empty(cls) -> "PackedMask":
        """Give a mask without voxels."""
        return cls.of(np.zeros((1, 1, 1), np.bool_), _EMPTY_BOX)

    @property
    def crop(self) -> NDArray[np.bool_]:
        """The voxels inside ``box``: bool, Fortran-ordered."""
        shape = tuple(side.stop - side.start for side in self.box)
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        flat = np.unpackbits(bits, count=int(np.prod(shape))).view(np.bool_)
        return flat.reshape(shape, order="F")


@dataclass(frozen=True, slots=True)
class Reading:
    """One drawing of a file, as far as a worker can bring it.

    Attributes
    ----------
    label : str
        Its name in the file, else its number.
    match : Match
    mask : PackedMask or None
        None unless it is placed; without voxels if nothing was drawn.
    how : str
        How it came onto the grid.
    notes : tuple of str
    slices : DrawnSlices or None
    air_share : float
        Of its voxels, in the air around the body.
    right_mm : float or None
        How far its centre lies to the right of the body's middle.
    centre_x_mm : float or None
    refused : ImportRefused or None
    drawn_by, drawn_at : str
    """

    label: str
    match: Match
    mask: PackedMask | None = None
    how: str = ""
    notes: tuple[str, ...] = ()
    slices: DrawnSlices | None = None
    air_share: float = 0.0
    right_mm: float | None = None
    centre_x_mm: float | None = None
    refused: ImportRefused | None = None
    drawn_by: str = ""
    drawn_at: str = ""


@dataclass(frozen=True, slots=True)
class ReadTask:
    """One file and all that is needed to understand it."""

    path: Path
    hints: Hints
    finder: CaseFinder
    matcher: Matcher
    limits: ReadLimits
    memory_bytes: int
    air_limit_share: float
    name_table: Path | None = None


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What became of one file in the worker.

    Attributes
    ----------
    digest : str
        SHA-256 of the file.
    refused : ImportRefused or None
        Of the whole file.
    """

    path: Path
    format: str = ""
    digest: str = ""
    case: Case | None = None
    readings: tuple[Reading, ...] = ()
    notes: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    refused: ImportRefused | None = None


def read_task(task: ReadTask) -> ReadFile:
    """Read, match and place all drawings of one file."""
    from annotation.formats import read_drawn_file

    try:
        with memory_ceiling(task.memory_bytes):
            drawn = read_drawn_file(task.path, task.limits, name_table=task.name_table)
            return read_drawings(drawn, task)
    except ImportRefused as error:
        return ReadFile(task.path, refused=error)
    except BadInput as error:
        words = str(error).replace(f"{task.path}: ", "").replace(str(task.path), "the file")
        return ReadFile(task.path, refused=ImportRefused("unreadable", words))
    except MemoryError:
        words = f"takes more than {task.memory_bytes / 2**30:.3g} GiB to read"
        return ReadFile(task.path, refused=ImportRefused("too_large", words))


def read_drawings(drawn: DrawnFile, task: ReadTask) -> ReadFile:
    """Find the case of a file that was read, and bring its drawings onto that case's grid."""
    ids = task.finder.index.ids
    matches = [task.matcher.match(d, without_ids(d.name, ids)) for d in drawn.drawings]
    read = ReadFile(
        drawn.path,
        drawn.format,
        digest_of_file(drawn.path),
        notes=drawn.notes,
        software=drawn.software,
        readings=tuple(
            Reading(label_of(drawing), match)
            for drawing, match in zip(drawn.drawings, matches, strict=True)
        ),
    )
    try:
        found = task.finder.find(drawn, task.hints)
    except ImportRefused as error:
        return replace(read, refused=error)
    body = body_of(task.finder.index.layout.ct(found.case.id), found.case)
    placer = _Placer(found, body, task)
    order = {label_of(drawing): place for place, drawing in enumerate(drawn.drawings)}
    readings = tuple(
        sorted(
            placer.all(drawn.drawings, matches),
            key=lambda reading: order.get(reading.label.partition(_JOINED)[0], 0),
        )
    )
    notes = (*read.notes, *([found.note] if found.note else []))
    return replace(read, case=found.case, readings=readings, notes=notes)


@dataclass(frozen=True, slots=True)
class _Placer:
    found: FoundCase
    body: Body
    task: ReadTask

    def all(self, drawings: Sequence[Drawing], matches: Sequence[Match]) -> Iterator[Reading]:
        """Place what is matched; several drawings of one structure only if the mapping says so."""
        together: dict[str, list[Drawing]] = defaultdict(list)
        by_mapping: dict[str, bool] = defaultdict(lambda: True)
        for drawing, match in zip(drawings, matches, strict=True):
            if match.structure is None:
                yield Reading(label_of(drawing), match)
            else:
                together[match.structure].append(drawing)
                by_mapping[match.structure] &= match.how == "mapping"
        for structure, same in together.items():
            match = Match(structure, "mapping" if by_mapping[structure] else "name")
            if len(same) > 1 and not by_mapping[structure]:
                yield from _refused_twice(structure, same, match)
            else:
                yield self._one(structure, same, match)

    def _one(self, structure: str, drawings: Sequence[Drawing], match: Match) -> Reading:
        first = drawings[0]
        reading = Reading(
            _JOINED.join(label_of(drawing) for drawing in drawings),
            match,
            drawn_by=first.drawn_by,
            drawn_at=max(drawing.drawn_at for drawing in drawings),
        )
        filled = [drawing for drawing in drawings if not is_empty(drawing.shape)]
        if not filled:
            return replace(reading, mask=PackedMask.empty())
        grid = self.found.case.grid
        try:
            other = bool(self.found.note)
            placed = united([place(d.shape, grid, other_series=other) for d in filled], grid)
            return self._checked(reading, placed)
        except ImportRefused as error:
            return replace(reading, refused=error)

    def _checked(self, reading: Reading, placed: Placed) -> Reading:
        """Note where in the body it lies; refuse what is mostly in the air around it."""
        grid = self.found.case.grid
        share = self.body.air_share(placed, grid)
        if share > self.task.air_limit_share:
            raise ImportRefused(
                "in_air",
                f"{share:.0%} of its {placed.voxels} voxels lie in the air around the body, "
                f"expected at most {self.task.air_limit_share:.0%}: another case, or mirrored?",
            )
        return replace(
            reading,
            mask=PackedMask.of(placed.crop, placed.box),
            how=placed.how,
            notes=placed.notes,
            slices=placed.slices,
            air_share=share,
            right_mm=self.body.right_of_middle_mm(placed, grid),
            centre_x_mm=centre_x_mm(placed.crop, placed.box, grid),
        )


def _refused_twice(structure: str, drawings: Sequence[Drawing], match: Match) -> Iterator[Reading]:
    labels = ", ".join(f"'{label_of(drawing)}'" for drawing in drawings)
    words = f"{labels} are all {structure}: keep one, or join them by naming each in --mapping"
    for drawing in drawings:
        error = ImportRefused("one_structure_twice", words)
        yield Reading(label_of(drawing), match, refused=error)
