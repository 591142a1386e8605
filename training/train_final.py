"""STAGE train-final: the models that leave the house, trained once on all that was decided.

Split by patient, check everything, freeze, train without mirroring for the paper's 4000 or 8000
epochs (section 2.3), measure on the validation side, pack a model folder. Killed anywhere, the
same command goes on with the same manifest.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.engine import Engine
from pipeline.errors import BadInput, MasksmithError
from pipeline.stage import Outcome, Stage
from pipeline.workspace import Workspace
from training.case_prediction import ProgressLog
from training.final_cost import cost_checks, spoken
from training.final_manifest import (
    FinalManifest,
    FinalModel,
    final_models,
    freeze,
    manifest_of,
    split_of,
)
from training.final_metrics import measure_model
from training.final_preflight import COLUMNS, Check, data_checks
from training.final_probe import Probe, no_probe, run_probe
from training.final_result import write_result
from training.final_settings import FinalSettings
from training.final_split import Split
from training.model_training import train_model
from training.round_cases import training_cases
from training.training_record import epochs_begun, is_trained, weights_digest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ready:
    """A model with its data and what the preflight found."""

    model: FinalModel
    manifest: FinalManifest
    checks: tuple[Check, ...]

    @property
    def refusals(self) -> tuple[Check, ...]:
        """What keeps the training from beginning."""
        return tuple(check for check in self.checks if check.state == "refused")

    @property
    def figures(self) -> dict[str, Any]:
        """What the checks found, as JSON values."""
        return {
            check.name: {"state": check.state, "found": check.found, **check.figures}
            for check in self.checks
        }


def run(workspace: Workspace, settings: FinalSettings, engine: Engine) -> Iterator[Outcome]:
    """Train a final model, each of its parts from wherever it stands; or only say what it takes.

    Raises
    ------
    UsageError
        If model, profile or part is unknown, or the model was begun with other settings.
    BadInput
        If there is no usable split, or the preflight refuses every part.
    """
    models = final_models(workspace, settings)
    split = split_of(models[0])
    ready = [_preflight(model, split) for model in models]
    if settings.dry_run:
        yield from _dry(ready)
        return
    if all(each.refusals for each in ready):
        raise BadInput(f"{_why_not(ready[0])}; all checks: the same command with --dry-run")
    for each in ready:
        if each.refusals:
            yield Outcome(each.model.name, "failed", _why_not(each), each.figures)
            continue
        try:
            yield from _train(each, split, engine)
        except MasksmithError as error:
            yield Outcome(each.model.name, "failed", str(error))


STAGE = Stage(
    name="train-final",
    summary="Train the final nnU-Net models on all that was decided, and pack them.",
    Settings=FinalSettings,
    run=run,
    after=("retrain",),
    table=COLUMNS,
)


def _preflight(model: FinalModel, split: Split) -> Ready:
    manifest = manifest_of(model, split)
    checks = list(data_checks(model, split, manifest))
    if manifest.choice.structures:
        checks += cost_checks(model, manifest, _probe(model, manifest))
    return Ready(model, manifest, tuple(checks))


def _probe(model: FinalModel, manifest: FinalManifest) -> Probe:
    """Try the network out, unless its training has begun: then it is known to run."""
    profile, plan = model.profile(manifest), model.plan(manifest)
    if not model.settings.probe:
        return no_probe(profile, "no probe was wanted")
    if epochs_begun(plan) and not model.settings.dry_run:
        return no_probe(profile, "the training has begun")
    cases = [*manifest.training, *manifest.validation]
    grids = [model.workspace.case(case).grid for case in cases]
    log.info("%s: trying out the planned network", model.name)
    scratch = model.workspace.layout.scratch_dir / "train-final"
    return run_probe(scratch, grids, plan.class_map, profile)


def _dry(ready: Sequence[Ready]) -> Iterator[Outcome]:
    for each in ready:
        rows = [check.row(each.model.name) for check in each.checks]
        status, note = ("failed", _why_not(each)) if each.refusals else ("done", "can begin")
        yield Outcome(each.model.name, status, note, {"rows": rows, "preflight": each.figures})  # type: ignore[arg-type]
    if len(ready) > 1:
        found = [each.figures.get("time", {}).get("days") for each in ready]
        known = [float(days) for days in found if days is not None]
        words = f"about {spoken(sum(known))} one after the other" if known else "unknown length"
        unknown = len(ready) - len(known)
        more = f", and {unknown} of unknown length" if known and unknown else ""
        yield Outcome("all parts", "done", f"{len(ready)} models, {words}{more}")


def _train(ready: Ready, split: Split, engine: Engine) -> Iterator[Outcome]:
    model, manifest = ready.model, ready.manifest
    for check in ready.checks:
        if check.state != "ok":
            log.warning("%s: %s: %s. %s", model.name, check.name, check.found, check.advice)
    freeze(model, split, manifest)
    plan = model.plan(manifest)
    kept = is_trained(plan)
    cases = [
        replace(case, patient=manifest.split.patients[case.id])
        for case in training_cases(
            model.workspace, manifest.choice, plan.class_map, model.settings.skipped_slices
        )
    ]
    trained = train_model(plan, cases, ProgressLog(model.name), engine)
    measured = list(measure_model(model, manifest, trained))
    yield from measured
    card = write_result(model, manifest, trained)
    done = kept and all(outcome.status == "kept" for outcome in measured)
    yield Outcome(
        model.name,
        "kept" if done else "done",
        f"{len(card.structures)} structures from {len(manifest.training)} cases: {model.folder}",
        {
            "folder": model.folder.relative_to(model.workspace.path).as_posix(),
            "weights": weights_digest(plan),
            "manifest": manifest.digest,
            "metrics": {side: found["all"] for side, found in card.metrics.items()},
            "preflight": ready.figures,
        },
    )


def _why_not(ready: Ready) -> str:
    why = "; ".join(f"{check.name}: {check.found} ({check.advice})" for check in ready.refusals)
    return f"{ready.model.name} cannot begin: {why}"
