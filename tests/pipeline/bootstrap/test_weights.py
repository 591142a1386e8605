from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.card_file import read_card
from pipeline.bootstrap.weights import (
    ModelMissing,
    check_declared_digest,
    require_weights,
    weights_digest,
    weights_place,
)
from pipeline.errors import BadInput


def folder_with(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def test_a_folders_digest_covers_every_name_and_byte(tmp_path: Path) -> None:
    one = weights_digest(folder_with(tmp_path / "one", {"a/b.pth": "x", "plans.json": "{}"}))
    same = weights_digest(folder_with(tmp_path / "two", {"plans.json": "{}", "a/b.pth": "x"}))
    content = weights_digest(folder_with(tmp_path / "three", {"a/b.pth": "y", "plans.json": "{}"}))
    name = weights_digest(folder_with(tmp_path / "four", {"a/c.pth": "x", "plans.json": "{}"}))
    assert same == one
    assert len({one, content, name}) == 3


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    folder_with(tmp_path / "elsewhere", {"w.pth": "x"})
    model = folder_with(tmp_path / "model", {"plans.json": "{}"})
    (model / "fold_0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="fold_0: is a link to a folder"):
        weights_digest(model)


def test_a_place_in_the_settings_goes_before_the_cards(
    write_card: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_card(weights={"path": "../weights.zip"})
    card = read_card(path).card
    assert weights_place(card, path, None) == (path.parent.parent / "weights.zip").resolve()
    assert weights_place(card, path, str(tmp_path / "mine.zip")) == tmp_path / "mine.zip"


def test_missing_weights_say_what_to_download_and_where_to_put_it(
    write_card: Callable[..., Path], tmp_path: Path
) -> None:
    card = read_card(write_card(weights={"url": "https://x.org/w.zip"})).card
    with pytest.raises(ModelMissing) as caught:
        require_weights(card, tmp_path / "w.zip")
    assert caught.value.exit_code == 5
    message = str(caught.value)
    assert f"download https://x.org/w.zip and put it at {tmp_path / 'w.zip'}" in message
    assert "weights: {model_a: PATH}" in message
    with pytest.raises(ModelMissing, match="the card names no place"):
        require_weights(card, None)


def test_advice_says_what_a_download_does_not(
    write_card: Callable[..., Path], tmp_path: Path
) -> None:
    weights = {"url": "https://x.org/w.zip", "advice": "unpack it with v1"}
    card = read_card(write_card(weights=weights)).card
    with pytest.raises(ModelMissing, match=r"download https://x\.org/w\.zip and unpack it with v1"):
        require_weights(card, tmp_path / "w")
    card = read_card(write_card(weights={"advice": "train your own"})).card
    with pytest.raises(ModelMissing, match=r"nothing at .*; train your own, or say where"):
        require_weights(card, tmp_path / "w")


def test_other_weights_than_declared_are_refused(
    write_card: Callable[..., Path], tmp_path: Path
) -> None:
    weights = tmp_path / "w.pth"
    weights.write_text("x")
    digest = weights_digest(weights)
    check_declared_digest(read_card(write_card(weights={"sha256": digest})).card, weights, digest)
    begun = read_card(write_card(weights={"sha256": digest[:8]})).card
    check_declared_digest(begun, weights, digest)
    card = read_card(write_card(weights={"sha256": "0" * 64})).card
    with pytest.raises(BadInput, match=f"found sha256 {digest}, expected {'0' * 64}"):
        check_declared_digest(card, weights, digest)
