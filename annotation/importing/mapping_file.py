"""The mapping a person fills in: ``name in the file: structure``, one line a name."""

import json
from collections.abc import Mapping
from pathlib import Path

from annotation.importing.lined_yaml import WordFileError, read_entries
from annotation.importing.names import LEFT_OUT, Match
from pipeline.anatomy import ClassMap
from pipeline.volume import write_file_atomically

_HEAD = f"""\
# Names that masksmith could not match. Write the structure behind the colon, or '{LEFT_OUT}', and
# give this file back:  masksmith import-rough --from PATH --mapping THIS_FILE
# A name that stays empty stays unmatched.
"""


def read_mapping(path: Path, class_map: ClassMap) -> dict[str, str]:
    """Read a mapping.

    Returns
    -------
    dict of str to str
        Name in the file to structure, `LEFT_OUT`, or empty where nobody has decided yet.

    Raises
    ------
    WordFileError
        If it cannot be read, or names a structure that the class map does not have; with its line.
    """
    mapping: dict[str, str] = {}
    for entry in read_entries(path):
        structure = entry.value
        if not isinstance(structure, str):
            raise WordFileError(f"{path}, line {entry.line}: expected one structure per name")
        if structure and structure != LEFT_OUT and structure not in class_map:
            raise WordFileError(
                f"{path}, line {entry.line}: structure '{structure}' is not in the class map "
                f"{class_map.name}{_near(structure, class_map)}"
            )
        mapping[entry.key] = structure
    return mapping


def mapping_text(unmatched: Mapping[str, Match]) -> str:
    """Write the mapping file for what was not matched: names empty, what they may be as comments.

    Parameters
    ----------
    unmatched : mapping of str to Match
        By the name in the file.
    """
    lines = [_HEAD]
    for name in sorted(unmatched):
        match = unmatched[name]
        perhaps = f"; perhaps {', '.join(match.candidates)}" if match.candidates else ""
        # JSON is YAML, and quotes what a plain name could not be.
        lines.append(f"{json.dumps(name, ensure_ascii=False)}:   # {match.reason}{perhaps}\n")
    return "".join(lines)


def write_mapping(path: Path, unmatched: Mapping[str, Match]) -> Path:
    """Write the mapping file under this name, or the next free one: nothing is overwritten.

    Returns
    -------
    Path
        Where it stands; one that already says the same is left as it is.
    """
    text = mapping_text(unmatched).encode()
    number = 1
    candidate = path
    while candidate.exists() and candidate.read_bytes() != text:
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    if not candidate.exists():
        candidate.parent.mkdir(parents=True, exist_ok=True)
        write_file_atomically(candidate, text)
    return candidate


def _near(name: str, class_map: ClassMap) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, class_map.names, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""
