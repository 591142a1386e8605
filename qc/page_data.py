"""What the gallery's page knows: cases, masks in force, findings, pictures.

Only what is named here gets onto the page. It names no person, and nothing of how a case came in:
two cases that look alike are told apart by nothing but their masks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.volume import Grid
from pipeline.workspace import CaseRecord, Finding, Presence, Workspace, now_utc
from pipeline.workspace.case_findings import case_findings
from pipeline.workspace.finding_file import SEVERITIES
from pipeline.workspace.seen_masks import seen_digest
from pipeline.workspace.status import workspace_status
from pipeline.workspace.structure_state import StructureState, case_structures
from pipeline.workspace.workspace_name import workspace_id
from qc.drawing import PictureFiles, source_of
from qc.legend import count_sources
from qc.picture_history import EarlierPicture, earlier_pictures

SEVERITY_WEIGHTS = {"low": 1, "medium": 3, "high": 10}
"""How much a finding adds to the suspicion of its case."""

_SHOWN_META = ("age", "gender", "sex", "institute", "site", "study_type", "pathology")
_MASK_ID_LENGTH = 12
_ABSENT = {Presence.ABSENT_FOV: "x", Presence.ABSENT_ANATOMY: "y"}

Record = Mapping[str, Any]


def page_data(workspace: Workspace, failures: Mapping[str, str]) -> dict[str, Any]:
    """Collect the page's data.

    Parameters
    ----------
    failures : mapping
        Case id to the reason why it could not be drawn.
    """
    class_map = workspace.class_map
    records = list(workspace.records(planted=True))
    found = _findings_by_case(workspace, [record.case.id for record in records])
    states = {case.id: case.state for case in workspace_status(workspace, planted=True).cases}
    writer = _CaseWriter(
        workspace,
        {name: place for place, name in enumerate(class_map.names)},
        failures,
        earlier_pictures(workspace.layout.gallery_dir),
    )
    return {
        "workspace": workspace.path.resolve().name,
        "workspace_id": workspace_id(workspace.layout),
        "class_map": class_map.name,
        "structures": list(class_map.names),
        "values": [structure.value for structure in class_map],
        "colours": ["#{:02x}{:02x}{:02x}".format(*structure.colour) for structure in class_map],
        "weights": [SEVERITY_WEIGHTS[severity] for severity in SEVERITIES],
        "written": now_utc(),
        "cases": [
            writer.case(record, found.get(record.case.id, []), states.get(record.case.id, ""))
            for record in records
        ],
    }


def _findings_by_case(workspace: Workspace, ids: Sequence[str]) -> dict[str, list[Finding]]:
    grouped: dict[str, list[Finding]] = {}
    for each in case_findings(workspace.layout, ids).found:
        grouped.setdefault(each.case_id, []).append(each.finding)
    return grouped


@dataclass(frozen=True, slots=True)
class _CaseWriter:
    """Says what the page knows of a case; structures are named by their place in the class map."""

    workspace: Workspace
    places: Mapping[str, int]
    failures: Mapping[str, str]
    earlier: Mapping[str, Sequence[EarlierPicture]]

    def case(self, record: CaseRecord, found: Sequence[Finding], state: str) -> dict[str, Any]:
        case = record.case
        files = PictureFiles(self.workspace.layout.gallery_dir, case.id)
        drawn = files.read_record() or {}
        states = case_structures(tuple(self.places), record.masks, record.verdicts)
        in_force = [each.mask for each in states if each.mask is not None]
        is_fresh = self._is_fresh(states, drawn)
        return {
            "id": case.id,
            "phase": case.phase or "",
            "meta": [
                f"{key.replace('_', ' ')} {case.meta[key]}"
                for key in _SHOWN_META
                if case.meta.get(key)
            ],
            "site": str(case.meta.get("site") or case.meta.get("institute") or ""),
            "scanner": scanner_of(case.meta),
            "grid": str(case.grid).partition(", origin")[0],
            "state": state,
            "sources": count_sources([source_of(mask) for mask in in_force]),
            "accepted": len(record.accepted()),
            "excluded": record.excluded,
            "failure": self.failures.get(case.id, ""),
            "picture": self._picture(drawn, files) if drawn else None,
            "sheet": _version_of(self.workspace.layout.contact_sheet(case.id)),
            "seen": seen_digest(record.masks, record.verdicts) if is_fresh else "",
            "masks": self._masks(states, drawn, case.grid),
            "findings": [self._finding(each, drawn) for each in found],
        }

    def _is_fresh(self, states: Sequence[StructureState], drawn: Record) -> bool:
        """Say whether the picture shows the masks in force; very old records do not say."""
        shown = _drawn_structures(drawn)
        if "structures" not in drawn:
            return bool(drawn)
        here = {each.structure: each.mask.id for each in states if each.mask}
        return here == {name: said.get("mask") for name, said in shown.items()}

    def _picture(self, drawn: Record, files: PictureFiles) -> dict[str, Any]:
        return {
            "version": drawn["digest"][:12],
            "size": [drawn["width"], drawn["height"]],
            "present": [self.places[name] for name in drawn["present"] if name in self.places],
            "cut": [self.places[name] for name in drawn["cut"] if name in self.places],
            "unknown": drawn["unknown_values"],
            "pick": (files.gallery / "pickmaps" / f"{files.case_id}.js").is_file(),
            "panels": [
                [str(panel["slug"]), *box]
                for panel in drawn.get("panels", ())
                if (box := _box(panel.get("box_px")))
            ],
            "earlier": [asdict(each) for each in self.earlier.get(files.case_id, ())],
        }

    def _masks(self, states: Sequence[StructureState], drawn: Record, grid: Grid) -> dict[str, Any]:
        """Give what is known of each structure, in columns: a thousand cases have many."""
        shown = _drawn_structures(drawn)
        voxel_ml = grid.voxel_ml
        known = [each for each in states if each.mask is not None or each.presence in _ABSENT]
        columns: dict[str, Any] = {"places": [], "volumes": [], "boxes": [], "ids": []}
        for each in known:
            said = shown.get(each.structure, {})
            counted = each.mask.voxels * voxel_ml if each.mask else None
            mask_id = said.get("mask") or (each.mask.id if each.mask else None)
            columns["places"].append(self.places[each.structure])
            columns["volumes"].append(_rounded(said.get("volume_ml", counted)))
            columns["boxes"].append(_box(said.get("box_px")))
            columns["ids"].append(str(mask_id)[:_MASK_ID_LENGTH] if mask_id else None)
        return columns | {"states": "".join(_state_letter(each) for each in known)}

    def _finding(self, finding: Finding, drawn: Record) -> dict[str, Any]:
        return {
            "kind": finding.kind,
            "words": finding.words,
            "severity": SEVERITIES.index(finding.severity),
            "structures": [self.places[n] for n in finding.structures if n in self.places],
            "number": _number_of(finding, drawn),
        }


def scanner_of(meta: Mapping[str, str]) -> str:
    """Name the scanner, as far as known: maker and model."""
    words = [meta.get(key) or "" for key in ("manufacturer", "scanner_model", "scanner")]
    return " ".join(" ".join(words).split())


def _version_of(file: Path) -> str:
    """Name the version of a file that a browser may have kept; empty if there is none."""
    try:
        return f"{file.stat().st_mtime_ns:x}"
    except FileNotFoundError:
        return ""


def _drawn_structures(drawn: Record) -> Mapping[str, Record]:
    said = drawn.get("structures", {})
    return said if isinstance(said, Mapping) else {}


def _state_letter(state: StructureState) -> str:
    if state.presence in _ABSENT:
        return _ABSENT[state.presence]
    if state.accepted:
        return "a"
    if state.sent_back:
        return "f"
    return "e" if state.empty else "p"


def _number_of(finding: Finding, drawn: Record) -> int:
    """Give the number that a finding bears in the picture, 0 if it is not drawn there."""
    said = finding.to_dict()
    numbered = enumerate(drawn.get("findings", ()), 1)
    return next((number for number, each in numbered if each == said), 0)


def _box(box: object) -> list[int] | None:
    """Give a box of a record, None where there is none."""
    return [int(side) for side in box] if isinstance(box, list) and len(box) == 4 else None


def _rounded(volume_ml: float | None) -> float | None:
    if volume_ml is None or not math.isfinite(volume_ml):
        return None
    return float(f"{volume_ml:.4g}")
