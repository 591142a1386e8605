"""Stages: the steps of the way of the data, their settings, and how a run is recorded.

A stage is one file that exports one :class:`Stage`. Its ``run`` yields an
:class:`Outcome` per case; running it again is always safe, and finished cases are kept.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.engine import Engine
from pipeline.errors import UsageError
from pipeline.workspace import Ledger, Workspace, settings_digest

Status = Literal["done", "kept", "failed"]


class StageSettings(BaseModel):
    """Settings of a stage: class defaults, then ``configs/<stage>.yaml``, then flags.

    ``Field(description=...)`` is the help text of the flag. ``json_schema_extra`` may hold
    ``cli`` ("argument" for a positional, "hidden" for no flag) and ``flag`` (a short form
    such as ``"-i/--input"``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def needs_workspace(self) -> bool:
        """Whether the stage works on a workspace; a few can also work on files alone."""
        return True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case (or one input file) in a run of a stage.

    Attributes
    ----------
    subject : str
        Case id, or the file when there is no case.
    status : {"done", "kept", "failed"}
        Kept: it was finished before.
    note : str
        For failures: what was found, what was expected, what to do.
    figures : mapping
        Numbers worth keeping, JSON values.
    shown : Outcome or None
        What a person sees instead, where it says more than the ledger may keep, such as the
        name of a file. It is never recorded.
    """

    subject: str
    status: Status
    note: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    shown: "Outcome | None" = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way of the data.

    Attributes
    ----------
    name : str
        The word for the command, the Make target, the file and its settings.
    summary : str
        One line.
    Settings : type
        Its :class:`StageSettings`.
    run : callable
        ``run(workspace, settings, engine)`` yields outcomes. It runs in the driver; the
        heavy work goes through the engine.
    after : tuple of str
        Stages that usually come before.
    table : tuple of str
        Columns of a table that the command writes: of the dicts that each outcome's figures hold
        under ``rows``.
    run_on_files : callable or None
        ``run_on_files(settings, engine)`` yields outcomes where the settings say that no workspace
        is needed.
    """

    name: str
    summary: str
    Settings: type[StageSettings]
    run: Callable[[Workspace, Any, Engine], Iterator[Outcome]]
    after: tuple[str, ...] = ()
    table: tuple[str, ...] = ()
    run_on_files: Callable[[Any, Engine], Iterator[Outcome]] | None = None


@dataclass(frozen=True, slots=True)
class FileCommand:
    """A command that takes files and gives files, and records nothing in a workspace.

    It shares with stages the one name in four places and the way settings come together.

    Attributes
    ----------
    name, summary : str
        As of a :class:`Stage`.
    Settings : type
        Its :class:`StageSettings`; where the files are stands on the command line only.
    """

    name: str
    summary: str
    Settings: type[StageSettings]


@dataclass(frozen=True, slots=True)
class RunReport:
    """Every outcome of a run.

    Attributes
    ----------
    outcomes : tuple of Outcome
    run_id : int or None
        Of the run in the ledger; None for a dry run and for a run on files.
    """

    outcomes: tuple[Outcome, ...]
    run_id: int | None

    def count(self, status: Status) -> int:
        """Count the outcomes of one status."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")


def load_settings(
    stage: Stage | FileCommand, configs: Path, flags: Mapping[str, Any] | None = None
) -> StageSettings:
    """Put a stage's settings together.

    Class defaults < ``configs/<stage>.yaml`` < ``MASKSMITH_<STAGE>_<FIELD>`` < flags. A stage
    that reads further files there has a field ``configs``; it gets the folder.

    Parameters
    ----------
    stage : Stage
    configs : Path
        The folder; a missing file means defaults.
    flags : mapping, optional
        Field name to value; None values count as not given.

    Raises
    ------
    UsageError
        Naming the setting, where it came from, and what is wrong with it.
    """
    path = configs / f"{stage.name.replace('-', '_')}.yaml"
    values = _from_file(path) | _from_environment(stage)
    if "configs" in stage.Settings.model_fields:
        values["configs"] = configs
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return stage.Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(_explain(stage, path, error)) from error


def run_stage(
    stage: Stage,
    workspace: Workspace,
    settings: StageSettings,
    engine: Engine,
    *,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> RunReport:
    """Run a stage as the only command that changes the workspace, and record what happened.

    A run whose settings say ``dry_run`` changes nothing and is not recorded.

    Parameters
    ----------
    on_outcome : callable
        Called with each outcome as it comes.

    Raises
    ------
    WorkspaceBusy
        When another command is changing the workspace.
    MasksmithError
        What the stage raises when it cannot run at all.
    """
    recorder = None if getattr(settings, "dry_run", False) else _Recorder(workspace.ledger)
    outcomes: list[Outcome] = []
    with workspace.driver_lock(stage.name):
        if recorder is not None:
            recorder.begin(stage, settings)
        for outcome in stage.run(workspace, settings, engine):
            if recorder is not None:
                recorder.add(outcome)
            told = outcome.shown or outcome
            outcomes.append(told)
            on_outcome(told)
        if recorder is not None:
            recorder.end()
    return RunReport(tuple(outcomes), None if recorder is None else recorder.run_id)


def run_stage_on_files(
    stage: Stage,
    settings: StageSettings,
    engine: Engine,
    *,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> RunReport:
    """Run a stage without a workspace; nothing is recorded.

    Raises
    ------
    UsageError
        When the stage cannot do without.
    MasksmithError
        What the stage raises when it cannot run at all.
    """
    if stage.run_on_files is None:
        raise UsageError(f"{stage.name}: needs a workspace")
    outcomes: list[Outcome] = []
    for outcome in stage.run_on_files(settings, engine):
        outcomes.append(outcome)
        on_outcome(outcome)
    return RunReport(tuple(outcomes), None)


@dataclass(slots=True)
class _Recorder:
    """Writes a run and its outcomes into the ledger, each as it comes."""

    ledger: Ledger
    run_id: int = 0

    def begin(self, stage: Stage, settings: StageSettings) -> None:
        values = settings.model_dump(mode="json")
        self.run_id = self.ledger.begin_run(stage.name, values, settings_digest(values))

    def add(self, outcome: Outcome) -> None:
        self.ledger.add_outcome(
            self.run_id, outcome.subject, outcome.status, outcome.note, outcome.figures
        )

    def end(self) -> None:
        self.ledger.end_run(self.run_id)


def _from_file(path: Path) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        return {}
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: no valid YAML ({' '.join(str(error).split())})") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected 'setting: value' lines, found {type(values).__name__}")
    return values


def _from_environment(stage: Stage | FileCommand) -> dict[str, Any]:
    import yaml

    prefix = f"MASKSMITH_{stage.name.replace('-', '_').upper()}_"
    names = {prefix + name.upper(): name for name in stage.Settings.model_fields}
    found = {names[key]: value for key, value in os.environ.items() if key in names}
    return {name: yaml.safe_load(value) for name, value in found.items()}


def _explain(stage: Stage | FileCommand, path: Path, error: ValidationError) -> str:
    from difflib import get_close_matches

    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        text = f"setting '{name}': {problem['msg'].lower()}, found {problem['input']!r}"
        if problem["type"] == "extra_forbidden":
            close = get_close_matches(name, stage.Settings.model_fields, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            text = f"setting '{name}' is not known{hint}"
        lines.append(text)
    return f"{stage.name} ({path} or a flag): {'; '.join(lines)}"
