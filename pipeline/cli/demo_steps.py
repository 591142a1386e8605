"""The steps of the demo: what another hospital does, then what is done in our workspace."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.cli.call import Call
from pipeline.cli.demo_shell import Shell
from pipeline.errors import UsageError

MARKER = "masksmith_demo.txt"
EXISTING = "other_hospital"
SPACING_MM = "6"
ANNOTATED = tuple(f"s{number:04d}" for number in range(5))
LARGE = (
    "spleen", "kidney_right", "kidney_left", "liver", "stomach", "aorta",
    "lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right",
    "lung_middle_lobe_right", "lung_lower_lobe_right", "brain", "colon", "urinary_bladder",
    "sacrum", "hip_left", "hip_right", "femur_left", "femur_right",
)  # fmt: skip
CARD = {
    "name": EXISTING,
    "summary": "A small nnU-Net that the demo trained on bodies of another hospital",
    "runner": "nnunet",
    "options": {"tile_step": 0.75},
    "weights": {"path": f"../../../{EXISTING}_model.zip"},
    "licence": "Apache-2.0",
    "reference": "masksmith demo",
    "known_bias": "trained for a minute on five synthetic bodies",
    "spacing_mm": float(SPACING_MM),
    "priority": 10,
}


@dataclass
class Demo:
    """One demo in one folder."""

    call: Call
    folder: Path
    profile: str
    shell: Shell = field(init=False)

    def __post_init__(self) -> None:
        """Run everything with the options that the demo was called with."""
        self.shell = Shell(self.call, self.folder / "trusted_models.json")

    @property
    def workspace_path(self) -> Path:
        """The workspace that the demo is about."""
        return self.folder / "workspace"

    @property
    def elsewhere(self) -> Path:
        """The workspace in which the existing model is made."""
        return self.folder / EXISTING

    @property
    def configs(self) -> Path:
        """A copy of the settings, with the existing model's card as the only one."""
        return self.folder / "configs"

    @property
    def truth(self) -> Path:
        """The truth of the CTs without masks; no workspace ever sees it."""
        return self.folder / "truth"

    def prepare(self, *, fresh: bool) -> None:
        """Make the demo's folder and its copy of the settings.

        Raises
        ------
        UsageError
            If the folder holds something that no demo made.
        """
        marker = self.folder / MARKER
        if self.folder.exists() and not marker.is_file() and any(self.folder.iterdir()):
            raise UsageError(f"{self.folder} holds other files: name another folder with --folder")
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        marker.write_text("Made by 'masksmith demo'; may be deleted.\n")
        if not self.configs.is_dir():
            part = self.folder / ".configs.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(self.call.configs_path, part, ignore=shutil.ignore_patterns("models"))
            (part / "bootstrap" / "models").mkdir(parents=True)
            self._add_shorter_profile(part / "retrain.yaml")
            part.rename(self.configs)

    def _add_shorter_profile(self, path: Path) -> None:
        """Add the profile of the existing model: like the chosen one, in half the epochs."""
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        profile = copy.deepcopy(settings["profiles"].get(self.profile))
        if profile is None:
            known = ", ".join(settings["profiles"])
            raise UsageError(f"profile '{self.profile}' is unknown; known: {known}")
        if "training" in profile:
            profile["training"]["epochs"] = max(1, profile["training"]["epochs"] // 2)
        settings["profiles"][EXISTING] = profile
        path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

    def run(self) -> None:
        """Go the whole way, step by step."""
        self.shell.echo(f"Everything lands in {self.folder}; about six minutes on two idle cores.")
        self._train_existing_model()
        self._begin()
        self._bootstrap()
        ours = ["--workspace", str(self.workspace_path)]
        self.shell.masksmith(
            "a person accepts five cases", *ours, "verdict", "accept", "--case",
            ",".join(ANNOTATED), "--rest-absent", "fov", "--by", "demo",
        )  # fmt: skip
        self.shell.masksmith(
            "round 1: train on them, predict the others", *ours, "--configs", str(self.configs),
            "retrain", "--round", "1", "--profile", self.profile,
        )  # fmt: skip
        self.shell.masksmith("pictures", *ours, "--configs", str(self.configs), "gallery")
        self.shell.masksmith("check files against ledger", *ours, "doctor")

    def _train_existing_model(self) -> None:
        """Let another hospital train a model of some large structures, and get it as a zip."""
        data, theirs = f"{self.elsewhere}_data", ["--workspace", str(self.elsewhere)]
        self.shell.say("Another hospital trains a model of some large structures")
        self._phantom("other hospital: bodies", data, seed=100, more=["--field-of-view", "whole"])
        self.shell.masksmith("other hospital: workspace", *theirs, "init")
        self._intake("other hospital: CTs and masks", theirs, data)
        self.shell.masksmith(
            "other hospital: accepts them", *theirs, "verdict", "accept",
            "--case", ",".join(ANNOTATED), "--rest-absent", "fov", "--by", EXISTING,
        )  # fmt: skip
        self.shell.masksmith(
            "other hospital: trains a model", *theirs, "--configs", str(self.configs),
            "retrain", "--round", "1", "--profile", EXISTING,
            "--structures", ",".join(LARGE),
        )  # fmt: skip
        self._write_card()

    def _write_card(self) -> None:
        """Pack the other hospital's model and write the card that describes it."""
        from pipeline.workspace import Layout
        from training.nnunet_model import export_zip, open_model

        model = open_model(Layout(self.elsewhere).round_dir(1) / "all" / "nnunet" / "results")
        archive = self.folder / f"{EXISTING}_model.zip"
        if not archive.is_file():
            export_zip(model, archive)
        card = self.configs / "bootstrap" / "models" / f"{EXISTING}.yaml"
        content = {**CARD, "labels": model.names_by_value}
        card.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        self.shell.echo(f"# its model as a zip: {archive}; its card: {card}")

    def _begin(self) -> None:
        """Make our workspace: five CTs that a person drew, five without masks."""
        drawn, bare = str(self.folder / "drawn"), str(self.folder / "bare")
        ours = ["--workspace", str(self.workspace_path)]
        self.shell.say("Our workspace: five CTs that a person drew, five without masks")
        self._phantom("bodies that a person drew", drawn, seed=1, more=["--field-of-view", "whole"])
        self._phantom(
            "bodies without masks", bare, seed=2, more=["--layout", "plain", "--no-masks"]
        )
        self._phantom(
            "their truth, kept aside", str(self.truth), seed=2, more=["--layout", "plain"]
        )
        self.shell.masksmith("our workspace", *ours, "init")
        self._intake("CTs and masks that a person drew", ours, drawn)
        self.shell.masksmith("CTs without masks", *ours, "intake", bare)

    def _bootstrap(self) -> None:
        """Make first masks with the existing model, on the CTs that have none."""
        from pipeline.workspace import Workspace

        cases = [case.id for case in Workspace.open(self.workspace_path).cases()]
        bare = ",".join(case_id for case_id in cases if case_id not in ANNOTATED)
        ours = ["--workspace", str(self.workspace_path), "--configs", str(self.configs)]
        self.shell.masksmith("trust the existing model", *ours, "models", "trust", EXISTING)
        self.shell.masksmith("first masks from it", *ours, "bootstrap", "--cases", bare)

    def _phantom(self, title: str, folder: str, *, seed: int, more: list[str]) -> None:
        mark = self.folder / f".{Path(folder).name}.done"
        if mark.is_file():
            self.shell.echo(f"# {folder} is there already")
            return
        words = ["--count", str(len(ANNOTATED)), "--seed", str(seed), "--spacing-mm", SPACING_MM]
        self.shell.masksmith(title, "phantom", folder, *words, *more)
        mark.touch()

    def _intake(self, title: str, workspace: list[str], folder: str) -> None:
        words = ["--layout", "totalsegmentator", "--given-origin", "human", "--dataset", "demo"]
        self.shell.masksmith(title, *workspace, "intake", folder, *words)
