"""From a finished training to a model folder: zip, card for programs and people, bootstrap card."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.volume import write_file_atomically
from pipeline.workspace import now_utc
from training.case_prediction import software
from training.final_manifest import FinalManifest, FinalModel, is_there
from training.final_metrics import rows_of, summary_of, write_table
from training.final_probe import WORKER
from training.final_settings import epochs_of
from training.final_sources import origins, source_shares, training_masks
from training.model_card import ModelCard, bootstrap_card, markdown
from training.nnunet_model import EXPORTED, NnunetModel, export_zip
from training.nnunet_process import NnunetProcess, ProcessSettings, run_steps
from training.training_record import read_json, weights_digest, write_json

ARCHIVE, CARD_JSON, CARD_MD, METRICS = (
    "model.zip",
    "model_card.json",
    "model_card.md",
    "metrics.csv",
)


def write_result(model: FinalModel, manifest: FinalManifest, trained: NnunetModel) -> ModelCard:
    """Pack the model and write its cards; what has not changed stays byte for byte.

    The archive is written once: its digest is what people approve.

    Raises
    ------
    NnunetError
        If the checkpoint cannot be read.
    """
    card = _card(model, manifest, trained, _packed(model, manifest, trained))
    rows = rows_of(model, manifest)
    write_table(rows, model.folder / METRICS)
    write_json(model.folder / CARD_JSON, card.to_dict())
    _write(model.folder / CARD_MD, markdown(card))
    archive = (model.folder / ARCHIVE).resolve()
    said = bootstrap_card(card, str(archive), model.settings.recipe.priority)
    text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=100)
    _write(
        model.folder / f"{said['name']}.yaml",
        "# Copy this file into configs/bootstrap/models/; should the model move, say where\n"
        f"# model.zip is. Approve its weights once: masksmith models trust {said['name']}\n{text}",
    )
    return card


def is_written(model: FinalModel) -> bool:
    """Tell whether the model folder is complete."""
    return (model.folder / CARD_JSON).is_file() and (model.folder / ARCHIVE).is_file()


def _packed(model: FinalModel, manifest: FinalManifest, trained: NnunetModel) -> Mapping[str, Any]:
    """Write the archive once, from a slim copy of the model, and say what is in it."""
    archive, record = model.folder / ARCHIVE, model.folder / "packed.json"
    if record.is_file() and archive.is_file():
        return read_json(record)
    plan, scratch = model.plan(manifest), model.folder / ".packed"
    shutil.rmtree(scratch, ignore_errors=True)
    packed = NnunetModel(scratch / plan.dataset_name / trained.folder.name)
    target = packed.folder / "fold_0" / packed.checkpoint
    target.parent.mkdir(parents=True)
    for name in EXPORTED:
        if (trained.folder / name).is_file():
            shutil.copyfile(trained.folder / name, packed.folder / name)
    source = trained.folder / "fold_0" / trained.checkpoint
    job = {"steps": ["pack"], "checkpoint": str(source), "packed": str(target)}
    settings = ProcessSettings(plan.log, "cpu", plan.profile.threads)
    process = NnunetProcess(job, plan.nnunet, settings, model.folder / "nnunet_job.json", WORKER)
    told: dict[str, Any] = {}
    run_steps(process, lambda event: told.update(event) if event["event"] == "packed" else None)
    export_zip(packed, archive)
    told = {"seconds": told["seconds"], "weights": told["digest"], "model_digest": packed.digest}
    write_json(record, told)
    shutil.rmtree(scratch, ignore_errors=True)
    return told


def _card(
    model: FinalModel, manifest: FinalManifest, trained: NnunetModel, told: Mapping[str, Any]
) -> ModelCard:
    plan, settings = model.plan(manifest), model.settings
    masks = training_masks(model.workspace, manifest)
    return ModelCard(
        name=model.name,
        part=model.part,
        profile=settings.profile,
        class_map={
            "name": model.workspace.class_map.name,
            "digest": model.workspace.class_map.digest,
        },
        structures={
            each.name: {
                "value": each.value,
                "training_cases": sum(
                    is_there(manifest.choice.cases[case].get(each.name))
                    for case in manifest.training
                ),
            }
            for each in plan.class_map
        },
        network=_network(model, manifest, trained),
        training={"epochs": epochs_of(plan.profile), "seconds": told.get("seconds")},
        data=_data(manifest),
        origins=origins(masks),
        sources=[share.to_dict() for share in source_shares(model.workspace, masks)],
        metrics=summary_of(rows_of(model, manifest), manifest.choice.structures),
        licence=settings.licence,
        citation=settings.citation,
        software=software(),
        weights_digest=weights_digest(plan),
        model_digest=str(told["model_digest"]),
        created=_made(model),
    )


def _network(model: FinalModel, manifest: FinalManifest, trained: NnunetModel) -> dict[str, Any]:
    profile = model.profile(manifest)
    plans = json.loads((trained.folder / "plans.json").read_text())["configurations"]
    planned = plans["3d_fullres"] | plans[profile.configuration]
    return {
        "trainer": profile.trainer,
        "planner": profile.planner,
        "plans": profile.plans_name,
        "configuration": profile.configuration,
        "patch_size": planned["patch_size"],
        "batch_size": planned["batch_size"],
        "spacing_mm": profile.spacing_mm,
        "orientation": "RAS",
        "tile_step": profile.tile_step,
        "dataset_number": model.dataset_number,
        "dataset_name": model.plan(manifest).dataset_name,
    }


def _data(manifest: FinalManifest) -> dict[str, Any]:
    sides = {"train": manifest.training, "val": manifest.validation, "test": tuple(manifest.test)}
    patients = manifest.split.patients
    return {
        "manifest_digest": manifest.digest,
        "cases": {side: len(cases) for side, cases in sides.items()},
        "patients": {
            side: len({patients[case] for case in cases}) for side, cases in sides.items()
        },
        "settings": dict(manifest.settings),
        "undecided_pairs": sum(
            len(manifest.choice.undecided_in(case)) for case in manifest.choice.cases
        ),
        "left_out_structures": dict(manifest.choice.left_out_structures),
        "left_out_cases": len(manifest.choice.left_out_cases),
    }


def _made(model: FinalModel) -> str:
    """Keep the time of the first card, so that writing it again changes only what changed."""
    path = model.folder / CARD_JSON
    return str(read_json(path)["created"]) if path.is_file() else now_utc()


def _write(path: Path, text: str) -> None:
    write_file_atomically(path, text.encode())
