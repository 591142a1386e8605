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
from pipeline.transfer.heart_manifest import CARRIER, lendable
from pipeline.transfer.heart_model import train_and_predict
from pipeline.transfer.pair_task import PairResult, PairTask, carry_pair
from pipeline.transfer.pairs import ScanPair, pairs_by_exam, pairs_from_table
from pipeline.transfer.settings import TransferHeartSettings
from pipeline.volume import write_file_atomically
from pipeline.workspace import (
    Case,
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
    for case in (task.contrast, task.native):
        if workspace.record(case.id).excluded:
            return _refuse(workspace, task, f"a person excluded case {case.id}; mend the table")
    if _are_of_two_patients(task):
        return _refuse(workspace, task, "the two cases are of two patients; mend the table")
    report = read_report(workspace, task)
    if report is None:
        return None
    if report["refusal"]:
        return _failed(workspace, task, _with_hint(report["refusal"]), report["figures"])
    note = f"{task.contrast.id} was carried before"
    return Outcome(task.native.id, "kept", note, report["figures"])


def make_task(workspace: Workspace, pair: ScanPair, settings: TransferHeartSettings) -> PairTask:
    """Put together what a worker needs for one pair, and the digest of what it starts from."""
    contrast, native = workspace.record(pair.contrast), workspace.record(pair.native)
    masks = _lent(contrast, settings.names)
    provenance = _provenance(contrast.case, native, masks, settings)
    key = digest_of(
        {
            "format": _FORMAT,
            "native_case": native.case.id,
            "sources": dict(provenance.sources),
            "parents": list(provenance.parents),
            "settings": provenance.settings_digest,
        }
    )
    return PairTask(
        workspace.layout,
        pair,
        contrast.case,
        native.case,
        masks,
        undecided(native, settings.names),
        settings.carrying(),
        provenance,
        key,
    )


def _provenance(
    contrast: Case, native: CaseRecord, masks: tuple[Mask, ...], settings: TransferHeartSettings
) -> Provenance:
    """Say what the carried masks are made from.

    Among carried masks the newest is in force. So that masks can be carried a second time from
    what they were first carried from, with something else in between, they name what they
    replace and are other masks than the first.
    """
    made = Provenance(
        origin="transfer",
        maker=CARRIER,
        parents=tuple(sorted(mask.id for mask in masks)),
        settings_digest=settings_digest(asdict(settings.carrying())),
        software={name: version(name) for name in ("masksmith", "SimpleITK")},
        sources={
            "contrast_ct": contrast.ct_digest,
            "native_ct": native.case.ct_digest,
            "contrast_case": contrast.id,
        },
    )
    newest = sorted(newest_carried(native).values(), key=_age)
    if newest and _start_of(newest[-1].provenance) == _start_of(made):
        replaced = newest[-1].provenance.sources.get("replaces", "")
    else:
        replaced = digest_of({"masks": sorted(mask.id for mask in newest)}) if newest else ""
    return made.with_sources(replaces=replaced) if replaced else made


def _start_of(made: Provenance) -> tuple[object, ...]:
    """Give what carried masks start from, apart from what they replace."""
    sources = {name: value for name, value in made.sources.items() if name != "replaces"}
    return made.parents, made.settings_digest, sources


def newest_carried(record: CaseRecord) -> dict[str, Mask]:
    """Give the newest mask that was carried onto a case, by structure."""
    carried = [mask for mask in record.masks if mask.provenance.maker == CARRIER]
    return {mask.structure: mask for mask in sorted(carried, key=_age)}


def _age(mask: Mask) -> tuple[str, str]:
    return mask.provenance.created, mask.id


def report_path(workspace: Workspace, pair: ScanPair) -> Path:
    """Say where the figures of a pair are kept."""
    folder = workspace.layout.models_dir / "heart_transfer" / "pairs"
    return folder / f"{pair.native}--{pair.contrast}.json"


def read_report(workspace: Workspace, task: PairTask) -> dict[str, Any] | None:
    """Give the report of an earlier run if it still holds.

    It began from the same, its masks are the newest carried ones, and no person has opened a
    structure again since then.
    """
    try:
        report = json.loads(report_path(workspace, task.pair).read_text(encoding="utf-8"))
        newest = {mask.id for mask in newest_carried(workspace.record(task.native.id)).values()}
        same = report["key"] == task.key and set(report["masks"]) <= newest
        covered = set(task.wanted) <= set(report["wanted"])
        readable = isinstance(report["refusal"], str) and isinstance(report["figures"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(report) if same and covered and readable else None


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
    return tuple(paint_order(lendable(record, names), accepted))


def _are_of_two_patients(task: PairTask) -> bool:
    """Tell whether both patients are known; intake gives a file that names none its own."""
    cases = (task.contrast, task.native)
    if any(case.patient_id is None or "patient_assumed" in case.meta for case in cases):
        return False
    return task.contrast.patient_id != task.native.patient_id


def _store(workspace: Workspace, task: PairTask, result: PairResult) -> Outcome:
    workspace.record_masks(result.masks)
    write_findings(workspace.layout, task.native.id, CARRIER, result.findings)
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
        return _failed(workspace, task, _with_hint(result.refusal), figures)
    cuts = sum(finding.kind == "heart_cut_off" for finding in result.findings)
    cut = f", {cuts} cut off" if cuts else ""
    cut += f", {len(result.findings) - cuts} doubtful" if len(result.findings) > cuts else ""
    steps = " and ".join(figures["stages_kept"]) or "world coordinates alone"
    note = (
        f"{len(result.masks)} structures from {task.contrast.id} by {steps}{cut} ({task.pair.why})"
    )
    return Outcome(task.native.id, "done", note, figures)


def _refuse(workspace: Workspace, task: PairTask, reason: str) -> Outcome:
    finding = Finding(
        "pair_refused", f"the heart of {task.contrast.id} was not carried onto this scan: {reason}"
    )
    write_findings(workspace.layout, task.native.id, CARRIER, [finding])
    figures = {"contrast": task.contrast.id, "why": task.pair.why}
    return _failed(workspace, task, reason, figures)


def _with_hint(refusal: str) -> str:
    return f"{refusal}; check that both are of one exam, or name other pairs with --pairs"


def _failed(
    workspace: Workspace, task: PairTask, reason: str, figures: Mapping[str, Any]
) -> Outcome:
    note = f"{task.contrast.id} was not carried: {reason}"
    if newest_carried(workspace.record(task.native.id)):
        note += "; masks that were carried before stay"
    return Outcome(task.native.id, "failed", note, figures)


STAGE = Stage(
    name="transfer-heart",
    summary="Carry hearts from contrast to native scans, train on both, predict all.",
    Settings=TransferHeartSettings,
    run=run,
    after=("bootstrap",),
)
