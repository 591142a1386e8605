"""Earlier pictures: what a case looked like before a newer round's masks were drawn.

::

    gallery/images/history/CASE-DIGEST12.png     the picture as it was
    gallery/images/history/CASE-DIGEST12.json    its size and the newest round in it
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.volume import atomic_path, write_file_atomically
from pipeline.workspace import CaseRecord
from qc.drawing import PictureFiles

_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class EarlierPicture:
    """A kept picture.

    Attributes
    ----------
    version : str
        The first digits of its digest.
    round : int or None
        The newest round in it; None if it showed no round's masks.
    size : tuple of int
        Width and height in pixels.
    """

    version: str
    round: int | None
    size: tuple[int, int]


def keep_earlier_picture(
    record: CaseRecord, files: PictureFiles, drawn: Mapping[str, Any] | None
) -> Path | None:
    """Keep the picture of a case that is about to be drawn with masks of a newer round.

    Parameters
    ----------
    record : CaseRecord
    files : PictureFiles
    drawn : mapping or None
        The record of the picture that is there.

    Returns
    -------
    Path or None
        The kept picture; None if there was nothing to keep, or no newer round.
    """
    if not drawn or not drawn.get("digest"):
        return None
    rounds = {mask.id: mask.provenance.round for mask in record.masks}
    shown = drawn.get("structures") or {}
    before = _newest(rounds.get(str(said.get("mask"))) for said in shown.values())
    now = _newest(mask.provenance.round for mask in record.in_force().values())
    if not shown or now is None or (before is not None and now <= before):
        return None
    kept = history_dir(files.gallery) / f"{files.case_id}-{drawn['digest'][:_DIGEST_LENGTH]}.png"
    _keep(files.picture, kept)
    said = {"case": files.case_id, "round": before, "size": [drawn["width"], drawn["height"]]}
    write_file_atomically(kept.with_suffix(".json"), json.dumps(said).encode())
    return kept


def earlier_pictures(gallery: Path) -> dict[str, list[EarlierPicture]]:
    """List the kept pictures by case, the newest round first; damaged notes are passed over."""
    found: dict[str, list[EarlierPicture]] = {}
    for path in sorted(history_dir(gallery).glob("*.json")):
        case_id, _, version = path.stem.rpartition("-")
        try:
            said = json.loads(path.read_bytes())
            width, height = (int(side) for side in said["size"])
            number = None if said["round"] is None else int(said["round"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if path.with_suffix(".png").is_file():
            found.setdefault(case_id, []).append(EarlierPicture(version, number, (width, height)))
    for pictures in found.values():
        pictures.sort(key=lambda each: -1 if each.round is None else each.round, reverse=True)
    return found


def history_dir(gallery: Path) -> Path:
    """Give the folder of the earlier pictures of all cases."""
    return gallery / "images" / "history"


def _newest(rounds: Any) -> int | None:
    return max((number for number in rounds if number is not None), default=None)


def _keep(picture: Path, kept: Path) -> None:
    """Give the picture a second name: what is drawn next gets a file of its own."""
    with atomic_path(kept) as partial:
        try:
            os.link(picture, partial)
        except OSError:
            # A file system without hard links.
            shutil.copyfile(picture, partial)
