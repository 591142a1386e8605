"""A mask does not change much from one round to the next without a person having changed it."""

from collections.abc import Iterator

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Changed
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Judge the changes that were measured when the masks were read."""
    for change in scene.context.changes:
        if max(change.before_ml, change.after_ml) >= thresholds["change_least_ml"]:
            yield from _judge(scene, change, thresholds)


def _judge(scene: CaseScene, change: Changed, thresholds: Thresholds) -> Iterator[Finding]:
    if change.dice >= thresholds["change_dice"]:
        return
    measured = scene.get(change.structure)
    if change.after_ml == 0:
        words = f"became empty; in {change.before} it had {change.before_ml:.1f} ml"
    else:
        words = (
            f"changed much since {change.before}: {change.before_ml:.1f} ml became "
            f"{change.after_ml:.1f} ml, Dice {change.dice:.2f}"
        )
    yield Finding(
        "changed",
        f"{spoken(change.structure)} {words}",
        (change.structure,),
        {
            "dice": round(change.dice, 3),
            "before_ml": round(change.before_ml, 2),
            "after_ml": round(change.after_ml, 2),
        },
        severity="high" if change.dice < thresholds["change_dice_high"] else "medium",
        place_mm=None if measured is None else place_of(measured.place_mm),
    )


RULE = Rule(
    "round_change",
    "A mask does not change much from one round to the next by itself.",
    check,
    ("changed",),
)
