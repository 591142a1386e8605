"""Command line options made from the fields of a stage's settings.

Words: a field's *kind* is the click type of one value plus whether several values may be given.
The option carries no default of its own: only what was really typed becomes a flag, so that the
settings file and the environment keep their say.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

SEQUENCES: tuple[type, ...] = (list, tuple, set, frozenset, Sequence, Collection)
DRY_RUN_FLAG = "-n/--dry-run"
NONE = "none"


class OneOf(click.Choice[str]):
    """One of the values of a `Literal` or an enum, typed as text and given back as it is."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.by_text = {str(getattr(value, "value", value)): value for value in values}
        super().__init__(list(self.by_text))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value itself, after checking that the text names one."""
        return self.by_text[super().convert(str(value), param, ctx)]


class CommaList(click.ParamType[list[Any]]):
    """Several values in one word, separated by commas."""

    name = "list"

    def __init__(self, item: click.ParamType[Any]) -> None:
        self.item = item

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show the form and, for choices, what may be chosen."""
        one = self.item.get_metavar(param, ctx) or self.item.name.upper()
        return f"{one},..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[Any]:
        """Split at the commas and convert each part."""
        if isinstance(value, list):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        return [self.item(part, param, ctx) for part in parts if part]


@dataclass(frozen=True, slots=True)
class Kind:
    """The click type of one value of a field, and whether it takes several."""

    item: click.ParamType[Any]
    several: bool = False


def options_of(
    settings: type[BaseModel], configured: Mapping[str, object]
) -> list[click.Parameter]:
    """Return one option per field that a command line can express.

    Parameters
    ----------
    settings
        The model whose fields become options. `json_schema_extra` of a field may hold `cli`
        ("argument" or "hidden") and `flag` ("-i/--input").
    configured
        What the settings file says, shown in the help text where it differs from the default.

    A field `configs` gets the folder of the shared option and has none of its own.
    """
    options: list[click.Parameter] = []
    for name, field in settings.model_fields.items():
        how = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        kind = kind_of(field.annotation)
        if kind is None or name == "configs" or how.get("cli") == "hidden":
            continue
        text = _help(name, field, configured)
        if how.get("cli") == "argument":
            options.append(_argument(name, kind, text, required=field.is_required()))
        else:
            options.append(_option(name, kind, text, str(how.get("flag", ""))))
    return options


def kind_of(annotation: Any) -> Kind | None:
    """Return how a value of this type is typed, or None where a flag cannot express it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(inner[0])
    if origin is Literal:
        return Kind(OneOf(inner))
    if origin in (Union, types.UnionType):
        return _kind_of_union([part for part in inner if part is not type(None)])
    if origin in SEQUENCES or annotation in SEQUENCES:
        item = kind_of(inner[0]) if inner else Kind(click.STRING)
        return None if item is None or item.several else Kind(item.item, several=True)
    return _plain_kind(annotation)


def _kind_of_union(parts: list[Any]) -> Kind | None:
    """Return the kind of the only part left without None; a mixture is typed as text."""
    if len(parts) == 1:
        return kind_of(parts[0])
    kinds = [kind_of(part) for part in parts]
    return None if None in kinds else Kind(click.STRING)


def _plain_kind(annotation: Any) -> Kind | None:
    """Return the kind of a plain type: a number, text, a path, yes or no, an enum."""
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, enum.Enum):
        return Kind(OneOf(list(annotation)))
    plain: dict[type, click.ParamType[Any]] = {
        bool: click.BOOL,
        int: click.INT,
        float: click.FLOAT,
        str: click.STRING,
        Path: click.Path(path_type=Path),
    }
    return Kind(plain[annotation]) if annotation in plain else None


def _argument(name: str, kind: Kind, text: str, *, required: bool) -> click.Argument:
    """Return a positional argument; commas stay, since a file name may hold one."""
    shape: dict[str, Any] = {"nargs": -1} if kind.several else {}
    metavar = name.upper().removesuffix("S") + "..." if kind.several else name.upper()
    shown = metavar if required else f"[{metavar}]"
    return click.Argument(
        [name], type=kind.item, required=required, metavar=shown, help=text, **shape
    )


def _option(name: str, kind: Kind, text: str, flag: str) -> click.Option:
    """Return an option under the field's name and, where the field asks for it, a short one."""
    names = [name, *_spellings(name, kind, flag)]
    if kind.item is click.BOOL and not kind.several:
        return click.Option(names, default=None, help=text)
    if not kind.several:
        return click.Option(names, type=kind.item, help=text)
    several = kind.item if isinstance(kind.item, click.Path) else CommaList(kind.item)
    return click.Option(names, type=several, multiple=True, help=text)


def _spellings(name: str, kind: Kind, flag: str) -> list[str]:
    """Return the spellings on the command line, as `-i`, `--input` or `--x/--no-x`."""
    given = (flag or (DRY_RUN_FLAG if name == "dry_run" else "")).split("/")
    short = [word for word in given if word.startswith("-") and not word.startswith("--")]
    long = next((word for word in given if word.startswith("--")), "--" + name.replace("_", "-"))
    if kind.item is click.BOOL and not kind.several:
        long = f"{long}/--no-{long[2:]}"
    return [*short, long]


def _help(name: str, field: FieldInfo, configured: Mapping[str, object]) -> str:
    """Return the field's description with its default and what the settings file makes of it."""
    text = (field.description or "").rstrip()
    if field.is_required():
        return text
    default = field.get_default(call_default_factory=True)
    notes = [] if shown(default) == NONE else [f"default: {shown(default)}"]
    if name in configured and shown(configured[name]) != shown(default):
        notes.append(f"settings file: {shown(configured[name])}")
    return f"{text}  [{'; '.join(notes)}]" if notes else text


def shown(value: object) -> str:
    """Return a value as a person would type it."""
    if value is None or value == () or value == []:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(shown(item) for item in value)
    return str(value)


def flags_given(context: click.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return only what was typed, with the lists of repeated options joined."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {
        name: _joined(value)
        for name, value in values.items()
        if context.get_parameter_source(name) is typed and value is not None
    }


def _joined(value: Any) -> Any:
    """Flatten what several `--x a,b --x c` gave into one list."""
    if not isinstance(value, tuple):
        return value
    return [item for part in value for item in (part if isinstance(part, list) else [part])]
