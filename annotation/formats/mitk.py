"""MITK's multi-label segmentations in NRRD: groups of labels, which may overlap between groups.

Two generations are read (MITK, Modules/Multilabel/autoload/IO):

- new, ``modality:=org.mitk.multilabel.segmentation``: labels as JSON under
  ``org.mitk.multilabel.segmentation.labelgroups``, one list per group, values unique;
- old, ``modality:=org.mitk.image.multilabel``: ``layers``, ``layer_000`` and one XML
  ``label_000_00000`` per label, values counted anew in each layer.

One group is a 3-D file, several are a list axis.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotation.formats.codes import side_of, snomed_code, what_it_is
from annotation.formats.drawing import Drawing, DrawnFile, ReadLimits, VoxelShape
from annotation.formats.label_map import EMPTY_BOX, crop_of, label_map
from annotation.formats.nrrd_geometry import nrrd_grid
from annotation.formats.nrrd_header import NrrdHeader, read_nrrd_header, recognise_nrrd
from annotation.formats.nrrd_samples import layers_of, read_nrrd_samples
from annotation.formats.refusal import plain_name, refused, require_drawings, require_size
from pipeline.volume import Grid

_NEW = "org.mitk.multilabel.segmentation"
_OLD = "org.mitk.image.multilabel"
_GROUPS = f"{_NEW}.labelgroups"
_NEWEST_VERSION = 1  # of the single file; stacks of files count on their own
_SNIFFED_BYTES = 2**20

# Where a label's codes stand: in today's keys, and in those named after the tags of DICOM SEG.
_TYPE = ("segmented_property_type", "DICOM.0062.0002.0062.000F")
_REGION = ("anatomic_region.[0]", "DICOM.0062.0002.0008.2218")
_SIDE = ("segmented_property_type.modifier.[0]", "DICOM.0062.0002.0062.000F.0062.0011")


@dataclass(frozen=True, slots=True)
class _Label:
    layer: int
    value: int
    name: str
    snomed: str
    side: str


@dataclass(frozen=True, slots=True)
class MitkReader:
    """Reads multi-label segmentations of MITK."""

    name: str = "mitk"

    def recognises(self, path: Path) -> bool:
        """Tell by NRRD's magic and MITK's ``modality`` in the header."""
        if not recognise_nrrd(path):
            return False
        with path.open("rb") as file:
            start = file.read(_SNIFFED_BYTES)
        return any(f"modality:={kind}".encode() in start for kind in (_NEW, _OLD))

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read all labels; see :class:`annotation.formats.drawing.Reader`."""
        header = read_nrrd_header(path)
        is_new = header.texts.get("modality") == _NEW
        labels = list(_new_labels(header) if is_new else _old_labels(header))
        require_drawings(path, len(labels), limits)
        grid = nrrd_grid(header, limits)
        layers = 1 if header.list_axis is None else header.sizes[header.list_axis]
        named = _by_place(path, labels, layers)
        drawings, notes = _drawings(header, named, grid, limits)
        return DrawnFile(path, self.name, drawings, software={"MITK": ""}, notes=notes)


def _new_labels(header: NrrdHeader) -> Iterator[_Label]:
    version = header.texts.get(f"{_NEW}.version", "1")
    if not version.isdigit() or int(version) > _NEWEST_VERSION:
        raise refused(
            header.path,
            f"version '{plain_name(version, 20)}' of MITK's format",
            f"version {_NEWEST_VERSION}",
            "save it as NIfTI with one file per label",
        )
    try:
        groups = json.loads(header.texts.get(_GROUPS, "null"))
        for layer, group in enumerate(groups or []):
            labels = group.get("labels") or [] if isinstance(group, dict) else group
            for label in labels or []:
                yield _label(header.path, layer, dict(label))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise refused(
            header.path,
            "groups of labels that are not as MITK writes them",
            f"a JSON list under {_GROUPS}",
            "save the segmentation again in MITK",
        ) from None


def _old_labels(header: NrrdHeader) -> Iterator[_Label]:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    for key in sorted(header.texts):
        parts = key.split("_")
        if len(parts) != 3 or parts[0] != "label" or not (parts[1] + parts[2]).isdigit():
            continue
        try:
            root = fromstring(header.texts[key])
        except (ParseError, DefusedXmlException, ValueError, LookupError):
            raise refused(
                header.path,
                f"{key} that is no plain XML",
                "one element <Label>",
                "save the segmentation again in MITK",
            ) from None
        properties = {
            str(item.get("key")): next((child.get("value") for child in item), None)
            for item in root.iter("property")
        }
        yield _label(header.path, int(parts[1]), properties)


def _label(path: Path, layer: int, properties: Mapping[str, Any]) -> _Label:
    value = _plain(properties.get("value"))
    if not str(value).isdigit() or len(str(value)) > 9:
        raise refused(
            path,
            f"a label of value '{plain_name(value, 20)}'",
            "a whole number",
            "save the segmentation again in MITK",
        )
    kind, region, side = (_code(properties, keys) for keys in (_TYPE, _REGION, _SIDE))
    name = plain_name(_plain(properties.get("name")))
    return _Label(layer, int(str(value)), name, what_it_is(kind, region), side_of(side))


def _plain(value: Any) -> Any:
    """Unwrap a property that is written with its type."""
    return value.get("value") if isinstance(value, dict) else value


def _code(properties: Mapping[str, Any], bases: Iterable[str]) -> str:
    for base in bases:
        endings = ("0008.0102", "0008.0100") if base.startswith("DICOM") else ("scheme", "value")
        scheme, value = (_plain(properties.get(f"{base}.{ending}")) for ending in endings)
        code = snomed_code(scheme, value)
        if code:
            return code
    return ""


def _by_place(path: Path, labels: Iterable[_Label], layers: int) -> dict[tuple[int, int], _Label]:
    named: dict[tuple[int, int], _Label] = {}
    for label in labels:
        if label.value == 0:  # older files describe the exterior as a label
            continue
        if label.layer >= layers:
            raise refused(
                path,
                f"'{label.name}' in group {label.layer} of {layers}",
                "as many groups of labels as there are layers of voxels",
                "save the segmentation again in MITK",
            )
        other = named.setdefault((label.layer, label.value), label)
        if other is not label:
            raise refused(
                path,
                f"'{other.name}' and '{label.name}' both as value {label.value} of group "
                f"{label.layer}",
                "a value of its own for each",
                "save the segmentation again in MITK",
            )
    return named


def _drawings(
    header: NrrdHeader, named: dict[tuple[int, int], _Label], grid: Grid, limits: ReadLimits
) -> tuple[tuple[Drawing, ...], tuple[str, ...]]:
    drawings: list[Drawing] = []
    notes: list[str] = []
    taken = 0
    samples = read_nrrd_samples(header, limits)
    for at, layer in enumerate(layers_of(header, samples)):
        found = label_map(header.path, layer, grid, limits)
        notes.extend(found.notes)
        for number, box in found.boxes.items():
            crop = crop_of(found.labels, box, number)
            taken += crop.size
            require_size(header.path, taken, 1, limits)
            label = named.pop((at, found.values[number]), None)
            if label is None:
                label = _Label(at, found.values[number], "", "", "")
                notes.append(f"value {label.value} in group {at} has no label; kept without a name")
            shape = VoxelShape(grid, box, crop)
            drawings.append(Drawing(label.name, shape, label.value, label.snomed, label.side))
        require_drawings(header.path, len(drawings), limits)
    empty = VoxelShape(grid, EMPTY_BOX, np.zeros((1, 1, 1), np.bool_, order="F"))
    for label in named.values():
        drawings.append(Drawing(label.name, empty, label.value, label.snomed, label.side))
    return tuple(drawings), tuple(dict.fromkeys(notes))
