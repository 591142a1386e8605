"""docs/bootstrap.md names every setting, card key and runner option."""

from pathlib import Path

import pytest

from pipeline.bootstrap.card import ModelCard, Weights
from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.settings import BootstrapSettings

PAGE = Path(__file__).parents[3] / "docs" / "bootstrap.md"
OF_THE_PROGRAM = {"configs"}


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("settings", set(BootstrapSettings.model_fields) - OF_THE_PROGRAM),
        ("card", set(ModelCard.model_fields)),
        ("weights", set(Weights.model_fields)),
        *((name, {name, *runner.options.model_fields}) for name, runner in RUNNERS.items()),
    ],
)
def test_everything_that_can_be_said_is_documented(what: str, names: set[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name in names if f"`{name}`" not in text} == set(), what
