"""A trained nnU-Net v2 model on disk: its folder, its labels, and safe unpacking of zips."""

import hashlib
import json
import re
import shutil
import stat
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import BadInput, MissingDependency
from pipeline.volume import atomic_path

MAX_ZIP_FILES = 2_000
MAX_ZIP_BYTES = 20 << 30
_DATASET = re.compile(r"Dataset\d{3}_\w+")
EXPORTED = ("plans.json", "dataset.json", "dataset_fingerprint.json", "masksmith_model.json")


@dataclass(frozen=True)
class NnunetModel:
    """A model folder in nnU-Net's results layout: plans, dataset and ``fold_*`` checkpoints.

    Attributes
    ----------
    folder : Path
        Holds ``plans.json``, ``dataset.json`` and the folds.
    checkpoint : str
        File name inside each fold.
    orientation : str
        Axes of the images it was trained on; ours and TotalSegmentator's are ``RAS``.
    """

    folder: Path
    checkpoint: str = "checkpoint_final.pth"
    orientation: str = "RAS"

    @cached_property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds that have the checkpoint: numbers, or ``all``."""
        found = sorted(self.folder.glob(f"fold_*/{self.checkpoint}"))
        return tuple(path.parent.name.removeprefix("fold_") for path in found)

    @cached_property
    def names_by_value(self) -> dict[int, str]:
        """Label value to structure name, background left out.

        For region-based models the values are those of nnU-Net's ``regions_class_order``.
        """
        dataset = _read_json(self.folder / "dataset.json")
        labels = {name: value for name, value in dataset["labels"].items() if name != "background"}
        labels.pop("ignore", None)
        order = dataset.get("regions_class_order")
        values = order if order is not None else labels.values()
        return {int(value): name for name, value in zip(labels, values, strict=True)}

    @cached_property
    def digest(self) -> str:
        """Sha256 (hex) over plans, dataset and every checkpoint: what decides a prediction."""
        digest = hashlib.sha256()
        files = [self.folder / "plans.json", self.folder / "dataset.json"]
        files += [self.folder / f"fold_{fold}" / self.checkpoint for fold in self.folds]
        for path in files:
            digest.update(path.relative_to(self.folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def open_model(path: Path, *, unpack_into: Path | None = None) -> NnunetModel:
    """Find the model in a results folder or an exported zip.

    Parameters
    ----------
    path : Path
        A model folder, a folder above exactly one, or a zip of either.
    unpack_into : Path, optional
        Where a zip is unpacked, in a folder named by its digest; unpacked once.

    Raises
    ------
    MissingDependency
        If nothing is there.
    BadInput
        If it is not one nnU-Net v2 model, or the zip is not safe to unpack.
    """
    if not path.exists():
        raise MissingDependency(f"model {path} does not exist: train, download or name another")
    folder = path
    if path.is_file():
        if unpack_into is None:
            raise BadInput(f"{path} is a file: say where to unpack it")
        folder = _unpacked(path, unpack_into)
    candidates = [
        found.parent
        for found in sorted(folder.glob("**/plans.json"))
        if (found.parent / "dataset.json").is_file() and any(found.parent.glob("fold_*"))
    ]
    if len(candidates) != 1:
        raise BadInput(
            f"{path}: found {len(candidates)} nnU-Net v2 models (plans.json, dataset.json, fold_*),"
            " expected one; nnU-Net v1 models need the 'command' runner"
        )
    model = NnunetModel(candidates[0])
    if not model.folds:
        raise BadInput(f"{model.folder}: no fold holds {model.checkpoint}; is training finished?")
    return model


def export_zip(model: NnunetModel, path: Path) -> None:
    """Pack what prediction needs; debug.json and logs, which name the host, stay behind.

    A model in a folder ``DatasetNNN_name`` keeps that folder, so that nnU-Net's own
    ``nnUNetv2_install_pretrained_model_from_zip`` puts it where ``nnUNetv2_predict`` looks.
    """
    dataset = model.folder.parent.name
    above = [dataset] if _DATASET.fullmatch(dataset) else []
    files = [model.folder / name for name in EXPORTED]
    files += [model.folder / f"fold_{fold}" / model.checkpoint for fold in model.folds]
    with (
        atomic_path(path) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for file in files:
            if file.is_file():
                inside = PurePosixPath(
                    *above, model.folder.name, file.relative_to(model.folder).as_posix()
                )
                entry = zipfile.ZipInfo(str(inside), (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                with file.open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target)


def unzip_safely(archive: Path, target: Path) -> None:
    """Unpack a zip from outside: no absolute or climbing paths, no links, no bombs.

    Raises
    ------
    BadInput
        Naming the entry that is refused; nothing is left in `target` then.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _check_entries(archive, entries)
            for entry in entries:
                _extract(opened, entry, target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadInput(f"{archive}: not a readable zip ({error})") from None
    except BadInput:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _check_entries(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ZIP_FILES:
        raise BadInput(f"{archive}: {len(entries)} files, more than {MAX_ZIP_FILES}")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_ZIP_BYTES:
        raise BadInput(f"{archive}: unpacks to {total} bytes, more than {MAX_ZIP_BYTES}")
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in entry.filename:
            raise BadInput(f"{archive}: entry '{entry.filename}' points outside the archive")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadInput(f"{archive}: entry '{entry.filename}' is a link or a special file")


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    path = target / PurePosixPath(entry.filename.replace("\\", "/"))
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size  # a stream longer than it declares is a bomb
    with opened.open(entry) as source, path.open("wb") as file:
        while chunk := source.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise BadInput(f"{opened.filename}: '{entry.filename}' is larger than it declares")
            file.write(chunk)


def _unpacked(archive: Path, unpack_into: Path) -> Path:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = unpack_into / digest[:16]
    if not folder.is_dir():
        part = unpack_into / f".{digest[:16]}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        unzip_safely(archive, part)
        part.rename(folder)
    return folder


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path}: expected an object")
    return value
