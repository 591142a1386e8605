"""Stage transfer-heart: hearts from contrast scans onto native ones, then a model of both.

For every pair of one exam: register, carry the heart's masks in force onto the native scan, keep
the figures. Then train one nnU-Net on both kinds of scans and predict the dataset (paper,
section 2.2.2).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.engine import Engine
from pipeline.errors import BadInput, NothingToDo
from pipeline.stage import Outcome, Stage
from pipeline.transfer.heart_model import train_and_predict
from pipeline.transfer.pair_task import PairResult, PairTask, carry_pair
from pipeline.transfer.pairs import (
    MAKERS_OF_ITS_OWN,
    ScanPair,
    pairs_by_exam,
    pairs_from_table,
)
from pipeline.transfer.settings import TransferHeartSettings
from pipeline.volume import write_file_atomically
from pipeline.workspace import (
    CaseRecord,
    Finding,
    Mask,
    Provenance,
    Workspace,
    digest_of,
    settings_digest,
    write_findings,
)
from pipeline.workspace.in_force import paint_order
from training.case_prediction import undecided

MAKER = "transfer:heart"
_FORMAT = 1


def run(workspace: Workspace, settings: TransferHeartSettings, engine: Engine) -> Iterator[Outcome]:
    """Carry the heart's masks of every pair, then train and predict.

    Raises
    ------
    BadInput
        If a structure is unknown or the table of pairs is not good.
    NothingToDo
        If there is no pair.
    """
    done: list[tuple[str, str]] = []
    waiting: list[PairTask] = []
    for pair in _pairs(workspace, settings):
        task = make_task(workspace, pair, settings)
        outcome = _known_before(workspace, task)
        if outcome is None:
            waiting.append(task)
            continue
        if outcome.status == "kept":
            done.append((pair.contrast, pair.native))
        yield outcome
    for result in engine.map(carry_pair, waiting):
        task = result.item
        if result.value is None:
            outcome = _refuse(workspace, task, result.error or "unknown error")
        else:
            outcome = _store(workspace, task, result.value)
        if outcome.status == "done":
            done.append((task.pair.contrast, task.pair.native))
        yield outcome
    if settings.train:
        yield from train_and_predict(workspace, settings, sorted(done), engine)


def _known_before(workspace: Workspace, task: PairTask) -> Outcome | None:
    """Give the outcome of a pair that needs no work."""
    if task.contrast.patient_id != task.native.patient_id and _both_known(task):
        return _refuse(workspace, task, "the two cases are of two patients; mend the table")
    report = read_report(workspace, task)
    if report is None:
        return None
    if report["refusal"]:
        return _failed(task, str(report["refusal"]), report["figures"])
    note = f"{task.contrast.id} was carried before"
    return Outcome(task.native.id, "kept", note, report["figures"])


def make_task(workspace: Workspace, pair: ScanPair, settings: TransferHeartSettings) -> PairTask:
    """Put together what a worker needs for one pair, and the digest of what it starts from."""
    contrast, native = workspace.record(pair.contrast), workspace.record(pair.native)
    masks = _lent(contrast, settings.names)
    carrying = asdict(settings.carrying())
    sources = {
        "contrast_ct": contrast.case.ct_digest,
        "native_ct": native.case.ct_digest,
        "contrast_case": contrast.case.id,
    }
    parents = tuple(sorted(mask.id for mask in masks))
    provenance = Provenance(
        origin="transfer",
        maker=MAKER,
        parents=parents,
        settings_digest=settings_digest(carrying),
        software={name: version(name) for name in ("masksmith", "SimpleITK")},
        sources=sources,
    )
    wanted = undecided(native, settings.names)
    key = digest_of(
        {
            "format": _FORMAT,
            "sources": sources,
            "parents": parents,
            "settings": carrying,
            "native_case": native.case.id,
        }
    )
    return PairTask(
        workspace.layout,
        pair,
        contrast.case,
        native.case,
        masks,
        wanted,
        settings.carrying(),
        provenance,
        key,
    )


def report_path(workspace: Workspace, pair: ScanPair) -> Path:
    """Say where the figures of a pair are kept."""
    folder = workspace.layout.models_dir / "heart_transfer" / "pairs"
    return folder / f"{pair.native}--{pair.contrast}.json"


def read_report(workspace: Workspace, task: PairTask) -> dict[str, Any] | None:
    """Give the report of an earlier run if it began from the same and its masks are there."""
    try:
        report = json.loads(report_path(workspace, task.pair).read_text(encoding="utf-8"))
        known = {mask.id for mask in workspace.masks(task.native.id)}
        same = report["key"] == task.key and set(report["masks"]) <= known
        # A structure that a person opened again since then is carried again.
        covered = set(task.wanted) <= set(report["wanted"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(report) if same and covered else None


def _pairs(workspace: Workspace, settings: TransferHeartSettings) -> list[ScanPair]:
    unknown = [name for name in settings.names if name not in workspace.class_map.names]
    if unknown:
        raise BadInput(
            f"{workspace.layout.class_map_file}: has no {', '.join(unknown)}; "
            "name structures of the class map in the setting 'structures'"
        )
    if settings.pairs is not None:
        return pairs_from_table(settings.pairs, [case.id for case in workspace.cases()])
    found = pairs_by_exam(workspace.records(), settings.names)
    if not found:
        raise NothingToDo(
            "no exam has both a contrast case with heart masks and a native case; give the phase "
            "at intake, make first masks with 'masksmith bootstrap', or name pairs with --pairs"
        )
    return found


def _lent(record: CaseRecord, names: tuple[str, ...]) -> tuple[Mask, ...]:
    accepted = {mask.id for mask in record.accepted().values()}
    chosen = {
        name: mask
        for name, mask in record.in_force().items()
        if name in names
        and mask.voxels
        and (mask.id in accepted or not mask.provenance.maker.startswith(MAKERS_OF_ITS_OWN))
    }
    return tuple(paint_order(chosen, accepted))


def _both_known(task: PairTask) -> bool:
    return task.contrast.patient_id is not None and task.native.patient_id is not None


def _store(workspace: Workspace, task: PairTask, result: PairResult) -> Outcome:
    workspace.record_masks(result.masks)
    write_findings(workspace.layout, task.native.id, MAKER, result.findings)
    figures = {"contrast": task.contrast.id, "why": task.pair.why, **result.figures}
    report = {
        "key": task.key,
        "contrast": task.contrast.id,
        "native": task.native.id,
        "refusal": result.refusal,
        "wanted": list(task.wanted),
        "masks": [mask.id for mask in result.masks],
        "figures": figures,
    }
    path = report_path(workspace, task.pair)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file_atomically(path, (json.dumps(report, indent=1) + "\n").encode())
    if result.refusal:
        return _failed(task, result.refusal, figures)
    cut = f", {len(result.findings)} cut off" if result.findings else ""
    steps = " and ".join(figures["stages_kept"]) or "world coordinates alone"
    note = (
        f"{len(result.masks)} structures from {task.contrast.id} by {steps}{cut} ({task.pair.why})"
    )
    return Outcome(task.native.id, "done", note, figures)


def _refuse(workspace: Workspace, task: PairTask, reason: str) -> Outcome:
    finding = Finding(
        "pair_refused", f"the heart of {task.contrast.id} was not carried onto this scan: {reason}"
    )
    write_findings(workspace.layout, task.native.id, MAKER, [finding])
    return _failed(task, reason, {"contrast": task.contrast.id, "why": task.pair.why})


def _failed(task: PairTask, reason: str, figures: Mapping[str, Any]) -> Outcome:
    note = (
        f"pair refused, {task.contrast.id} was not carried: {reason}; check that both are of one "
        "exam, or name other pairs with --pairs"
    )
    return Outcome(task.native.id, "failed", note, figures)


STAGE = Stage(
    name="transfer-heart",
    summary="Carry hearts from contrast to native scans, train on both, predict all.",
    Settings=TransferHeartSettings,
    run=run,
    after=("bootstrap",),
)
