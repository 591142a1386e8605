"""Words in a picture: legends, titles, marks, header."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pipeline.anatomy import Structure
from pipeline.volume import Grid
from pipeline.workspace.finding_file import Finding
from qc.flags import Suspicion
from qc.look import ACCENT, BACKGROUND, DIM, LINE, MISSING, TEXT, WARN, Colour, font
from qc.panels import LegendRow
from qc.picture_layout import LEGEND_LINE_PX, MARGIN_PX, Column, legend_columns

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Standing = Literal["present", "missing", "absent"]

_TEXT_PX = 16
_SMALLEST_TEXT_PX = 12
_PATCH_PX = 14
_MOST_NUMBERS = 3
_OUTLINED: dict[str, Any] = {"stroke_width": 3, "stroke_fill": BACKGROUND}


@dataclass(frozen=True, slots=True)
class CaseInfo:
    """What a picture says in words about its case.

    Attributes
    ----------
    case_id : str
    phase : str or None
    sources : mapping
        Where the masks in force come from, such as ``{"round 1": 63, "model btcv": 13}``.
    accepted : int
        How many of them a person accepted.
    absent : collection of str
        Structures of which a person said that they are not there.
    suspicious : collection of Finding
        What the machine noticed; the severe ones are drawn.
    """

    case_id: str
    phase: str | None = None
    sources: Mapping[str, int] = field(default_factory=dict)
    accepted: int = 0
    absent: Collection[str] = ()
    suspicious: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """Which structures are drawn, which are not, and what else the label map holds.

    Attributes
    ----------
    present, cut : frozenset of int
        Label values; the cut ones touch the edge of the field of view.
    absent : frozenset of str
        Names of structures that a person called absent.
    unknown : tuple of int
        Label values that the class map does not know.
    suspicions : mapping
        What is said against structures, by name.
    """

    present: frozenset[int]
    cut: frozenset[int]
    absent: frozenset[str]
    unknown: tuple[int, ...]
    suspicions: Mapping[str, Suspicion] = field(default_factory=dict)

    def standing(self, structure: Structure) -> Standing:
        """Say how a structure stands."""
        if structure.value in self.present:
            return "present"
        return "absent" if structure.name in self.absent else "missing"

    def count(self, structures: Sequence[Structure]) -> str:
        """Say how many of them are present: ``"7 of 9"``."""
        present = sum(structure.value in self.present for structure in structures)
        return f"{present} of {len(structures)}"


def draw_legend(
    pen: "ImageDraw", column: Column, top_px: int, rows: Sequence[LegendRow], findings: Findings
) -> None:
    """Write one panel's legend: a patch per structure, right before left, and the name."""
    across = legend_columns(column, len(rows))
    per_column = -(-len(rows) // across)
    width = column.width_px // across
    for place, row in enumerate(rows):
        left = column.left_px + 6 + place // per_column * width
        top = top_px + place % per_column * LEGEND_LINE_PX
        _draw_row(pen, (left, top, width - 10), row, findings)


def draw_title(pen: "ImageDraw", column: Column, top_px: int, title: str, count: str) -> None:
    """Write a panel's title and how many of its structures are present."""
    middle = top_px + 15
    pen.text((column.left_px + 6, middle), title, TEXT, font(18), anchor="lm")
    right = column.left_px + column.width_px - 6
    room = column.width_px - 20 - font(18).getlength(title)
    if count and font(17).getlength(count) <= room:
        pen.text((right, middle), count, DIM, font(17), anchor="rm")


def draw_marks(
    pen: "ImageDraw", box: tuple[int, int, int, int], words: tuple[str, str], view: str
) -> None:
    """Write the sides (left, right of the picture) and the name of the view into its corners."""
    left, top, width, height = box
    bottom = top + height - 6
    for across, word, anchor in ((left + 8, words[0], "ls"), (left + width - 8, words[1], "rs")):
        pen.text((across, bottom), word, WARN, font(22), anchor, **_OUTLINED)
    pen.text((left + 8, top + 6), view, TEXT, font(16), "la", **_OUTLINED)


def draw_header(
    pen: "ImageDraw", info: CaseInfo, grid: Grid, count: str, findings: Findings
) -> None:
    """Write what the case is, where its masks come from, and what needs attention."""
    left = _say(pen, (MARGIN_PX, 40), [(info.case_id, TEXT, 32)])
    spacing = " × ".join(f"{step:.3g}" for step in grid.spacing_mm)
    size = " × ".join(str(count) for count in grid.shape)
    facts = f"{size} voxels   {spacing} mm   {grid.orientation}"
    facts += f"   {info.phase}" if info.phase else ""
    left = _say(pen, (left + 28, 40), [(facts, DIM, 20)])
    left = _say(pen, (left + 44, 40), [(count, ACCENT, 32), ("  structures present", DIM, 20)])
    sources = "   ".join(f"{name}: {number}" for name, number in info.sources.items())
    said = f"masks from   {sources}   accepted: {info.accepted}" if sources else "no masks yet"
    _say(pen, (left + 44, 40), [(said, DIM, 20)])
    if findings.unknown:
        values = ", ".join(str(value) for value in findings.unknown[:12])
        more = " ..." if len(findings.unknown) > 12 else ""
        warning = f"label values not in the class map, not drawn: {values}{more}"
        _say(pen, (MARGIN_PX, 72), [(warning, WARN, 20)])


def draw_footer(pen: "ImageDraw", left_px: int, bottom_px: int, *, scale: float) -> None:
    """Explain the signs, and give the scale as a bar of 10 cm."""
    baseline = bottom_px - 16
    bar = int(100 * scale)
    pen.line((left_px, baseline - 4, left_px + bar, baseline - 4), fill=DIM, width=3)
    words = (
        "10 cm      R, L: the patient's sides; patches stand right, left      hollow: no mask      "
        "thin frame: the CT ends here, bright where a mask is cut off by it (cut)      "
        "absent: a person said so      outline and !: suspicious, see the number"
    )
    pen.text((left_px + bar + 10, baseline), words, DIM, font(15), anchor="ls")


def count_sources(words: Sequence[str]) -> dict[str, int]:
    """Count where masks come from, the most frequent first."""
    return dict(Counter(words).most_common())


def _draw_row(
    pen: "ImageDraw", place: tuple[int, int, int], row: LegendRow, findings: Findings
) -> None:
    left, top, width = place
    slots = {"right": 0, None: 0, "left": 1}
    for member in row.members:
        start = left + slots[member.side] * (_PATCH_PX + 3)
        across = _PATCH_PX if row.sided else 2 * _PATCH_PX + 3
        _draw_patch(pen, (start, top + 3, across), member, findings.standing(member))
        suspicion = findings.suspicions.get(member.name)
        if suspicion is not None:
            box = (start - 1, top + 2, start + across, top + 3 + _PATCH_PX)
            pen.rectangle(box, outline=suspicion.colour, width=2)
    words, colour = words_of(row, findings)
    start = left + 2 * _PATCH_PX + 12
    marks = _marks_of(row, findings)
    room = width - (start - left) - sum(_mark_px(mark) for mark, _ in marks)
    # Smaller letters before fewer: what stands at the end is the remark.
    sizes = range(_TEXT_PX, _SMALLEST_TEXT_PX - 1, -1)
    size = next((each for each in sizes if font(each).getlength(words) <= room), sizes[-1])
    fitting = fit(words, room, size)
    pen.text((start, top + 10), fitting, colour, font(size), "lm")
    start += int(font(size).getlength(fitting)) + 6
    for mark, severity in marks:
        pen.text((start, top + 10), mark, severity, font(_TEXT_PX), "lm")
        start += _mark_px(mark)


def _marks_of(row: LegendRow, findings: Findings) -> list[tuple[str, Colour]]:
    """Give the numbers of the findings about a line's structures, with their colours."""
    marks = []
    for member in row.members:
        suspicion = findings.suspicions.get(member.name)
        if suspicion is not None:
            numbers = " ".join(str(number) for number in suspicion.numbers[:_MOST_NUMBERS])
            more = " …" if len(suspicion.numbers) > _MOST_NUMBERS else ""
            marks.append((f"!{numbers}{more}", suspicion.colour))
    return marks


def _mark_px(mark: str) -> int:
    return int(font(_TEXT_PX).getlength(mark)) + 6


def _draw_patch(
    pen: "ImageDraw", place: tuple[int, int, int], member: Structure, standing: Standing
) -> None:
    left, top, across = place
    box = (left, top, left + across - 1, top + _PATCH_PX - 1)
    if standing == "present":
        pen.rectangle(box, fill=member.colour)
        return
    pen.rectangle(box, outline=MISSING if standing == "missing" else LINE)


def words_of(row: LegendRow, findings: Findings) -> tuple[str, Colour]:
    """Give the words of a legend line and their colour."""
    standings = [findings.standing(member) for member in row.members]
    remarks = []
    cut = [member for member in row.members if member.value in findings.cut]
    if cut:
        remarks.append(f"cut{_sides(cut, row)}")
    absent = [m for m, s in zip(row.members, standings, strict=True) if s == "absent"]
    if absent:
        remarks.append(f"absent{_sides(absent, row)}")
    words = f"{row.label}  ({', '.join(remarks)})" if remarks else row.label
    return words, TEXT if "present" in standings else MISSING


def _sides(some: Sequence[Structure], row: LegendRow) -> str:
    """Name the sides that are meant, unless it is all of them."""
    if len(some) == len(row.members):
        return ""
    return " " + " ".join(str(member.side)[0].upper() for member in some)


def fit(words: str, room_px: float, text_px: int = _TEXT_PX) -> str:
    """Shorten words until they fit, with an ellipsis."""
    if font(text_px).getlength(words) <= room_px:
        return words
    while words and font(text_px).getlength(words + "…") > room_px:
        words = words[:-1]
    return words.rstrip() + "…"


def _say(pen: "ImageDraw", place: tuple[int, int], words: Sequence[tuple[str, Colour, int]]) -> int:
    left, baseline = place
    for text, colour, size in words:
        pen.text((left, baseline), text, colour, font(size), anchor="ls")
        left += int(font(size).getlength(text))
    return left
