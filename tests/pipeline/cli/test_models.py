"""`masksmith models`: what there is, why it cannot run, and trust in weights."""

import json

import pytest
import yaml

from pipeline.cli.main import main
from training.nnunet_model import export_zip


@pytest.fixture
def masksmith(workspace, tmp_path, monkeypatch):
    """Run `masksmith WORDS` with an empty folder of cards; `masksmith.add` writes one."""
    configs = tmp_path / "configs"
    cards = configs / "bootstrap" / "models"
    cards.mkdir(parents=True)
    monkeypatch.setenv("MASKSMITH_TRUST_FILE", str(tmp_path / "trusted.json"))

    def call(*words):
        return main(["--workspace", str(workspace.path), "--configs", str(configs), *words])

    def add(name, **card):
        given = {"name": name, "licence": "CC0-1.0", "reference": "tests", "priority": 1} | card
        (cards / f"{name}.yaml").write_text(yaml.safe_dump(given))

    call.add = add
    return call


def test_no_cards_at_all(masksmith, capsys):
    assert masksmith("models", "list") == 0
    assert capsys.readouterr().out.startswith("no model cards in ")


def test_a_model_that_is_not_there_says_what_to_do(masksmith, capsys):
    masksmith.add("btcv", runner="nnunet", weights={"path": "gone.zip"}, labels={1: "liver"})
    assert masksmith("models", "list") == 0
    out = capsys.readouterr().out
    assert "btcv cannot run: model 'btcv': weights missing" in out
    assert masksmith("models", "trust", "btcv") == 5
    assert masksmith("models", "trust", "btvc") == 4
    assert "did you mean btcv?" in capsys.readouterr().err


def test_weights_are_trusted_by_their_digest(masksmith, capsys, tiny_model, tmp_path):
    archive = tmp_path / "model.zip"
    export_zip(tiny_model, archive)
    masksmith.add(
        "elsewhere", runner="nnunet", weights={"path": str(archive)},
        labels=tiny_model.names_by_value,
    )  # fmt: skip
    masksmith("models", "list", "--json")
    (before,) = json.loads(capsys.readouterr().out)["models"]
    assert (before["trusted"], before["state"]) == (False, "not approved")
    assert masksmith("models", "trust", "elsewhere", "--json") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == before["digest"]
    masksmith("models", "list", "--json")
    (after,) = json.loads(capsys.readouterr().out)["models"]
    assert (after["trusted"], after["problem"]) == (True, "")
    masksmith("models", "list")
    assert f"{before['digest'][:12]}, trusted" in capsys.readouterr().out
