"""Class maps as YAML files that people write by hand.

A file has a ``name`` (by default the file's) and ``structures`` in one of two forms::

    structures: {1: spleen, 2: kidney_right}            # value: name

    structures:                                         # or everything about each
      - {name: kidney_right, value: 2, part: organs, category: organ, side: right,
         mirror: kidney_left, colour: "#8a4b32", snomed: "64033007", neighbours: [liver]}

Only name and value must be there. A side or mirror that is left out is read from the name;
a neighbour named on one side counts for both; a colour that is left out is made from the value.
"""

import colorsys
import re
from collections.abc import Hashable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.anatomy.class_map import ClassMap, ClassMapError
from pipeline.anatomy.structure import Side, Structure, mirrored_name, side_in_name

DEFAULT_NAMES = ("class_map", "masksmith_104")
"""Names under which the map of the 104 structures is found."""

_KEYS = tuple(field.name for field in fields(Structure))
_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")
_GOLDEN_RATIO = 0.618033988749895


def load_class_map(path: Path) -> ClassMap:
    """Read a class map from a YAML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ClassMap
        Checked, with neighbours made symmetric.

    Raises
    ------
    ClassMapError
        If the file is missing, is no YAML, or describes no valid class map; the message
        names the file, the structure, what was found and what is expected.
    """
    path = Path(path)
    try:
        document = _read_yaml(path)
        entries = _entries(document)
        structures = _complete([_structure(entry) for entry in entries], entries)
        name = document.get("name", path.stem)
        return ClassMap(_text(name, "the map's name"), structures)
    except ClassMapError as error:
        raise ClassMapError(f"{path}: {error}") from None


def find_class_map(name_or_path: str, configs: Path) -> ClassMap:
    """Load a class map by name or path.

    Parameters
    ----------
    name_or_path : str
        ``class_map`` or ``masksmith_104`` for ``configs/class_map.yaml``; else the name of a
        file in ``configs/class_maps/``; else the path of a YAML file.
    configs : Path
        The settings folder.

    Returns
    -------
    ClassMap
        The map found.

    Raises
    ------
    ClassMapError
        If there is no such map, naming those there are.
    """
    return load_class_map(class_map_path(name_or_path, configs))


def class_map_path(name_or_path: str, configs: Path) -> Path:
    """Return the file that `find_class_map` loads for a name or path.

    Raises
    ------
    ClassMapError
        If there is no such map, naming those there are.
    """
    if name_or_path in DEFAULT_NAMES:
        return configs / "class_map.yaml"
    by_name = {path.stem: path for path in sorted((configs / "class_maps").glob("*.yaml"))}
    if name_or_path in by_name:
        return by_name[name_or_path]
    if Path(name_or_path).is_file():
        return Path(name_or_path)
    known = [*DEFAULT_NAMES, *by_name]
    near = get_close_matches(name_or_path, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ClassMapError(
        f"no class map '{name_or_path}': {hint}Known in {configs}: {', '.join(known)}; "
        "or give the path of a YAML file"
    )


def shipped_configs() -> Path:
    """Return the settings folder that comes with Masksmith.

    Returns
    -------
    Path
        ``pipeline/shipped_configs`` in an installed wheel, ``configs/`` in a checkout.

    Raises
    ------
    ClassMapError
        If neither holds a ``class_map.yaml``.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "shipped_configs", package.parent / "configs"):
        if (folder / "class_map.yaml").is_file():
            return folder
    raise ClassMapError(
        f"no settings folder with a class_map.yaml beside {package}: reinstall masksmith, "
        "or name one with --configs"
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClassMapError(f"cannot be read ({error})") from None
    try:
        document = yaml.load(text, Loader=_strict_loader())
    except yaml.YAMLError as error:
        raise ClassMapError(f"is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or "structures" not in document:
        raise ClassMapError("expected a mapping with the key 'structures'")
    unknown = set(document) - {"name", "structures"}
    if unknown:
        raise ClassMapError(f"unknown keys {sorted(map(str, unknown))}; known: name, structures")
    return document


def _strict_loader() -> type[Any]:
    """Build a safe YAML loader (in C where there is one) that refuses repeated keys."""
    import yaml

    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class StrictLoader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
            if len(mapping) != len(node.value):
                keys = [self.construct_object(key) for key, _ in node.value]
                twice = sorted({str(key) for key in keys if keys.count(key) > 1})
                line = node.start_mark.line + 1
                raise ClassMapError(f"line {line}: {', '.join(twice)} given twice; keep one")
            return mapping

    return StrictLoader


def _entries(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    structures = document["structures"]
    if isinstance(structures, dict):
        return [{"name": name, "value": value} for value, name in structures.items()]
    if structures is None:
        return []
    if not isinstance(structures, list):
        raise ClassMapError(f"'structures' is {structures!r}, expected a list or 'value: name'")
    for position, entry in enumerate(structures, start=1):
        if not isinstance(entry, dict):
            raise ClassMapError(f"structure number {position} is {entry!r}, expected a mapping")
    return structures


def _structure(entry: Mapping[str, Any]) -> Structure:
    missing = [key for key in ("name", "value") if key not in entry]
    if missing:
        raise ClassMapError(f"structure {dict(entry)}: {' and '.join(missing)} missing")
    name = _text(entry["name"], f"name of the structure with value {entry['value']}")
    where = f"structure '{name}'"
    unknown = [str(key) for key in entry if key not in _KEYS]
    if unknown:
        raise ClassMapError(f"{where}: unknown keys {unknown}; known: {', '.join(_KEYS)}")
    value = _whole_number(entry["value"], where)
    return Structure(
        name=name,
        value=value,
        part=_optional_text(entry, "part", where),
        category=_optional_text(entry, "category", where),
        side=_side(entry, name, where),
        mirror=_optional_text(entry, "mirror", where),
        colour=_colour(entry["colour"], where) if "colour" in entry else default_colour(value),
        snomed=_optional_text(entry, "snomed", where),
        neighbours=_names(entry.get("neighbours") or [], where),
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ClassMapError(f"{where}: found {value!r}, expected a text (put it in quotes)")
    return value


def _optional_text(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    value = entry.get(key)
    return None if value is None else _text(value, f"{where}: {key}")


def _whole_number(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ClassMapError(f"{where}: value is {value!r}, expected a whole number")
    return value


def _side(entry: Mapping[str, Any], name: str, where: str) -> Side | None:
    side: Side | None = entry.get("side", side_in_name(name))
    if side not in ("left", "right", None):
        raise ClassMapError(f"{where}: side is {side!r}, expected left, right or null")
    return side


def _colour(value: object, where: str) -> tuple[int, int, int]:
    if not isinstance(value, str) or not _HEX_COLOUR.match(value):
        raise ClassMapError(
            f'{where}: colour is {value!r}, expected "#rrggbb" in quotes '
            "(without them YAML reads '#' as a comment)"
        )
    red, green, blue = bytes.fromhex(value[1:])
    return red, green, blue


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ClassMapError(f"{where}: neighbours is {value!r}, expected a list of names")
    return tuple(dict.fromkeys(_text(name, f"{where}: neighbours") for name in value))


def _complete(
    structures: list[Structure], entries: list[Mapping[str, Any]]
) -> tuple[Structure, ...]:
    """Fill in mirrors that were not given, and name every neighbour on both sides."""
    known = {structure.name for structure in structures}
    touching: dict[str, dict[str, None]] = {s.name: dict.fromkeys(s.neighbours) for s in structures}
    for structure in structures:
        for name in structure.neighbours:
            touching.get(name, {})[structure.name] = None
    completed = []
    for structure, entry in zip(structures, entries, strict=True):
        mirror = structure.mirror
        if "mirror" not in entry and mirrored_name(structure.name) in known:
            mirror = mirrored_name(structure.name)
        neighbours = tuple(touching[structure.name])
        completed.append(replace(structure, mirror=mirror, neighbours=neighbours))
    return tuple(completed)


def default_colour(value: int) -> tuple[int, int, int]:
    """Return a steady colour for a voxel value: hues a golden section apart, never dark."""
    hue = (value * _GOLDEN_RATIO) % 1.0
    lightness = (0.55, 0.68, 0.45)[value % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return round(red * 255), round(green * 255), round(blue * 255)
