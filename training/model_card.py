"""The card of a final model: what it is, what it learned from, how good it is, who may use it.

``model_card.json`` for programs, ``model_card.md`` for people, and a bootstrap card with which
``masksmith bootstrap`` and ``masksmith models run`` use the model. Pure: no files, no workspace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
_NO_METRICS = "not measured"
_WORST_SHOWN = 10
_BIASED_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ModelCard:
    """All that a final model's card says; every field is a JSON value.

    Attributes
    ----------
    part : str or None
        The body part it is the model of, where several make one.
    profile : str or None
        The small recipe it was made with instead of the full one.
    structures : mapping
        Name to ``value`` and ``training_cases``.
    data : mapping
        Digest of the manifest, cases and patients by side, what was left out.
    origins : mapping
        Structure to origin to number of training masks; ``all`` sums up.
    sources : sequence of mapping
        Existing models whose masks nobody corrected, with their known bias.
    metrics : mapping
        Side to what was measured there.
    weights_digest, model_digest : str
        Of the weights alone, and of plans, dataset and checkpoint as packed.
    """

    name: str
    part: str | None
    profile: str | None
    class_map: Mapping[str, str]
    structures: Mapping[str, Mapping[str, int]]
    network: Mapping[str, Any]
    training: Mapping[str, Any]
    data: Mapping[str, Any]
    origins: Mapping[str, Mapping[str, int]]
    sources: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any]
    licence: str
    citation: str
    software: Mapping[str, str]
    weights_digest: str
    model_digest: str
    created: str
    mirroring: str = "none, in training and in prediction"
    format: int = field(default=FORMAT)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return asdict(self)

    @property
    def warning(self) -> str:
        """Say that it is not the full model, or nothing."""
        if self.profile is None:
            return ""
        return (
            f"Made with the small recipe `{self.profile}` to prove the way, not with the full one: "
            "not for use on patients, not for comparison, not for release."
        )


def markdown(card: ModelCard) -> str:
    """Write the card for people."""
    sections = [
        f"# {card.name}",
        *([f"**{card.warning}**"] if card.warning else []),
        _facts(card),
        "## Data",
        _data(card),
        "## How good it is",
        *(_side(side, found) for side, found in card.metrics.items()),
        *([] if card.metrics else [_NO_METRICS]),
        "## Where its training masks come from",
        _sources(card),
        "## Structures",
        _structures(card),
        "## Use",
        _use(card),
    ]
    return "\n\n".join(sections) + "\n"


def bootstrap_card(card: ModelCard, archive: str, priority: int) -> dict[str, Any]:
    """Give the values of a bootstrap card (``configs/bootstrap/models/*.yaml``).

    Parameters
    ----------
    archive : str
        Where ``model.zip`` is.
    priority : int
        Between models that see the same structure, the higher counts.
    """
    small = f", small recipe {card.profile}" if card.profile else ""
    biased = [source for source in card.sources if source["known_bias"]]
    words = "; ".join(f"as {each['source']}: {each['known_bias']}" for each in biased)
    return {
        "name": card.name.lower(),
        "summary": f"{len(card.structures)} structures, trained by masksmith train-final{small}",
        "enabled": "if_found",
        "runner": "nnunet",
        "options": {"orientation": "RAS", "tile_step": card.network["tile_step"]},
        "weights": {"path": archive, "sha256": card.model_digest},
        "licence": card.licence,
        "reference": card.citation or f"masksmith train-final, data {_short(card)}",
        "known_bias": " ".join(filter(None, (card.warning, words))),
        "lineage": [str(source["source"]) for source in card.sources],
        "spacing_mm": card.network["spacing_mm"],
        "priority": priority,
        "labels": {each["value"]: name for name, each in card.structures.items()},
    }


def _short(card: ModelCard) -> str:
    return str(card.data["manifest_digest"])[:12]


def _facts(card: ModelCard) -> str:
    network, training = card.network, card.training
    seconds = training.get("seconds")
    rows = {
        "structures": str(len(card.structures)),
        "spacing": f"{network['spacing_mm']} mm" if network["spacing_mm"] else "that of the data",
        "trainer": f"`{network['trainer']}`, {training['epochs']} epochs"
        + (f", {_time(seconds)}" if seconds else ""),
        "network": f"{network['configuration']}, patch {_times(network['patch_size'])}, "
        f"batch {network['batch_size']}",
        "mirroring": card.mirroring,
        "licence": card.licence,
        "citation": card.citation or "not stated",
        "data": f"manifest `{card.data['manifest_digest']}`",
        "class map": f"{card.class_map['name']}, `{card.class_map['digest']}`",
        "weights": f"`{card.weights_digest}`",
        "software": ", ".join(f"{name} {version}" for name, version in card.software.items()),
        "made": card.created,
    }
    return _table(("", ""), rows.items())


def _data(card: ModelCard) -> str:
    data = card.data
    sides = _table(
        ("side", "patients", "cases"),
        [(side, data["patients"][side], data["cases"][side]) for side in data["cases"]],
    )
    left = [f"{name} was left out: {why}." for name, why in data["left_out_structures"].items()]
    if data["undecided_pairs"]:
        left.append(
            f"Undecided pairs of case and structure: {data['undecided_pairs']}; the other "
            "structures were learned from those cases (partial labels)."
        )
    if data["left_out_cases"]:
        left.append(f"{data['left_out_cases']} cases were left out.")
    return "\n\n".join([sides, "A patient's cases all stand on one side.", *left])


def _side(side: str, found: Mapping[str, Any]) -> str:
    every = found["all"]
    named = {"val": "Validation", "test": "Test"}[side]
    cases, present = found["cases"], every["present"]
    text = (
        f"{named}: {_count(cases, 'case')}, {_count(present, 'present structure')}: "
        f"mean Dice {_figure(every['dice'])}, NSD at 3 mm {_figure(every['nsd'])}; "
        f"{every['missed']} missed (count 0)"
    )
    if every["absent"]:
        text += (
            f"; {every['found_though_absent']} of {every['absent']} absent ones found all the same"
        )
    worst = sorted(
        ((name, each) for name, each in found["structures"].items() if each["present"]),
        key=lambda item: item[1]["dice"],
    )[:_WORST_SHOWN]
    rows = [
        (name, each["present"], _figure(each["dice"]), _figure(each["nsd"]), each["missed"])
        for name, each in worst
    ]
    table = _table(("worst first", "cases", "Dice", "NSD 3 mm", "missed"), rows)
    return f"{text}. All of them: `metrics.csv`.\n\n{table}"


def _sources(card: ModelCard) -> str:
    total = card.origins.get("all", {})
    count = sum(total.values())
    text = f"{count} masks: " + ", ".join(
        f"{number} {origin} ({100 * number / count:.0f} %)" for origin, number in total.items()
    )
    lines = [text if count else "no masks"]
    for source in card.sources:
        shares = sorted(source["share_by_structure"].items(), key=lambda item: -item[1])
        named = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares[:_BIASED_SHOWN])
        more = f" and {len(shares) - _BIASED_SHOWN} more" if len(shares) > _BIASED_SHOWN else ""
        bias = f" Known bias: {source['known_bias']}" if source["known_bias"] else ""
        lines.append(
            f"- **{source['source']}**, uncorrected in {source['masks']} of them: "
            f"{named}{more}.{bias}"
        )
    return "\n".join([lines[0], "", *lines[1:]]).strip()


def _structures(card: ModelCard) -> str:
    rows = [(each["value"], name, each["training_cases"]) for name, each in card.structures.items()]
    return _table(("value", "structure", "training cases"), rows)


def _use(card: ModelCard) -> str:
    network = card.network
    return "\n".join(
        [
            "With nnU-Net alone (CT in HU, axes to R, A, S; it resamples by itself):",
            "",
            "```",
            "nnUNetv2_install_pretrained_model_from_zip model.zip",
            f"nnUNetv2_predict -i IN -o OUT -d {network['dataset_number']} -f 0 "
            f"-tr {network['trainer']} -p {network['plans']} -c {network['configuration']} "
            "--disable_tta",
            "```",
            "",
            f"As a model of `masksmith bootstrap`: copy `{card.name.lower()}.yaml` into "
            "`configs/bootstrap/models/` and approve the weights once: "
            f"`masksmith models trust {card.name.lower()}`.",
        ]
    )


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _time(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} hours" if hours >= 10 else f"{hours * 60:.0f} minutes"


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
