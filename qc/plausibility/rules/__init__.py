"""The rules, one a file, in the order in which their findings are listed."""

from qc.plausibility.rule import Rule
from qc.plausibility.rules import (
    borders,
    containment,
    cut_off,
    density,
    heights,
    holes,
    leak,
    mirror_sizes,
    missing,
    overlap,
    pieces,
    reach,
    rib_numbering,
    rib_vertebra,
    round_change,
    scattered,
    series_sizes,
    sides,
    sizes,
    touching,
    unlabelled_lung,
    unlabelled_vertebra,
    vertebra_anchor,
    vertebra_numbering,
)

RULES: tuple[Rule, ...] = (
    sides.RULE,
    vertebra_numbering.RULE,
    vertebra_anchor.RULE,
    rib_numbering.RULE,
    rib_vertebra.RULE,
    series_sizes.RULE,
    missing.RULE,
    cut_off.RULE,
    pieces.RULE,
    scattered.RULE,
    holes.RULE,
    heights.RULE,
    reach.RULE,
    containment.RULE,
    touching.RULE,
    mirror_sizes.RULE,
    sizes.RULE,
    density.RULE,
    leak.RULE,
    unlabelled_lung.RULE,
    unlabelled_vertebra.RULE,
    borders.RULE,
    overlap.RULE,
    round_change.RULE,
)

SIZES = sizes.RULE.name
"""The rule that needs sizes only, of a case and of all others."""
