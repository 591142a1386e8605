"""RTSTRUCT: the contours of a treatment-planning system (DICOM PS3.3, A.19)."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.formats.codes import code_of, first_code, side_of, what_it_is
from annotation.formats.dicom_file import (
    items_of,
    read_dicom,
    readable,
    software_of,
    sop_class_of,
    uid_of,
)
from annotation.formats.drawing import (
    Contour,
    ContourShape,
    Drawing,
    DrawnFile,
    ReadLimits,
    References,
)
from annotation.formats.geometry import FARTHEST_MM
from annotation.formats.refusal import (
    iso_time,
    plain_name,
    plain_person,
    refused,
    require_drawings,
)

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
"""RT Structure Set Storage."""

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_CONTOUR_DATA = 0x30060050
_ORDINARY_TYPES = ("ORGAN", "")


@dataclass(frozen=True, slots=True)
class RtstructReader:
    """Reads the ROIs of a DICOM structure set."""

    name: str = "rtstruct"

    def recognises(self, path: Path) -> bool:
        """Tell by the SOP class in the file's meta information."""
        return sop_class_of(path) == SOP_CLASS

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read all ROIs; see :class:`annotation.formats.drawing.Reader`."""
        dataset = read_dicom(path, limits)
        with readable(path):
            if uid_of(dataset, "SOPClassUID") != SOP_CLASS:
                raise refused(path, "another kind of DICOM object", "a structure set", "check it")
            return _Structures(path, dataset, limits).read(self.name)


@dataclass(frozen=True, slots=True)
class _Structures:
    path: Path
    dataset: Any
    limits: ReadLimits

    def read(self, form: str) -> DrawnFile:
        rois = items_of(self.dataset, "StructureSetROISequence")
        require_drawings(self.path, len(rois), self.limits)
        numbers = [int(roi.get("ROINumber")) for roi in rois]
        doubled = [number for number, count in Counter(numbers).items() if count > 1]
        if doubled:
            raise refused(
                self.path,
                f"{len(doubled)} ROI numbers given twice",
                "a number of its own for each ROI",
                "export the structure set again",
            )
        drawn = self._by_roi("ROIContourSequence")
        observed = self._by_roi("RTROIObservationsSequence")
        notes = [*self._strays(drawn, numbers)]
        drawings, left = [], self.limits.max_points
        for roi, number in zip(rois, numbers, strict=True):
            contours, said = self._contours(drawn.get(number, []), left)
            left -= sum(len(contour.points_mm) for contour in contours)
            drawing = self._drawing(roi, number, contours, observed.get(number, []))
            notes += [f"'{drawing.name}': {note}" for note in said]
            drawings.append(drawing)
        notes += self._types(drawings, observed)
        references = self._references(rois, drawings)
        software = software_of(self.dataset)
        return DrawnFile(self.path, form, tuple(drawings), references, software, tuple(notes))

    def _by_roi(self, sequence: str) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = {}
        for item in items_of(self.dataset, sequence):
            found.setdefault(int(item.get("ReferencedROINumber")), []).append(item)
        return found

    def _strays(self, drawn: dict[int, list[Any]], numbers: list[int]) -> list[str]:
        strays = sorted(set(drawn) - set(numbers))
        return [f"contours of {len(strays)} ROIs that are not in its list left out"] * bool(strays)

    def _drawing(
        self, roi: Any, number: int, contours: tuple[Contour, ...], observed: list[Any]
    ) -> Drawing:
        observation = observed[0] if observed else {}
        coded = items_of(observation, "RTROIIdentificationCodeSequence")[:1]
        snomed = code_of(coded[0]) if coded else ""
        side = first_code(coded[0], "SegmentedPropertyTypeModifierCodeSequence") if coded else ""
        label = plain_name(observation.get("ROIObservationLabel"))
        date, time = (self.dataset.get(f"StructureSet{what}") for what in ("Date", "Time"))
        return Drawing(
            name=plain_name(roi.get("ROIName")) or label,
            shape=ContourShape(contours),
            value=number,
            snomed=what_it_is(snomed, ""),
            side=side_of(side),
            drawn_by=plain_person(observation.get("ROIInterpreter")),
            drawn_at=iso_time(date, time),
        )

    def _contours(
        self, items: list[Any], most_points: int
    ) -> tuple[tuple[Contour, ...], list[str]]:
        contours: list[Contour] = []
        skipped: Counter[str] = Counter()
        points = 0
        for item in (one for roi in items for one in items_of(roi, "ContourSequence")):
            kind = str(item.get("ContourGeometricType") or "CLOSED_PLANAR").upper()
            if kind not in _CLOSED:
                skipped[f"of type {plain_name(kind, 30)}"] += 1
                continue
            places = self._points(item)
            points += len(places)
            if points > most_points:
                raise refused(
                    self.path,
                    f"more than {self.limits.max_points:,} contour points",
                    f"at most {self.limits.max_points:,}",
                    "export fewer ROIs into one file",
                )
            if len(places) < 3:
                skipped["of fewer than 3 points"] += 1
                continue
            images = items_of(item, "ContourImageSequence")
            uid = uid_of(images[0], "ReferencedSOPInstanceUID") if images else ""
            contours.append(Contour(places, uid))
        notes = [f"{count} contours {why} left out" for why, count in sorted(skipped.items())]
        return tuple(contours), notes

    def _points(self, item: Any) -> NDArray[np.float64]:
        """Give a contour's points in RAS+ mm; read from the raw text, which is far quicker."""
        raw = item.get_item(_CONTOUR_DATA)
        if raw is None or raw.value is None:
            return np.empty((0, 3))
        value = raw.value
        if isinstance(value, bytes):
            text = value.strip(b" \0\\").split(b"\\") if value.strip(b" \0\\") else []
            numbers = np.array(text, dtype="S").astype(np.float64) if text else np.empty(0)
        else:
            numbers = np.array([value] if isinstance(value, float) else list(value), np.float64)
        if numbers.size % 3 or not np.isfinite(numbers).all():
            raise refused(
                self.path,
                f"a contour of {numbers.size} numbers, not all of them finite triples",
                "x, y, z of each point",
                "export the structure set again",
            )
        if numbers.size and np.abs(numbers).max() > FARTHEST_MM:
            raise refused(
                self.path,
                "a contour point more than 100 m away",
                "millimetres in the patient",
                "export the structure set again",
            )
        points = numbers.reshape(-1, 3)
        points[:, :2] *= -1
        return points

    def _types(self, drawings: list[Drawing], observed: dict[int, list[Any]]) -> list[str]:
        """Say which ROIs are no organs: targets, body outlines, helpers of the planner."""
        notes = []
        for drawing in drawings:
            items = observed.get(drawing.value or 0, [])
            kind = plain_name(items[0].get("RTROIInterpretedType"), 20) if items else ""
            if kind.upper() not in _ORDINARY_TYPES:
                notes.append(f"'{drawing.name}' is of type {kind}")
        return notes

    def _references(self, rois: list[Any], drawings: list[Drawing]) -> References:
        of_drawn = [
            uid_of(roi, "ReferencedFrameOfReferenceUID")
            for roi, drawing in zip(rois, drawings, strict=True)
            if isinstance(drawing.shape, ContourShape) and drawing.shape.contours
        ]
        frames = [uid for uid in dict.fromkeys(of_drawn) if uid]
        if len(frames) > 1:
            raise refused(
                self.path,
                f"ROIs in {len(frames)} frames of reference",
                "one frame of reference, that of the CT",
                "export the ROIs of each image on their own",
            )
        series: list[str] = []
        for frame in items_of(self.dataset, "ReferencedFrameOfReferenceSequence"):
            frames.append(uid_of(frame, "FrameOfReferenceUID"))
            for study in items_of(frame, "RTReferencedStudySequence"):
                for one in items_of(study, "RTReferencedSeriesSequence"):
                    series.append(uid_of(one, "SeriesInstanceUID"))
        return References(
            tuple(uid for uid in dict.fromkeys(series) if uid),
            uid_of(self.dataset, "StudyInstanceUID"),
            next((uid for uid in frames if uid), uid_of(self.dataset, "FrameOfReferenceUID")),
        )
