"""What could go wrong in a training of weeks, asked before it begins.

Each check is one line of a table: what was found, whether that is well, and what to do. Nothing
here writes, and nothing is left out because something else failed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.workspace import Case
from training.final_manifest import FinalManifest, FinalModel, is_there, newcomers
from training.final_settings import NOT_STATED
from training.final_split import SIDES, Split
from training.round_choice import states_of

State = Literal["ok", "look", "unknown", "refused"]
COLUMNS = ("model", "check", "state", "found", "what to do")
# A voxel of a body CT is neither finer nor coarser (the paper's scans: up to 5 mm slices).
SPACING_LIMITS_MM = (0.1, 10.0)
# Less than this along an axis shows hardly a structure whole; the network still reads it.
SMALLEST_FIELD_MM = 50.0
FEW_CASES = 5
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the preflight.

    Attributes
    ----------
    state : str
        ``ok``; ``look``: a person should know; ``unknown``: cannot be told here;
        ``refused``: the training does not begin.
    figures : mapping
        JSON values, for ``--json`` and the model card.
    """

    name: str
    state: State
    found: str
    advice: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def row(self, model: str) -> dict[str, str]:
        """Give the line of the table."""
        return dict(
            zip(COLUMNS, (model, self.name, self.state, self.found, self.advice), strict=True)
        )


def data_checks(model: FinalModel, split: Split, manifest: FinalManifest) -> Iterator[Check]:
    """Check the data of one model, frozen or not."""
    cases = [model.workspace.case(case) for case in manifest.split.cases(*SIDES)]
    yield _sides(manifest)
    yield _newcomers(model, split)
    yield _undecided(model, split, manifest)
    yield _empty_classes(model, manifest)
    yield _rare(manifest)
    yield _unreviewed(manifest)
    yield _grids(cases)
    yield _ct_files(model, cases)
    yield _class_map(model, manifest)
    yield _licence(model)


def _sides(manifest: FinalManifest) -> Check:
    test = tuple(manifest.test)
    groups = {"train": manifest.training, "val": manifest.validation, "test": test}
    patients = {
        side: len({manifest.split.patients[case] for case in cases})
        for side, cases in groups.items()
    }
    found = ", ".join(f"{side} {patients[side]} ({len(groups[side])})" for side in SIDES)
    lacking = [side for side in ("train", "val") if not groups[side]]
    figures = {"patients": patients, "cases": {side: len(cases) for side, cases in groups.items()}}
    return Check(
        "patients (cases)",
        "refused" if lacking else "ok" if test else "look",
        found,
        f"no case is left for {' and '.join(lacking)}: see the next lines"
        if lacking
        else ("" if test else "nothing to test on: the model cannot be measured fairly"),
        figures,
    )


def _newcomers(model: FinalModel, split: Split) -> Check:
    count = newcomers(model, split)
    if not count:
        return Check("left aside", "ok", "every decided case has a side", figures={"cases": 0})
    return Check(
        "left aside",
        "look",
        f"{count} decided cases stand on no side",
        f"they came after the split was frozen, or the CSV leaves them out; move "
        f"{model.whole_folder.name} away to begin anew with them",
        {"cases": count},
    )


def undecided_pairs(
    model: FinalModel, split: Split, sides: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """List by structure the cases of some sides in which it is undecided."""
    pairs: dict[str, list[str]] = {}
    admitted = model.settings.admit_unreviewed
    for record in model.workspace.records():
        case = record.case.id
        if record.excluded or split.sides.get(case) not in sides:
            continue
        known = states_of(record, model.structures, admitted)
        for name in model.structures:
            if name not in known:
                pairs.setdefault(name, []).append(case)
    return {name: tuple(cases) for name, cases in pairs.items()}


def _undecided(model: FinalModel, split: Split, manifest: FinalManifest) -> Check:
    if model.manifest_file.is_file():
        return Check("undecided", "ok", f"frozen {manifest.created[:10]}: as it was decided then")
    learned = undecided_pairs(model, split, ("train", "val"))
    tested = undecided_pairs(model, split, ("test",))
    count = sum(map(len, learned.values()))
    figures = {
        "pairs": count,
        "structures": {name: len(cases) for name, cases in learned.items()},
        "test_pairs": sum(map(len, tested.values())),
    }
    if not count and not tested:
        return Check("undecided", "ok", "every structure is decided in every case", "", figures)
    if not count:
        found = f"none in training and validation; {figures['test_pairs']} pairs in test"
        return Check("undecided", "look", found, "those are not measured", figures)
    worst = sorted(learned, key=lambda name: -len(learned[name]))
    shown = ", ".join(f"{name} in {len(learned[name])}" for name in worst[:_SHOWN])
    found = f"{count} pairs of case and structure: {shown}{_more(worst)}"
    if model.settings.undecided != "refuse":
        how = f"--undecided {model.settings.undecided}: {_what_becomes(manifest)}"
        return Check("undecided", "look", found, how, figures)
    advice = "decide them (masksmith verdict), or say --undecided leave_out_case or another"
    return Check("undecided", "refused", found, advice, figures)


def _empty_classes(model: FinalModel, manifest: FinalManifest) -> Check:
    empty = [
        name
        for name, reason in manifest.choice.left_out_structures.items()
        if reason.startswith(("present in none", "undecided in all"))
    ]
    figures = {"structures": empty}
    if not empty:
        count = len(manifest.choice.structures)
        return Check("empty classes", "ok", f"all {count} are present in training", "", figures)
    found = (
        f"{len(empty)} are present in no training case: {', '.join(empty[:_SHOWN])}{_more(empty)}"
    )
    if model.settings.empty_classes == "leave_out":
        return Check("empty classes", "look", found, "the model will not know them", figures)
    return Check(
        "empty classes",
        "refused",
        found,
        "add cases that show them, or say --empty-classes leave_out",
        figures,
    )


def _rare(manifest: FinalManifest) -> Check:
    counts = {
        name: sum(is_there(manifest.choice.cases[case].get(name)) for case in manifest.training)
        for name in manifest.choice.structures
    }
    unseen = [
        name
        for name in manifest.choice.structures
        if not any(is_there(manifest.choice.cases[case].get(name)) for case in manifest.validation)
    ]
    rare = [name for name, count in counts.items() if count < FEW_CASES]
    figures = {"training_cases": counts, "not_in_validation": unseen}
    if not rare and not unseen:
        return Check("rare classes", "ok", f"each in {FEW_CASES} cases or more", "", figures)
    parts = []
    if rare:
        named = ", ".join(f"{name} {counts[name]}" for name in rare[:_SHOWN])
        parts.append(f"{len(rare)} in fewer than {FEW_CASES} training cases ({named}{_more(rare)})")
    if unseen:
        parts.append(
            f"{len(unseen)} in no validation case ({', '.join(unseen[:_SHOWN])}{_more(unseen)})"
        )
    advice = "their metrics say little" if unseen else "add cases that show them"
    return Check("rare classes", "look", "; ".join(parts), advice, figures)


def _unreviewed(manifest: FinalManifest) -> Check:
    origins: dict[str, int] = {}
    for states in manifest.choice.cases.values():
        for state in states.values():
            if state.unreviewed:
                origins[state.unreviewed] = origins.get(state.unreviewed, 0) + 1
    if not origins:
        return Check("unreviewed masks", "ok", "none", "", {"origins": {}})
    found = ", ".join(f"{count} of origin {name}" for name, count in sorted(origins.items()))
    advice = "nobody accepted them; the model card says so"
    return Check("unreviewed masks", "look", found, advice, {"origins": origins})


def _grids(cases: Sequence[Case]) -> Check:
    absurd, small = [], []
    for case in cases:
        finest, coarsest = min(case.grid.spacing_mm), max(case.grid.spacing_mm)
        sizes = [n * mm for n, mm in zip(case.grid.shape, case.grid.spacing_mm, strict=True)]
        if finest < SPACING_LIMITS_MM[0] or coarsest > SPACING_LIMITS_MM[1]:
            absurd.append(f"{case.id} ({finest:.2g} to {coarsest:.3g} mm)")
        elif min(sizes) < SMALLEST_FIELD_MM:
            small.append(f"{case.id} ({min(sizes):.0f} mm)")
    figures = {"absurd_spacing": absurd, "small_field": small}
    if absurd:
        low, high = SPACING_LIMITS_MM
        found = f"{len(absurd)} spacings outside {low} to {high:g} mm: {', '.join(absurd[:_SHOWN])}"
        advice = "exclude them: masksmith verdict exclude"
        return Check("grids", "refused", found + _more(absurd), advice, figures)
    if small:
        named = ", ".join(small[:_SHOWN]) + _more(small)
        found = f"{len(small)} fields of view below {SMALLEST_FIELD_MM:g} mm: {named}"
        return Check("grids", "look", found, "see that they are CTs of a body", figures)
    return Check("grids", "ok", "spacings and fields of view are plausible", "", figures)


def _ct_files(model: FinalModel, cases: Sequence[Case]) -> Check:
    gone = [case.id for case in cases if not model.workspace.layout.ct(case.id).is_file()]
    if not gone:
        return Check("CT files", "ok", f"all {len(cases)} are there", "", {"gone": []})
    found = f"{len(gone)} are gone: {', '.join(gone[:_SHOWN])}{_more(gone)}"
    return Check("CT files", "refused", found, "see masksmith doctor", {"gone": gone})


def _class_map(model: FinalModel, manifest: FinalManifest) -> Check:
    names = manifest.choice.structures
    found = f"{len(names)} structures of {model.workspace.class_map.name}"
    figures = {"digest": model.workspace.class_map.digest, "structures": list(names)}
    if not names:
        return Check("class map", "refused", "no structure is left", "see the lines above", figures)
    return Check("class map", "ok", found, "", figures)


def _licence(model: FinalModel) -> Check:
    licence = model.settings.licence.strip()
    if licence and licence != NOT_STATED:
        return Check("licence", "ok", licence)
    advice = "set licence and citation in configs/train_final.yaml"
    return Check("licence", "look", NOT_STATED, advice)


def _what_becomes(manifest: FinalManifest) -> str:
    if manifest.choice.is_partial:
        return "the other structures are learned from those cases"
    cases, names = manifest.choice.left_out_cases, manifest.choice.left_out_structures
    return f"{len(cases)} cases and {len(names)} structures are left out"


def _more(items: Sequence[object]) -> str:
    return f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
