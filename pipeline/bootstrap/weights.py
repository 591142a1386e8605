"""Where a model's files are, and the digest that says which files they are."""

import hashlib
import os
from pathlib import Path

from pipeline.bootstrap.card import ModelCard
from pipeline.errors import BadInput, MissingDependency
from pipeline.workspace import digest_of_file


class ModelMissing(MissingDependency):
    """A model's weights, predictions or program are not on this machine (exit code 5)."""


def weights_place(card: ModelCard, card_path: Path, override: str | None) -> Path | None:
    """Say where the model's files should be, whether or not they are there.

    Parameters
    ----------
    card : ModelCard
        Its `weights.path` counts from the card's folder if it is relative.
    card_path : Path
        The card's file.
    override : str or None
        A place from the settings; it wins, and counts from the current folder.

    Returns
    -------
    Path or None
        None if neither the settings nor the card name a place.
    """
    if override is not None:
        return Path(override).expanduser().resolve()
    if card.weights.path is None:
        return None
    return (card_path.parent / Path(card.weights.path).expanduser()).resolve()


def require_weights(card: ModelCard, place: Path | None) -> Path:
    """Return the place of the weights if they are there.

    Raises
    ------
    ModelMissing
        Saying what is missing, where it can be downloaded and where to put it.
    """
    if place is not None and place.exists():
        return place
    looked = f"nothing at {place}" if place else "the card names no place"
    where = f"at {place}" if place else "in a place that the card names (weights: path: ...)"
    raise ModelMissing(
        f"model '{card.name}': weights missing: {looked}; {how_to_get(card, where)}, "
        f"or say where they are in configs/bootstrap.yaml (weights: {{{card.name}: PATH}})"
    )


def how_to_get(card: ModelCard, where: str) -> str:
    """Say how a model's files come to their place: what to download, what to do with it."""
    url, advice = card.weights.url, card.weights.advice
    if url:
        return f"download {url} and {advice or f'put it {where}'}"
    return advice or f"put the files {where}"


def weights_digest(place: Path) -> str:
    """Compute the sha256 (hex) of a model's files.

    A single file (a zip, say) has the digest of its bytes. A folder's digest covers the relative
    path, size and content of every file in it, in sorted order, so nothing that could be loaded
    from it is left out.

    Raises
    ------
    BadInput
        If the folder holds a link to a folder: what lies behind it could change unseen.
    """
    if place.is_file():
        return digest_of_file(place)
    total = hashlib.sha256()
    for path in _files_below(place):
        relative = path.relative_to(place).as_posix()
        total.update(f"{relative}\0{path.stat().st_size}\0{digest_of_file(path)}\n".encode())
    return total.hexdigest()


def check_declared_digest(card: ModelCard, place: Path, digest: str) -> None:
    """Refuse weights whose digest is not the one the card asks for.

    Raises
    ------
    BadInput
        Naming both digests.
    """
    expected = card.weights.sha256
    if expected is not None and not digest.startswith(expected):
        raise BadInput(
            f"model '{card.name}': the files at {place} are not those of the card: "
            f"found sha256 {digest}, expected {expected}"
        )


def _files_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for root, folders, files in os.walk(folder, followlinks=False):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        if links:
            raise BadInput(
                f"{Path(root) / links[0]}: is a link to a folder; a model's folder must hold its "
                "files itself, so that its digest covers them (copy the folder there)"
            )
        found.extend(Path(root) / name for name in files)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())
