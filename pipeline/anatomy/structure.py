"""One anatomical structure: its name, its voxel value, and how it relates to others."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["left", "right"]

LATERALITY_SNOMED: dict[Side, str] = {"left": "7771000", "right": "24028007"}
"""SNOMED CT qualifiers |Left| and |Right| (DICOM CID 244)."""

LARGEST_VALUE = 65535
"""Label maps are stored in at most 16 bits."""


@dataclass(frozen=True, slots=True)
class Structure:
    """One thing to segment.

    Attributes
    ----------
    name : str
        Unique word for the structure; the only way other code refers to it.
    value : int
        Voxel value in a label map of its class map, 1..65535 (0 is background).
    part : str or None
        Body part in which pictures and trainings group it. A free word.
    category : str or None
        Kind of tissue (organ, bone, muscle, vessel, ...). A free word.
    side : {"left", "right"} or None
        The patient's side; None for what lies in the middle or has no side.
    mirror : str or None
        Name of the same structure on the other side.
    colour : tuple of int
        Red, green, blue, each 0..255.
    snomed : str or None
        SNOMED CT code of the anatomy. A pair that shares one code is told apart by the
        laterality modifier, see `LATERALITY_SNOMED`.
    neighbours : tuple of str
        Names of the structures that touch it in a body.
    """

    name: str
    value: int
    part: str | None
    category: str | None
    side: Side | None
    mirror: str | None
    colour: tuple[int, int, int]
    snomed: str | None
    neighbours: tuple[str, ...] = ()


def structure_problems(structure: Structure) -> list[str]:
    """Say what is wrong with a structure taken by itself.

    Parameters
    ----------
    structure : Structure
        The structure to look at.

    Returns
    -------
    list of str
        One sentence per problem: what was found, what is expected. Empty if all is well.
    """
    where = f"structure '{structure.name}'"
    problems = []
    if not structure.name or structure.name != structure.name.strip() or "/" in structure.name:
        problems.append(f"{where}: the name must be a word without '/' or outer blanks")
    if not 1 <= structure.value <= LARGEST_VALUE:
        problems.append(
            f"{where}: value is {structure.value}, expected 1..{LARGEST_VALUE} (0 is background)"
        )
    if len(structure.colour) != 3 or any(not 0 <= c <= 255 for c in structure.colour):
        problems.append(f"{where}: colour is {structure.colour}, expected 3 numbers in 0..255")
    if structure.snomed is not None and not is_snomed_code(structure.snomed):
        problems.append(
            f"{where}: snomed is '{structure.snomed}', which is no SNOMED CT code "
            "(6 to 18 digits with a valid check digit)"
        )
    if structure.name in structure.neighbours:
        problems.append(f"{where}: is listed as its own neighbour; remove it there")
    named = side_in_name(structure.name)
    if named is not None and structure.side != named:
        problems.append(f"{where}: side is {structure.side}, but the name says {named}")
    return problems


def side_in_name(name: str) -> Side | None:
    """Read the side out of a name such as ``rib_left_3``; None if it names no single side."""
    words = set(name.lower().split("_"))
    if "left" in words and "right" not in words:
        return "left"
    if "right" in words and "left" not in words:
        return "right"
    return None


def mirrored_name(name: str) -> str | None:
    """Return the name with ``left`` and ``right`` exchanged; None if it names no single side."""
    if side_in_name(name) is None:
        return None
    other = {"left": "right", "right": "left"}
    return "_".join(other.get(word, word) for word in name.split("_"))


def is_snomed_code(code: str) -> bool:
    """Say whether a text is a well-formed SNOMED CT identifier.

    Source: SNOMED CT Release File Specification, "SNOMED CT Identifiers": 6 to 18 digits,
    the last one a Verhoeff check digit. A mistyped digit is found, a wrong concept is not.
    """
    if not (code.isascii() and code.isdigit() and 6 <= len(code) <= 18 and code[0] != "0"):
        return False
    check = 0
    for position, digit in enumerate(reversed(code)):
        check = _DIHEDRAL[check][_PERMUTATION[position % 8][int(digit)]]
    return check == 0


def _dihedral(a: int, b: int) -> int:
    """Multiply two elements of the dihedral group of order 10 (Verhoeff 1969)."""
    if a < 5:
        return (a + b) % 5 if b < 5 else (a + b) % 5 + 5
    return (a - b) % 5 + 5 if b < 5 else (a - b) % 5


def _permutations() -> list[list[int]]:
    rows = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        rows.append([rows[1][digit] for digit in rows[-1]])
    return rows


_DIHEDRAL = [[_dihedral(a, b) for b in range(10)] for a in range(10)]
_PERMUTATION = _permutations()
