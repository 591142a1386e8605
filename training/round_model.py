"""One model of a round: what it learns, where it is made, how its masks are signed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.workspace import CaseRecord, Mask, Provenance, Workspace, settings_digest
from training.case_prediction import software
from training.nnunet_dataset import DatasetSettings
from training.parts import ALL, folder_name
from training.retrain_settings import RetrainSettings
from training.round_choice import Choice
from training.round_manifest import Manifest
from training.training_plan import TrainingPlan
from training.training_record import read_record, started_from, weights_digest
from training.warm_start import model_dir, open_start

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RoundModel:
    """One model of a round: what it learns and where it is made."""

    workspace: Workspace
    manifest: Manifest
    name: str
    choice: Choice
    plan: TrainingPlan

    @property
    def subject(self) -> str:
        """How the model is called in outcomes and messages."""
        number = f"round {self.manifest.round}"
        return number if self.name == ALL else f"{number}, {self.name}"

    def on_device(self, device: str) -> "RoundModel":
        """Give the same model, made on another device."""
        profile = self.plan.profile.model_copy(update={"device": device})
        return replace(self, plan=replace(self.plan, profile=profile))

    def with_start(self) -> "RoundModel":
        """Give the same model with the earlier one it starts from, if it starts from one."""
        start = open_start(self.workspace.layout, self.manifest.starts.get(self.name))
        return replace(self, plan=replace(self.plan, warm_start=start))

    @property
    def provenance(self) -> Provenance:
        """Give the provenance of the masks that the finished model predicts."""
        folder = self.plan.model_folder.relative_to(self.workspace.layout.root)
        sources = {
            "manifest": self.manifest.digest,
            "weights": weights_digest(self.plan),
            "model_folder": folder.as_posix(),
        }
        if start := started_from(self.plan):
            sources["warm_start"] = start
        return Provenance(
            origin="round",
            maker=f"round:{self.manifest.round}",
            round=self.manifest.round,
            settings_digest=settings_digest(self.manifest.settings),
            software=software(),
            sources=sources,
        )

    @property
    def validating(self) -> tuple[str, ...]:
        """Cases of its choice that it is not trained on."""
        held_out = set(self.manifest.validation)
        cases = (self.workspace.case(case) for case in self.choice.cases)
        return tuple(case.id for case in cases if (case.patient_id or case.id) in held_out)

    @property
    def note(self) -> str:
        """Say in one line what it learned and what was left out."""
        choice, validating = self.choice, len(self.validating)
        taught = len(choice.cases) - validating
        text = f"learned {len(choice.structures)} structures from {taught} cases"
        text += f", {validating} more for validation" if validating else ""
        pairs = sum(len(choice.undecided_in(case)) for case in choice.cases)
        if pairs:
            text += f" ({pairs} of {len(choice.structures) * len(choice.cases)} pairs undecided)"
        left = [
            f"{len(names)} {what}"
            for names, what in (
                (choice.left_out_structures, "structures"),
                (choice.left_out_cases, "cases"),
            )
            if names
        ]
        text += f"; left out: {', '.join(left)}" if left else ""
        return text if self.start_in_words == "fresh" else f"{text}; start: {self.start_in_words}"

    @property
    def start_in_words(self) -> str:
        """Say what the finished model started from."""
        start = self.manifest.starts.get(self.name, {})
        made = read_record(self.plan).get("warm_start")
        if made is not None and not made.get("loaded"):
            return f"fresh: {made['why']}"
        if made is not None:
            return f"round {start.get('round')}, weights {str(made['weights'])[:12]}"
        return f"fresh: {start['why_fresh']}" if "why_fresh" in start else "fresh"

    def left_out(self) -> Iterator[str]:
        """Say what is not learned and why, the first few."""
        reasons = self.choice.left_out_structures
        for name, reason in list(reasons.items())[:_SHOWN]:
            yield f"{self.subject}: {name} is left out: {reason}"
        if len(reasons) > _SHOWN:
            path = self.workspace.layout.manifest(self.manifest.round)
            more = len(reasons) - _SHOWN
            yield f"{self.subject}: {more} more structures are left out, see {path}"


def round_models(
    workspace: Workspace, manifest: Manifest, settings: RetrainSettings
) -> tuple[RoundModel, ...]:
    """Give the models of a round, in the order of its manifest."""
    return tuple(
        RoundModel(
            workspace, manifest, name, choice, _plan(workspace, manifest, settings, name, choice)
        )
        for name, choice in manifest.models.items()
    )


def missing_masks(
    record: CaseRecord, structures: tuple[str, ...], provenance: Provenance
) -> tuple[str, ...]:
    """List the structures of which a case has no mask of this very model."""

    def ours(mask: Mask) -> bool:
        made = mask.provenance
        return made.maker == provenance.maker and made.sources == provenance.sources

    have = {mask.structure for mask in record.masks if ours(mask)}
    return tuple(name for name in structures if name not in have)


def _plan(
    workspace: Workspace, manifest: Manifest, settings: RetrainSettings, name: str, choice: Choice
) -> TrainingPlan:
    recipe = settings.recipe()
    held_out = frozenset(manifest.validation) if manifest.validation else None
    return TrainingPlan(
        folder=model_dir(workspace.layout, manifest.round, name),
        name=folder_name(name),
        class_map=workspace.class_map.subset(choice.structures),
        profile=recipe.for_partial_labels() if choice.is_partial else recipe,
        dataset=DatasetSettings(
            recipe.spacing_mm, settings.validation_cases, settings.seed, held_out
        ),
        record={"round": manifest.round, "manifest": manifest.digest, "model": name},
    )
