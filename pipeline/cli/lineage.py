"""`masksmith status --lineage WORD`: where an existing model's masks are still in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call
from pipeline.cli.output import write_json, write_table

if TYPE_CHECKING:
    from pipeline.workspace import Workspace
    from pipeline.workspace.lineage import CarriedMask, SourceLineage

FEW_MASKS = 30
_KINDS = {
    "direct": "the model's own mask is in force",
    "merged": "made from such a mask by merging or transfer",
    "learned": "predicted by a model that such masks of the same structure taught",
    "unknown": "not to be told, as something its chain leads to is gone",
}


def show_lineage(
    call: Call, workspace: Workspace, word: str, structure: str | None, *, whole: bool
) -> None:
    """Print which masks in force carry a source: the sum, by structure, then one by one."""
    from pipeline.workspace.lineage import source_lineage

    lineage = source_lineage(workspace, word, structure)
    if call.as_json:
        write_json(lineage)
        return
    _write_summary(lineage)
    if lineage.masks:
        click.echo()
        _write_structures(lineage)
        click.echo()
        if whole or len(lineage.masks) <= FEW_MASKS:
            _write_masks(lineage.masks)
        else:
            some = "" if structure else ", --structure NAME those of one structure"
            click.echo(f"{len(lineage.masks)} masks: --cases lists them all{some}")
    for gap in lineage.gaps:
        click.echo(f"not followed: {gap}")


def _write_summary(lineage: SourceLineage) -> None:
    """Say what was looked for, and how much of it is in force."""
    makers = ", ".join(
        maker if named else f"{maker} (its card names {lineage.source})"
        for maker, named in _makers(lineage).items()
    )
    click.echo(f"source {lineage.source}: the masks of {makers}")
    counts = lineage.counts
    whole = (
        f"{counts.in_force} masks in force in {lineage.case_count} cases (excluded ones left out)"
    )
    if not lineage.masks:
        click.echo(f"none of {whole} carries it uncorrected")
        return
    certain = [mask for mask in lineage.masks if mask.kind != "unknown"]
    click.echo(
        f"uncorrected: {len(certain)} of {whole}, in {len({m.case_id for m in certain})} cases; "
        f"{counts.accepted} of them accepted unchanged"
    )
    for kind, meaning in _KINDS.items():
        if number := getattr(counts, kind):
            click.echo(f"  {number} {kind}: {meaning}")


def _makers(lineage: SourceLineage) -> dict[str, bool]:
    """List the makers, and whether the word is the name of each."""
    word = lineage.source.removeprefix("model:").casefold()
    return {model.maker: model.name.casefold() == word for model in lineage.models}


def _write_structures(lineage: SourceLineage) -> None:
    """Write one line for each structure that carries the source."""
    kinds = [kind for kind in _KINDS if kind != "unknown" or lineage.counts.unknown]
    write_table(
        ("structure", *kinds, "accepted unchanged", "masks in force"),
        [
            (
                item.name,
                *(getattr(item.counts, kind) for kind in kinds),
                item.counts.accepted,
                item.counts.in_force,
            )
            for item in lineage.structures
        ],
    )


def _write_masks(masks: tuple[CarriedMask, ...]) -> None:
    """Write one line for each mask."""
    rows = [
        (
            mask.case_id,
            mask.structure,
            mask.kind,
            _verdict(mask),
            mask.maker,
            mask.voxels,
            mask.mask_id[:12],
        )
        for mask in masks
    ]
    write_table(("case", "structure", "kind", "verdict", "made by", "voxels", "mask"), rows)


def _verdict(mask: CarriedMask) -> str | None:
    """Say what a person has said about a mask."""
    if mask.accepted:
        return "accepted unchanged"
    return "sent back" if mask.sent_back else None
