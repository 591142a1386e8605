"""Parts: which structures one model learns, by the class map or by a file in configs/parts.

A part of the class map is the group its structures name (the paper's five). Any other group is a
file ``configs/parts/<name>.yaml`` with the key ``structures``, a list of names.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from pipeline.anatomy import ClassMap, ClassMapError, shipped_configs
from pipeline.errors import BadInput, UsageError
from training.retrain_settings import RetrainSettings

ALL = "all"
_UNNAMED = "other"


def models_wanted(class_map: ClassMap, settings: RetrainSettings) -> dict[str, tuple[str, ...]]:
    """Name the models of a round and the structures each is asked to learn.

    Raises
    ------
    UsageError
        If a part or structure does not exist, nothing is left, or two models would learn the
        same structure.
    BadInput
        If the file of a part cannot be used.
    """
    parts = parts_named(class_map, settings.parts, settings.configs)
    named = {class_map[name].name for name in settings.structures} or set(class_map.names)
    wanted = {part: tuple(n for n in names if n in named) for part, names in parts.items()}
    wanted = {part: names for part, names in wanted.items() if names}
    if not wanted:
        raise UsageError("no structure is both in --structures and in --parts")
    if settings.one_model_per_part:
        _refuse_shared_structures(wanted)
        _refuse_shared_folders(tuple(wanted))
        return wanted
    union = {name for names in wanted.values() for name in names}
    return {ALL: tuple(name for name in class_map.names if name in union)}


def folder_name(part: str) -> str:
    """Give the name under which nnU-Net knows a part: letters, digits, underscore."""
    return re.sub(r"[^A-Za-z0-9]+", "_", part)


def parts_named(
    class_map: ClassMap, names: tuple[str, ...], configs: Path | None = None
) -> dict[str, tuple[str, ...]]:
    """Give the structures of each part; without names every part of the class map.

    Parameters
    ----------
    names : tuple of str
        Parts of the class map or files in ``<configs>/parts``.
    configs : Path, optional
        The settings folder; the shipped one by default.

    Returns
    -------
    dict
        Part to structures, in the order of the class map.

    Raises
    ------
    UsageError
        If there is no such part, naming those there are.
    BadInput
        If the file of a part cannot be used, or has the name of a part of the class map.
    """
    own = _of_the_class_map(class_map)
    if not names:
        return own
    files = _files(configs or shipped_configs())
    found = {}
    for name in names:
        if name in own and name in files:
            raise BadInput(
                f"{files[name]}: '{name}' is also a part of class map {class_map.name}, and they "
                "may differ: rename the file"
            )
        if name in own:
            found[name] = own[name]
        elif name in files:
            found[name] = read_part(files[name], class_map)
        else:
            raise UsageError(_unknown(name, class_map, (*own, *files)))
    return found


def read_part(path: Path, class_map: ClassMap) -> tuple[str, ...]:
    """Read the structures of one part from its file.

    Returns
    -------
    tuple of str
        In the order of the class map.

    Raises
    ------
    BadInput
        Naming the file, and the structure the class map does not have with names that come close.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: no readable YAML ({' '.join(str(error).split())})") from error
    names = document.get("structures") if isinstance(document, dict) else None
    if not isinstance(names, list) or not names or set(document) != {"structures"}:
        raise BadInput(f"{path}: expected the one key 'structures' with a list of names")
    for name in names:
        if not isinstance(name, str):
            raise BadInput(f"{path}: structure {name!r}, expected a name")
        try:
            class_map[name]
        except ClassMapError as error:
            raise BadInput(f"{path}: {error}") from None
    return tuple(name for name in class_map.names if name in set(names))


def _of_the_class_map(class_map: ClassMap) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for structure in class_map:
        groups.setdefault(structure.part or _UNNAMED, []).append(structure.name)
    return {part: tuple(names) for part, names in groups.items()}


def _files(configs: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted((configs / "parts").glob("*.yaml"))}


def _unknown(name: str, class_map: ClassMap, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f": did you mean '{close[0]}'?" if close else "."
    return (
        f"part '{name}' is neither a part of class map {class_map.name} nor a file in "
        f"configs/parts{hint} There are: {', '.join(known)}"
    )


def _refuse_shared_structures(wanted: Mapping[str, tuple[str, ...]]) -> None:
    owner: dict[str, str] = {}
    for part, names in wanted.items():
        for name in names:
            if name in owner:
                raise UsageError(
                    f"structure '{name}' is in the parts {owner[name]} and {part}: two models of "
                    "one round would both predict it; name parts that share nothing"
                )
            owner[name] = part


def _refuse_shared_folders(parts: tuple[str, ...]) -> None:
    by_folder: dict[str, str] = {}
    for part in parts:
        other = by_folder.setdefault(folder_name(part).lower(), part)
        if other != part:
            raise UsageError(f"parts {other} and {part} would share a folder: rename one of them")
