"""Runner `command`: any program that turns a CT into a label map.

It gets the CT as a NIfTI file in a folder of its own and must write a label map on the same grid.
It may live in another environment or a container: `environment` is put before its own words. There
is no shell in between.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from pydantic import BaseModel, Field, field_validator

from pipeline.bootstrap.card import ModelCard
from pipeline.bootstrap.runners.program import (
    INCIDENTAL,
    CasePlaces,
    FileNames,
    ProgramCall,
    ProgramOptions,
    require_all,
    require_program,
    run_cases,
    visible_gpus,
    whole_words,
)
from pipeline.bootstrap.runners.runner import FoundModel, Search
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.bootstrap.weights import require_weights, weights_digest
from pipeline.engine import Engine

PLACEHOLDERS = ("input", "output", "input_folder", "output_folder", "device", "cuda", "weights")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class CommandOptions(ProgramOptions):
    """What a card says about a program.

    Attributes
    ----------
    argv : tuple of str
        The program and its words, with placeholders: `{input}` and `{output}` (files),
        `{input_folder}` and `{output_folder}`, `{device}` (cpu, gpu, gpu:N), `{cuda}` (what
        CUDA_VISIBLE_DEVICES must be for it), `{weights}`. The values of `variables` may hold them,
        too.
    input_name, output_name : str
        The files' names, for programs that insist on some.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    input_name: str = Field(default="ct.nii.gz", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    output_name: str = Field(default="labels.nii.gz", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")

    @field_validator("argv")
    @classmethod
    def _placeholders_are_known(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        used = set(_PLACEHOLDER.findall(" ".join(argv)))
        _refuse_strange(used)
        for way in ("input", "output"):
            if not used & {way, f"{way}_folder"}:
                raise ValueError(f"expected {{{way}}} or {{{way}_folder}} among the words")
        return argv

    @field_validator("variables")
    @classmethod
    def _placeholders_of_variables_are_known(
        cls, variables: Mapping[str, str]
    ) -> Mapping[str, str]:
        _refuse_strange(set(_PLACEHOLDER.findall(" ".join(variables.values()))))
        return variables

    @property
    def wants_weights(self) -> bool:
        """Whether the program is told where the weights are."""
        return any("{weights}" in word for word in (*self.argv, *self.variables.values()))


class CommandRunner:
    """Runs a program once per case; weights that the card names must have been approved."""

    name = "command"
    options: type[BaseModel] = CommandOptions
    needs_approval = True
    incidental_options = INCIDENTAL

    def find(self, card: ModelCard, options: BaseModel, search: Search) -> FoundModel:
        """Find the program and, if the card names any, its weights; raises ModelMissing."""
        said = cast("CommandOptions", options)
        has_weights = search.place is not None or said.wants_weights
        require_all(
            card,
            lambda: require_program(card, said, said.argv[0]),
            lambda: require_weights(card, search.place) if has_weights else None,
        )
        if search.place is None:
            return FoundModel(None)
        return FoundModel(search.place, weights_digest(search.place))

    def run(self, tasks: Sequence[CaseTask], engine: Engine) -> Iterator[CaseResult]:
        """Run the program for every case that has no masks of it yet."""
        if tasks:
            said = cast("CommandOptions", tasks[0].model.options)
            names = FileNames(said.input_name, said.output_name)
            yield from run_cases(tasks, engine, _call_for, names)


def _refuse_strange(used: set[str]) -> None:
    strange = sorted(used - set(PLACEHOLDERS))
    if strange:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"unknown placeholder {{{strange[0]}}}; known: {known}")


def _call_for(task: CaseTask, places: CasePlaces) -> ProgramCall:
    model = task.model
    options = cast("CommandOptions", model.options)
    values = place_values(places, model.policy.device, model.place)
    return ProgramCall(
        fill_argv(options, values),
        options.timeout_s,
        {name: _fill(value, values) for name, value in options.variables.items()},
    )


def place_values(places: CasePlaces, device: str, weights: Path | None) -> dict[str, str]:
    """Say what stands for each placeholder."""
    return {
        "input": str(places.given),
        "output": str(places.output),
        "input_folder": str(places.given.parent),
        "output_folder": str(places.output.parent),
        "device": device,
        "cuda": visible_gpus(device),
        "weights": str(weights),
    }


def fill_argv(options: CommandOptions, values: Mapping[str, str]) -> tuple[str, ...]:
    """Put the places into the words of a command; words without placeholders stay as they are."""
    filled = (_fill(word, values) for word in options.argv)
    return whole_words((*options.environment, *filled))


def _fill(word: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], word)
