"""In which grey-value window each structure is shown first: `configs/annotation.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pipeline.anatomy import Structure
from pipeline.anatomy.windows import WINDOWS, Window
from pipeline.errors import BadInput


@dataclass(frozen=True, slots=True)
class WindowRule:
    """Which structures begin in a window."""

    window: str
    names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def fits(self, structure: Structure) -> bool:
        """Tell whether a structure is meant."""
        named = any(fnmatchcase(structure.name, pattern) for pattern in self.names)
        return named or structure.category in self.categories


@dataclass(frozen=True, slots=True)
class StructureWindows:
    """The windows there are, and the rules that choose one.

    Attributes
    ----------
    windows : mapping
        By name, in the order of the keys F1 to F4.
    """

    windows: Mapping[str, Window]
    rules: tuple[WindowRule, ...] = ()

    def of(self, structure: Structure) -> Window:
        """Choose the window of a structure."""
        for rule in self.rules:
            if rule.fits(structure):
                return self.windows[rule.window]
        return next(iter(self.windows.values()))


def read_structure_windows(configs: Path) -> StructureWindows:
    """Read the windows; without the file those of radiology's workstations.

    Raises
    ------
    BadInput
        When the file cannot be read or names a window that it lacks.
    """
    import yaml

    path = configs / "annotation.yaml"
    if not path.is_file():
        return StructureWindows(WINDOWS)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        windows = {str(n): _window(str(n), v) for n, v in content["windows"].items()}
        rules = tuple(_rule(values) for values in content.get("rules") or ())
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise BadInput(
            f"{path}: expected 'windows' and 'rules' as the shipped file has them, found {why}"
        ) from None
    unknown = [rule.window for rule in rules if rule.window not in windows]
    if unknown or not windows:
        raise BadInput(f"{path}: no window called {unknown or 'anything'}; it has {list(windows)}")
    return StructureWindows(windows, rules)


def _window(name: str, values: Mapping[str, Any]) -> Window:
    window = Window(name, float(values["level_hu"]), float(values["width_hu"]))
    if not window.width_hu > 0:
        raise ValueError(f"window {name} of width {window.width_hu} HU")
    return window


def _rule(values: Mapping[str, Any]) -> WindowRule:
    names, categories = values.get("names") or (), values.get("categories") or ()
    return WindowRule(str(values["window"]), tuple(map(str, names)), tuple(map(str, categories)))
