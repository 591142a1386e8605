"""`masksmith preview`: CT and segmentation in, one picture out. Nothing gets into a workspace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, call_of
from pipeline.cli.ct_and_labels import (
    class_map_for_files,
    ct_and_labels_options,
    read_ct_and_labels,
)
from pipeline.cli.group import Command
from pipeline.cli.output import write_json
from pipeline.cli.output_files import refuse_existing, require_writable
from pipeline.cli.settings_options import flags_given, options_of
from pipeline.cli.stage_command import settings_file
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.anatomy import ClassMap
    from pipeline.cli.ct_and_labels import CtAndLabels
    from pipeline.stage import FileCommand
    from pipeline.stages import FileCommandRef
    from pipeline.workspace import Finding
    from qc.drawing import Style
    from qc.picture import Picture
    from qc.preview import PreviewSettings, Seen

HELP = """Draw a CT and its segmentation as one picture: files in, PNG out.

All structures from the front and the back, as in the gallery, and what the rules of plausibility
suspect, outlined and listed. SEG may be a label map, or a folder with one mask per structure, as
TotalSegmentator writes it."""

EPILOG = (
    "Settings: defaults, then configs/preview.yaml, then MASKSMITH_PREVIEW_<FIELD>, then the "
    "options above; panels and size as in configs/gallery.yaml. Exit: 0 ok, 2 OUT, FILE or the "
    "pick map is there already, 3 nothing found, 4 bad input, 5 no graphics driver."
)


@dataclass(frozen=True, slots=True)
class _Files:
    """What is read, and where it is written."""

    ct: Path
    segmentation: Path
    output: Path
    sheet: Path | None
    force: bool

    @property
    def picks(self) -> Path:
        """The pick map, beside the picture."""
        return self.output.with_suffix(".picks.png")

    def refuse(self, *, pick_map: bool) -> None:
        """Refuse places that are taken, that two pictures would share, or that cannot be written.

        Raises
        ------
        UsageError, BadInput
        """
        others = (self.sheet, self.picks if pick_map else None)
        places = [self.output, *(path for path in others if path is not None)]
        for number, path in enumerate(places):
            if path.suffix.lower() != ".png":
                raise UsageError(f"{path}: expected a file that ends in .png")
            if path.absolute() in [earlier.absolute() for earlier in places[:number]]:
                raise UsageError(f"{path}: two pictures would stand there; name two files")
            refuse_existing(path, force=self.force)
            require_writable(path)


def command_of(ref: FileCommandRef, context: click.Context) -> click.Command:
    """Return the command, with one option per field of its settings."""
    command = ref.load()
    output = click.Option(
        ["-o", "--output"], required=True, metavar="OUT", help="The picture, a .png file.",
        type=click.Path(dir_okay=False, path_type=Path),
    )  # fmt: skip
    sheet = click.Option(
        ["--sheet"], metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
        help="Also CT slices through what is suspected, a .png file.",
    )  # fmt: skip
    force = click.Option(["--force"], is_flag=True, help="Replace OUT, FILE and the pick map.")
    options = options_of(command.Settings, settings_file(ref.name, call_of(context)))

    @click.pass_context
    def callback(
        inner: click.Context, /, output: Path, sheet: Path | None, force: bool, **v: Any
    ) -> None:
        files = _Files(v.pop("ct"), v.pop("segmentation"), output, sheet, force)
        run(command, call_of(inner), flags_given(inner, v), files)

    params = [*ct_and_labels_options(), output, sheet, force, *options]
    return Command(ref.name, callback=callback, params=params, help=HELP, epilog=EPILOG)


def run(command: FileCommand, call: Call, flags: Mapping[str, Any], files: _Files) -> None:
    """Draw what the files hold and say what was found."""
    from pipeline.cli.predict_plan import preview_style
    from pipeline.stage import load_settings
    from pipeline.volume import write_output_file
    from qc.png_encoding import encode_png
    from qc.preview import PreviewSettings, Seen, draw_preview

    output = files.output
    settings = load_settings(command, call.configs_path, flags)
    if not isinstance(settings, PreviewSettings):
        raise TypeError(f"expected PreviewSettings, found {type(settings).__name__}")
    files.refuse(pick_map=settings.pick_map)
    class_map = class_map_for_files(call, settings.class_map)
    style, driver = preview_style(call.configs_path, class_map[0])
    read = read_ct_and_labels(call, (files.ct, files.segmentation), class_map, ignore_unknown=True)
    seen = Seen(read.name, read.ct, read.grid, read.segmentation, read.facts)
    found = _suspicions(call, settings, seen, style)
    picture = draw_preview(seen, style, driver, found)
    if settings.pick_map:
        write_output_file(files.picks, picture.pick_map.png())
    if files.sheet is not None:
        _write_sheet(files.sheet, read, found, class_map[0])
    write_output_file(output, encode_png(picture.pixels, {"case": read.name}))
    _say(call, output, (picture, style), found, read)


def _write_sheet(
    path: Path, read: CtAndLabels, found: tuple[Finding, ...], class_map: ClassMap
) -> None:
    """Draw CT slices through what is suspected."""
    from pipeline.volume import write_output_file
    from qc.contact_sheet import SheetScan, draw_contact_sheet, items_of_findings
    from qc.png_encoding import encode_png

    scan = SheetScan(read.name, read.ct, read.segmentation.labels, read.grid)
    sheet = draw_contact_sheet(scan, items_of_findings(found, class_map), class_map)
    write_output_file(path, encode_png(sheet, {"case": read.name}))


def _suspicions(
    call: Call, settings: PreviewSettings, seen: Seen, style: Style
) -> tuple[Finding, ...]:
    """Apply the rules with the lab's thresholds, unless told not to."""
    from pipeline.stage import load_settings
    from qc.plausibility.plausibility import STAGE
    from qc.plausibility.settings import PlausibilitySettings
    from qc.preview import suspicions_about

    if not settings.findings:
        return ()
    rules = load_settings(STAGE, call.configs_path)
    if not isinstance(rules, PlausibilitySettings):
        raise TypeError(f"expected PlausibilitySettings, found {type(rules).__name__}")
    return suspicions_about(seen, style, rules.thresholds)


def _say(
    call: Call,
    output: Path,
    drawn: tuple[Picture, Style],
    found: tuple[Finding, ...],
    read: CtAndLabels,
) -> None:
    picture, style = drawn
    present = [s.name for s in style.class_map if s.value in picture.findings.present]
    if call.as_json:
        write_json(
            {
                "output": output,
                "class_map": style.class_map.name,
                "present": present,
                "cut": [s.name for s in style.class_map if s.value in picture.findings.cut],
                "unknown": read.segmentation.unknown,
                "findings": [finding.to_dict() for finding in found],
                "notes": read.notes,
            }
        )
        return
    for note in read.notes:
        click.echo(note, err=True)
    if read.segmentation.unknown:
        click.echo(
            f"not in class map '{style.class_map.name}', not drawn: "
            f"{', '.join(read.segmentation.unknown[:12])}; another map: --class-map",
            err=True,
        )
    if not call.quiet:
        for flag in picture.flags:
            click.echo(f"{flag.number:3}  {flag.finding.severity}: {flag.finding.words}")
    counts = Counter(finding.severity for finding in found)
    said = ", ".join(f"{counts[level]} {level}" for level in ("high", "medium", "low"))
    click.echo(
        f"preview: {len(present)} of {len(style.class_map)} structures; findings: {said}; {output}"
    )
