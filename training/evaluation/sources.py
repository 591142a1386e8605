"""Where the masks of one case come from, and how they are loaded: files, or a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput
from pipeline.volume import Box, Grid, label_boxes
from pipeline.volume.label_files import CaseFiles
from pipeline.volume.label_reading import binary_crop, listed, read_placed, whole_numbers
from pipeline.workspace import Case, Layout, Mask, read_mask


@dataclass(frozen=True)
class Crop:
    """A mask, cropped to a box of its case's grid."""

    box: Box
    mask: NDArray[np.bool_]

    @cached_property
    def voxels(self) -> int:
        """How many are set."""
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True, slots=True)
class CaseMasks:
    """The masks of one case.

    Attributes
    ----------
    place : str
        For messages.
    grid : Grid
    crops : mapping
        Every covered structure; None where it was looked for and is not there.
    """

    place: str
    grid: Grid
    crops: Mapping[str, Crop | None]


class Source(Protocol):
    """The masks of one case before they are loaded; travels between processes."""

    @property
    def covered(self) -> frozenset[str]:
        """The structures it decides, known without loading."""
        ...

    @property
    def ids(self) -> Mapping[str, str]:
        """The id of each structure's mask; nothing for files."""
        ...

    @property
    def lineage(self) -> Mapping[str, frozenset[str]]:
        """The id of each structure's mask and of those it was made from; nothing for files."""
        ...

    def load(self) -> CaseMasks:
        """Read the masks; raises BadInput naming the file."""
        ...


@dataclass(frozen=True)
class FileSource:
    """Files of one case, named or numbered by a class map."""

    files: CaseFiles
    class_map: ClassMap
    ignore_unknown: bool = False

    @property
    def ids(self) -> Mapping[str, str]:
        """Nothing is known of a file."""
        return {}

    @property
    def lineage(self) -> Mapping[str, frozenset[str]]:
        """Nothing is known of a file."""
        return {}


class LabelMapSource(FileSource):
    """One file for all structures of a class map."""

    @property
    def covered(self) -> frozenset[str]:
        """All of the class map: what has no voxels is absent."""
        return frozenset(self.class_map.names)

    def load(self) -> CaseMasks:
        """Read the label map.

        Raises
        ------
        BadInput
            If it cannot be read, is no label map, or has values that stand for nothing.
        """
        volume = read_placed(self.files.place)
        labels = whole_numbers(volume.array, self.files.place)
        boxes = label_boxes(labels)
        unknown = sorted(set(boxes) - set(self.class_map.values))
        if unknown and not self.ignore_unknown:
            raise BadInput(
                f"{self.files.place}: found the label values {listed(unknown)}, which stand for "
                f"nothing in class map '{self.class_map.name}'; name the right one with "
                "--class-map, or leave them out with --ignore-unknown"
            )
        crops = {
            structure.name: _crop_of(labels, boxes.get(structure.value), structure.value)
            for structure in self.class_map
        }
        return CaseMasks(str(self.files.place), volume.grid, crops)


class MaskFolderSource(FileSource):
    """One file per structure; a structure without a file is not covered."""

    @property
    def covered(self) -> frozenset[str]:
        """The structures that have a file."""
        return frozenset(self.files.masks)

    def load(self) -> CaseMasks:
        """Read the masks.

        Raises
        ------
        BadInput
            If one cannot be read, is no mask, or they lie on different grids; or if there are
            files that name no structure.
        """
        if self.files.unknown and not self.ignore_unknown:
            raise BadInput(
                f"{self.files.place}: found masks named {listed(self.files.unknown)}, which are "
                f"not in class map '{self.class_map.name}'; name the right one with --class-map, "
                "or leave them out with --ignore-unknown"
            )
        grid: Grid | None = None
        crops: dict[str, Crop | None] = {}
        for name, path in self.files.masks.items():
            volume = read_placed(path)
            grid = grid or volume.grid
            grid.require_same(volume.grid, what=f"{path} and the other masks of its folder")
            crops[name] = _binary_crop(volume.array, path)
        if grid is None:
            raise BadInput(f"{self.files.place}: found no masks")
        return CaseMasks(str(self.files.place), grid, crops)


@dataclass(frozen=True)
class WorkspaceSource:
    """Masks of a workspace.

    Attributes
    ----------
    masks : mapping
        Structure to revision.
    absent : frozenset of str
        Structures of which a person said that they are not there.
    """

    layout: Layout
    case: Case
    masks: Mapping[str, Mask]
    absent: frozenset[str] = frozenset()

    @property
    def ids(self) -> Mapping[str, str]:
        """The id of each mask."""
        return {name: mask.id for name, mask in self.masks.items()}

    @property
    def lineage(self) -> Mapping[str, frozenset[str]]:
        """Each mask's id and those of its parents."""
        return {
            name: frozenset((mask.id, *mask.provenance.parents))
            for name, mask in self.masks.items()
        }

    @property
    def covered(self) -> frozenset[str]:
        """The structures with a mask, empty or not, and those that are absent."""
        return frozenset(self.masks) | self.absent

    def load(self) -> CaseMasks:
        """Read the masks; raises MaskFileError if a file is missing, damaged or another's."""
        crops: dict[str, Crop | None] = dict.fromkeys(self.absent)
        for name, mask in self.masks.items():
            path = self.layout.mask(mask.case_id, mask.structure, mask.id)
            stored, crop = read_mask(path)
            if stored.id != mask.id:
                raise BadInput(f"{path}: holds another mask than {mask.id[:12]}; run doctor")
            crops[name] = Crop(mask.box, crop) if mask.voxels else None
        return CaseMasks(f"case {self.case.id} of {self.layout.root}", self.case.grid, crops)


def file_source(files: CaseFiles, class_map: ClassMap, *, ignore_unknown: bool) -> Source:
    """Give the source that fits what was found on disk."""
    kind = LabelMapSource if files.is_label_map else MaskFolderSource
    return kind(files, class_map, ignore_unknown)


def _binary_crop(array: NDArray[np.generic], path: Path) -> Crop | None:
    found = binary_crop(array, path)
    return None if found is None else Crop(*found)


def _crop_of(labels: NDArray[np.integer], box: Box | None, value: int) -> Crop | None:
    return None if box is None else Crop(box, np.asfortranarray(labels[box] == value))
