"""The tables of `benchmarks.plausibility`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qc.planting import GRADES, KINDS, PARTS, Grade, Part
from qc.planting.catch_rate import CatchRate

_PART_WORDS: dict[Part, str] = {"tuning": "tuning", "held_out": "held out"}
TARGETS: dict[Grade, float] = {"gross": 0.95, "medium": 0.8}


@dataclass(frozen=True, slots=True)
class Row:
    """One planted error and whether the rules caught it."""

    case: str
    part: Part
    is_real: bool
    kind: str
    grade: Grade
    is_caught: bool
    by: str
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CleanCount:
    """What the rules said of a case into which nothing was planted."""

    case: str
    part: Part
    is_real: bool
    high: int
    medium: int


def tables(rows: Sequence[Row], clean: Sequence[CleanCount]) -> str:
    """Write all tables of a run."""
    bodies = [row for row in rows if not row.is_real]
    real = [row for row in rows if row.is_real]
    parts = [part for part in PARTS if any(row.part == part for row in rows)]
    count = len({(c.case, c.part) for c in clean if not c.is_real})
    said = [
        f"{len(bodies)} errors planted into {count} synthetic bodies. Each cell: caught of planted,"
        " the share, and its 95 % interval (Wilson).\n",
        _summary(bodies, parts),
        _by_kind(bodies, parts),
        _false_alarms([c for c in clean if not c.is_real], parts),
    ]
    if real:
        said += [
            f"The same in a real scan ({len({c.case for c in clean if c.is_real})} label maps made "
            f"by a model, {len(real)} errors), kinds together:\n",
            _summary(real, parts),
            _false_alarms([c for c in clean if c.is_real], parts),
        ]
    else:
        said.append("Real scan: not measured, its files are not there.\n")
    return "\n".join(said)


def rate(rows: Iterable[Row]) -> CatchRate:
    """Count what was caught."""
    every = list(rows)
    return CatchRate(sum(row.is_caught for row in every), len(every))


def _summary(rows: Sequence[Row], parts: Sequence[Part]) -> str:
    lines = ["| size | target | " + " | ".join(_PART_WORDS[part] for part in parts) + " |"]
    lines.append("|---|---:|" + "---:|" * len(parts))
    for grade in GRADES:
        target = f"{TARGETS[grade]:.0%}" if grade in TARGETS else "–"
        cells = [
            str(rate(r for r in rows if r.grade == grade and r.part == part)) for part in parts
        ]
        lines.append(f"| {grade} | {target} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _by_kind(rows: Sequence[Row], parts: Sequence[Part]) -> str:
    columns = [(part, grade) for part in parts for grade in GRADES]
    lines = ["| kind | " + " | ".join(f"{_PART_WORDS[p]}, {g}" for p, g in columns) + " |"]
    lines.append("|---|" + "---:|" * len(columns))
    for kind in KINDS:
        mine = [row for row in rows if row.kind == kind.name]
        if not mine:
            continue
        cells = [
            str(rate(r for r in mine if (r.part, r.grade) == (part, grade)))
            for part, grade in columns
        ]
        lines.append(f"| `{kind.name}`: {kind.summary} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _false_alarms(clean: Sequence[CleanCount], parts: Sequence[Part]) -> str:
    said = []
    for part in parts:
        mine = [count for count in clean if count.part == part]
        if mine:
            high, medium = (sum(getattr(c, s) for c in mine) for s in ("high", "medium"))
            said.append(
                f"{_PART_WORDS[part]}: {high / len(mine):.2f} high and {medium / len(mine):.2f} "
                f"medium a case ({len(mine)} cases)"
            )
    return f"Findings where nothing was planted: {'; '.join(said)}.\n"
