"""Small YAML files written by hand, read with the line of each entry, so that errors name it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput

_LARGEST_BYTES = 4 * 2**20


class WordFileError(BadInput):
    """A file of names that cannot be read or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a mapping.

    Attributes
    ----------
    value : str, tuple of str, or tuple of Entry
        Text as it stands (``no`` is no false), a list of texts, or a mapping below.
    line : int
        Counted from one.
    """

    key: str
    value: "str | tuple[str, ...] | tuple[Entry, ...]"
    line: int


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Read a file that is a mapping of texts to texts, lists of texts, or further mappings.

    Raises
    ------
    WordFileError
        If it is missing, too large, no such YAML, or gives a key twice.
    """
    import yaml

    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise WordFileError(f"{path}: more than {_LARGEST_BYTES:,} bytes, no file of names")
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise WordFileError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    except yaml.YAMLError as error:
        raise WordFileError(f"{path}: no valid YAML ({' '.join(str(error).split())})") from None
    if node is None:
        return ()
    if not isinstance(node, yaml.MappingNode):
        raise WordFileError(f"{path}: expected 'name: structure' lines")
    return tuple(_entries(path, node, depth=0))


def _entries(path: Path, node: Any, depth: int) -> Iterator[Entry]:
    import yaml

    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise WordFileError(f"{path}, line {line}: expected a text before the colon")
        if key.value in seen:
            raise WordFileError(
                f"{path}, line {line}: '{key.value}' is there already in line {seen[key.value]}; "
                "keep one"
            )
        seen[key.value] = line
        yield Entry(key.value, _value(path, value, line, depth), line)


def _value(path: Path, node: Any, line: int, depth: int) -> Any:
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return "" if node.tag.endswith(":null") else node.value
    if isinstance(node, yaml.SequenceNode) and all(
        isinstance(item, yaml.ScalarNode) for item in node.value
    ):
        return tuple(item.value for item in node.value)
    if isinstance(node, yaml.MappingNode) and depth == 0:
        return tuple(_entries(path, node, depth + 1))
    raise WordFileError(f"{path}, line {line}: expected a text or a list of texts")
