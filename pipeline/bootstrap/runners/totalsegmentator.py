"""Runner `totalsegmentator`: the program TotalSegmentator, run once per case.

It lives in an environment of its own: its packages do not go together with ours. It works with a
home folder of its own, in which usage statistics are switched off and the licence number of the
user's home is copied. Its weights are looked for and digested before; a run downloads nothing.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field

from pipeline.bootstrap.card import ModelCard
from pipeline.bootstrap.runners.program import (
    INCIDENTAL,
    CasePlaces,
    ProgramCall,
    ProgramOptions,
    require_all,
    require_program,
    run_cases,
    run_program,
    whole_words,
)
from pipeline.bootstrap.runners.runner import FoundModel, Search
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.bootstrap.weights import ModelMissing, weights_digest
from pipeline.engine import Engine
from pipeline.workspace import digest_of

DOWNLOADER = "totalseg_download_weights"
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
# Nobody listens on port 9: whoever wants the network is refused at once.
_NO_NETWORK = {
    name: value
    for upper, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "",
    }.items()
    for name in (upper, upper.lower())
}


class TotalsegmentatorOptions(ProgramOptions):
    """What a card may say about a task of TotalSegmentator.

    Attributes
    ----------
    program : str
        The command; for `environment: [/envs/ts/bin/python, -m]` a module,
        `totalsegmentator.bin.TotalSegmentator`.
    task : str
        What `--task` gets.
    fast : bool
        Whether to take the model of 3 mm (`--fast`).
    folders : mapping of str to str
        The folders of weights that the task opens, by their full names, and what each is called
        by the program that downloads them.
    needs_licence : bool
        Whether the task runs only with a licence number.
    download : bool
        Whether weights that are missing are fetched with TotalSegmentator's own program when the
        model is made ready; they must be approved all the same.
    """

    program: str = "TotalSegmentator"
    task: str = Field(min_length=1)
    fast: bool = False
    folders: Mapping[FolderName, str] = Field(min_length=1)
    needs_licence: bool = False
    download: bool = False


class TotalsegmentatorRunner:
    """Runs TotalSegmentator; the weights of the task must have been approved."""

    name = "totalsegmentator"
    options: type[BaseModel] = TotalsegmentatorOptions
    needs_approval = True
    incidental_options = (*INCIDENTAL, "program", "download", "needs_licence")

    def find(self, card: ModelCard, options: BaseModel, search: Search) -> FoundModel:
        """Find the program, a licence if one is needed, and the weights; raises ModelMissing."""
        said = cast("TotalsegmentatorOptions", options)
        place = search.place or weights_folder()
        here = [
            lambda: require_program(card, said, said.program),
            lambda: _require_licence(card, said),
        ]
        missing = _missing(said, place)
        if missing and said.download and search.may_download:
            require_all(card, *here)
            _download(card, said, place, missing)
        require_all(card, *here, lambda: _require_weights(card, said, place))
        digests = {name: weights_digest(place / name) for name in said.folders}
        return FoundModel(place, digest_of(digests))

    def run(self, tasks: Sequence[CaseTask], engine: Engine) -> Iterator[CaseResult]:
        """Run TotalSegmentator for every case that has no masks of it yet."""
        yield from run_cases(tasks, engine, _call_for)


def totalseg_home() -> Path:
    """Say where TotalSegmentator keeps its settings on this machine."""
    return Path(os.environ.get("TOTALSEG_HOME_DIR") or "~/.totalsegmentator").expanduser()


def weights_folder() -> Path:
    """Say where TotalSegmentator itself would look for weights on this machine."""
    named = os.environ.get("TOTALSEG_WEIGHTS_PATH")
    return Path(named).expanduser() if named else totalseg_home() / "nnunet" / "results"


def licence_number() -> str:
    """Read the licence number that was stored with `totalseg_set_license`; empty without one."""
    try:
        said = json.loads((totalseg_home() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    number = said.get("license_number") if isinstance(said, dict) else None
    return number if isinstance(number, str) else ""


def _require_licence(card: ModelCard, options: TotalsegmentatorOptions) -> None:
    if options.needs_licence and not licence_number():
        raise ModelMissing(
            f"model '{card.name}': the task '{options.task}' needs a licence number, and "
            f"{totalseg_home() / 'config.json'} holds none; get one (free for other than "
            "commercial use) at https://backend.totalsegmentator.com/license-academic/ and run: "
            "totalseg_set_license -l NUMBER"
        )


def _require_weights(card: ModelCard, options: TotalsegmentatorOptions, place: Path) -> None:
    missing = _missing(options, place)
    if missing:
        raise ModelMissing(_what_to_download(card, options, place, missing))


def _missing(options: TotalsegmentatorOptions, place: Path) -> list[str]:
    return [name for name in options.folders if not any((place / name).rglob("checkpoint_*.pth"))]


def _what_to_download(
    card: ModelCard, options: TotalsegmentatorOptions, place: Path, missing: Sequence[str]
) -> str:
    commands = " && ".join(
        f"TOTALSEG_WEIGHTS_PATH={place} {' '.join(_downloader(options, name))}"
        for name in _names_of(options, missing)
    )
    return (
        f"model '{card.name}': weights missing: no {', '.join(missing)} in {place}; download them "
        f"with: {commands} (or set download: true among the card's options), or say where they "
        f"are in configs/bootstrap.yaml (weights: {{{card.name}: FOLDER}})"
    )


def _names_of(options: TotalsegmentatorOptions, folders: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(options.folders[folder] for folder in folders))


def _downloader(options: TotalsegmentatorOptions, name: str) -> tuple[str, ...]:
    """Give the words that download weights: the program beside the one that predicts."""
    folder = options.program[: max(options.program.rfind(mark) for mark in "/.") + 1]
    return whole_words((*options.environment, f"{folder}{DOWNLOADER}", "-t", name))


def _download(
    card: ModelCard, options: TotalsegmentatorOptions, place: Path, missing: Sequence[str]
) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name in _names_of(options, missing):
        with tempfile.TemporaryDirectory(prefix="masksmith-") as made:
            variables = {**_variables(Path(made), place), **options.variables}
            call = ProgramCall(_downloader(options, name), options.timeout_s, variables)
            run_program(call, Path(made), f"download of '{name}' for {card.name}")


def _call_for(task: CaseTask, places: CasePlaces) -> ProgramCall:
    options = cast("TotalsegmentatorOptions", task.model.options)
    words = ["-i", str(places.given), "-o", str(places.output), "--ml", "--task", options.task]
    words += ["--fast"] if options.fast else []
    words += ["--device", task.model.policy.device]
    variables = _variables(places.folder, cast("Path", task.model.place))
    return ProgramCall(
        whole_words((*options.environment, options.program, *words)),
        options.timeout_s,
        {**variables, **_NO_NETWORK, **options.variables},
    )


def _variables(folder: Path, weights: Path) -> dict[str, str]:
    """Make a home for one call: no usage statistics, the licence number if there is one."""
    home = folder / "home"
    home.mkdir()
    config: dict[str, Any] = {
        "totalseg_id": "masksmith",
        "send_usage_stats": False,
        "statistics_disclaimer_shown": True,
        "prediction_counter": 0,
    }
    number = licence_number()
    if number:
        config["license_number"] = number
    (home / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return {"TOTALSEG_HOME_DIR": str(home), "TOTALSEG_WEIGHTS_PATH": str(weights)}
