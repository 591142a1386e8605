"""What goes out of a workspace: the masks of one case, whatever format they are written in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import Structure
from pipeline.errors import BadInput
from pipeline.volume import Box, Grid
from pipeline.workspace import CaseRecord, Mask, Workspace
from pipeline.workspace.in_force import paint_order

if TYPE_CHECKING:
    from annotation.formats.writers.source_series import SourceSeries

HowMade = Literal["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]
"""DICOM's words (Segment Algorithm Type, ROI Generation Algorithm)."""

_BY_HAND = ("human", "rough")
_NOWHERE: Box = (slice(0, 1), slice(0, 1), slice(0, 1))


class CannotExport(BadInput):
    """Masks that a format cannot hold, or not on this series."""


@dataclass(frozen=True, slots=True)
class Making:
    """How a mask came to be, as DICOM wants to know it.

    Attributes
    ----------
    how : {"MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"}
        Drawn by a person, by a person on what an algorithm proposed, by an algorithm.
    algorithm, version : str
        Maker and version of the algorithm; empty for what was drawn by hand.
    """

    how: HowMade
    algorithm: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One structure that goes out.

    Attributes
    ----------
    structure : Structure
    mask : Mask or None
        None: there is no mask yet; a person shall draw it.
    box : tuple of slice
        Where the crop lies in the grid.
    crop : ndarray of bool, shape of the box
    making : Making
    """

    structure: Structure
    mask: Mask | None
    box: Box
    crop: NDArray[np.bool_]
    making: Making = Making("MANUAL")

    @property
    def name(self) -> str:
        """Name of the structure."""
        return self.structure.name

    @property
    def is_empty(self) -> bool:
        """Whether no voxel is set."""
        return not self.crop.any()


@dataclass(frozen=True, slots=True, eq=False)
class Outgoing:
    """The masks of one case on their way out.

    Attributes
    ----------
    case_id : str
    grid : Grid
        Of the case's CT.
    segments : tuple of Segment
        In the order of the class map.
    painted : tuple of str
        Their names in the order in which a label map is painted: the later one wins.
    class_map : str
        Its name.
    alone : bool
        Each structure has a file of its own; its only value is then 1.
    """

    case_id: str
    grid: Grid
    segments: tuple[Segment, ...]
    painted: tuple[str, ...]
    class_map: str
    alone: bool = False

    def only(self, name: str) -> "Outgoing":
        """Give one structure alone, for a file of its own."""
        chosen = tuple(segment for segment in self.segments if segment.name == name)
        return replace(self, segments=chosen, painted=(name,), alone=True)

    def value_of(self, segment: Segment) -> int:
        """Give the voxel value that stands for a segment in a label map."""
        return 1 if self.alone else segment.structure.value


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A label map and what it could not hold.

    Attributes
    ----------
    labels : ndarray of unsigned integer, shape (I, J, K)
        Fortran-ordered.
    lost : mapping
        (loser, winner) to the number of voxels that both claim and the winner got.
    """

    labels: NDArray[np.integer[Any]]
    lost: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def notes(self) -> tuple[str, ...]:
        """Say which structures lost voxels to which, most voxels first."""
        ordered = sorted(self.lost.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            f"{loser} gives {count} voxels to {winner}" for (loser, winner), count in ordered
        )


class Writer(Protocol):
    """Writes one format. A new one is one file and one entry in `WRITERS`."""

    @property
    def name(self) -> str:
        """The word for ``--format``."""

    @property
    def suffix(self) -> str:
        """End of the file's name."""

    @property
    def needs_series(self) -> bool:
        """Whether it must know the DICOM series the case was made from."""

    def write(
        self, outgoing: Outgoing, path: Path, series: "SourceSeries | None" = None
    ) -> tuple[str, ...]:
        """Write the file atomically and give what is worth telling a person.

        Raises
        ------
        CannotExport
            When the format cannot hold these masks.
        OSError
            When the file cannot be written.
        """


def outgoing_masks(
    workspace: Workspace, record: CaseRecord, masks: Mapping[str, Mask | None]
) -> Outgoing:
    """Read the masks of a case that shall go out.

    Parameters
    ----------
    workspace : Workspace
    record : CaseRecord
    masks : mapping
        Structure to mask; None for a structure that is to be drawn.

    Raises
    ------
    MaskFileError
        When a mask's file is missing or damaged.
    """
    known = {mask.id: mask for mask in record.masks}
    segments = []
    for structure in workspace.class_map:
        if structure.name not in masks:
            continue
        mask = masks[structure.name]
        if mask is None:
            segments.append(Segment(structure, None, _NOWHERE, np.zeros((1, 1, 1), np.bool_)))
            continue
        crop = workspace.mask_crop(mask)
        segments.append(Segment(structure, mask, mask.box, crop, making_of(mask, known)))
    drawn = {name: mask for name, mask in masks.items() if mask is not None}
    accepted = {mask.id for mask in record.accepted().values()}
    to_draw = [name for name, mask in masks.items() if mask is None]
    painted = (*to_draw, *(mask.structure for mask in paint_order(drawn, accepted)))
    return Outgoing(
        record.case.id, record.case.grid, tuple(segments), painted, workspace.class_map.name
    )


def making_of(mask: Mask, known: Mapping[str, Mask]) -> Making:
    """Tell how a mask was made, following what a person corrected down to the algorithm.

    Parameters
    ----------
    mask : Mask
    known : mapping
        The revisions of the case, by id.
    """
    if mask.origin not in _BY_HAND:
        return Making("AUTOMATIC", mask.provenance.maker, _version(mask))
    to_look_at, seen = list(mask.provenance.parents), {mask.id}
    while to_look_at:
        parent = known.get(to_look_at.pop(0))
        if parent is None or parent.id in seen:
            continue
        seen.add(parent.id)
        if parent.origin not in _BY_HAND:
            return Making("SEMIAUTOMATIC", parent.provenance.maker, _version(parent))
        to_look_at += parent.provenance.parents
    return Making("MANUAL")


def paint(outgoing: Outgoing) -> Painted:
    """Paint the masks into one label map, the strongest last."""
    by_name = {segment.name: segment for segment in outgoing.segments}
    largest = max((outgoing.value_of(segment) for segment in outgoing.segments), default=1)
    dtype = np.uint8 if largest <= 255 else np.uint16
    labels: NDArray[np.integer[Any]] = np.zeros(outgoing.grid.shape, dtype, order="F")
    names = {outgoing.value_of(segment): segment.name for segment in outgoing.segments}
    lost: dict[tuple[str, str], int] = {}
    for name in outgoing.painted:
        segment = by_name[name]
        if segment.is_empty:
            continue
        under = labels[segment.box][segment.crop]
        counts = np.bincount(under[under > 0])
        for value in np.flatnonzero(counts).tolist():
            lost[names[value], name] = int(counts[value])
        value = outgoing.value_of(segment)
        np.copyto(labels[segment.box], value, where=segment.crop, casting="unsafe")
    return Painted(labels, lost)


def layers_of(segments: Sequence[Segment]) -> list[list[int]]:
    """Share segments out over as few layers as a simple rule finds, none overlapping in its own.

    Returns
    -------
    list of list of int
        For each layer the places of its segments in `segments`; every segment in one.
    """
    layers: list[list[int]] = []
    for index, segment in enumerate(segments):
        for layer in layers:
            if not any(_overlap(segment, segments[other]) for other in layer):
                layer.append(index)
                break
        else:
            layers.append([index])
    return layers


def _overlap(one: Segment, other: Segment) -> bool:
    sides = [
        (max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(one.box, other.box, strict=True)
    ]
    if any(start >= stop for start, stop in sides):
        return False
    parts = [
        segment.crop[
            tuple(
                slice(lo - side.start, hi - side.start)
                for (lo, hi), side in zip(sides, segment.box, strict=True)
            )
        ]
        for segment in (one, other)
    ]
    return bool((parts[0] & parts[1]).any())


def _version(mask: Mask) -> str:
    software = mask.provenance.software
    return software.get("masksmith") or next(iter(software.values()), "")
