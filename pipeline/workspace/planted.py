"""Planted cases that were taken out again: their verdicts stay in files, their cases do not."""

from pipeline.workspace.layout import Layout


def removed_plants(layout: Layout) -> frozenset[str]:
    """List the ids of the planted cases that `masksmith audit remove` took out."""
    return frozenset(path.stem for path in layout.removed_plants_dir.glob("*.json"))
