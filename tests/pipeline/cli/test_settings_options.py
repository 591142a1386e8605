"""The options that a stage's settings turn into."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel, Field

from pipeline.cli.settings_options import flags_given, kind_of, options_of


class Kernel(StrEnum):
    SOFT = "soft"
    SHARP = "sharp"


class Nested(BaseModel):
    depth: int = 3


class Settings(BaseModel):
    paths: tuple[Path, ...] = Field(
        description="CTs to read.", json_schema_extra={"cli": "argument"}
    )
    layout: Literal["auto", "nifti"] = Field("auto", description="How the folders are laid out.")
    channels: Literal[1, 3] = Field(1, description="Channels.")
    kernel: Kernel = Field(Kernel.SOFT, description="Kernel.")
    spacing_mm: float | None = Field(None, description="Voxel size in mm.")
    structures: list[str] = Field(default_factory=list, description="Only these.")
    rounds: tuple[int, ...] = Field((1, 2), description="Rounds.")
    input: Path | None = Field(None, description="In.", json_schema_extra={"flag": "-i/--input"})
    mirror: bool = Field(False, description="Mirror.")
    dry_run: bool = Field(False, description="Only say what would be done.")
    network: Nested = Field(default_factory=Nested, description="Not for a flag.")
    by_name: dict[str, int] = Field(default_factory=dict, description="Not for a flag.")
    secret: str = Field("x", description="Hidden.", json_schema_extra={"cli": "hidden"})


def parsed(*words: str, configured: dict[str, object] | None = None) -> Any:
    seen: dict[str, Any] = {}

    @click.pass_context
    def callback(context: click.Context, **values: Any) -> None:
        seen.update(flags_given(context, values))

    command = click.Command("x", callback=callback, params=options_of(Settings, configured or {}))
    result = CliRunner().invoke(command, words)
    return seen if result.exit_code == 0 else result


def test_only_what_was_typed_becomes_a_flag():
    assert parsed("a.nii.gz") == {"paths": [Path("a.nii.gz")]}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--layout", "nifti"], {"layout": "nifti"}),
        (["--channels", "3"], {"channels": 3}),
        (["--kernel", "sharp"], {"kernel": Kernel.SHARP}),
        (["--spacing-mm", "1.5"], {"spacing_mm": 1.5}),
        (
            ["--structures", "liver, spleen", "--structures", "colon"],
            {"structures": ["liver", "spleen", "colon"]},
        ),
        (["--rounds", "3,4"], {"rounds": [3, 4]}),
        (["-i", "x,y"], {"input": Path("x,y")}),
        (["--mirror"], {"mirror": True}),
        (["--no-mirror"], {"mirror": False}),
        (["-n"], {"dry_run": True}),
        (["--no-dry-run"], {"dry_run": False}),
    ],
)
def test_options_give_back_typed_values(words, expected):
    assert parsed("p", *words) == {"paths": [Path("p")], **expected}


def test_a_positional_path_keeps_its_comma():
    assert parsed("a,b.nii.gz", "c")["paths"] == [Path("a,b.nii.gz"), Path("c")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing argument"),
        (("p", "--layout", "dicom"), "'dicom' is not one of 'auto', 'nifti'"),
        (("p", "--channels", "2"), "'2' is not one of '1', '3'"),
        (("p", "--rounds", "1,x"), "'x' is not a valid integer"),
        (("p", "--secret", "y"), "No such option"),
        (("p", "--network", "y"), "No such option"),
        (("p", "--by-name", "y"), "No such option"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(words, message):
    result = parsed(*words)
    assert result.exit_code == 2
    assert message in result.output


def test_help_shows_description_default_and_settings_file():
    command = click.Command("x", params=options_of(Settings, {"layout": "nifti"}))
    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert "How the folders are laid out. [default: auto; settings file: nifti]" in text
    assert "Mirror. [default: no]" in text
    assert "Rounds. [default: 1,2]" in text
    assert "--mirror / --no-mirror" in text


@pytest.mark.parametrize("annotation", [dict[str, int], Nested, list[list[int]], int | Nested])
def test_types_a_flag_cannot_express_have_no_kind(annotation):
    assert kind_of(annotation) is None


def test_a_mixture_of_plain_types_is_typed_as_text():
    assert kind_of(int | str).item is click.STRING
