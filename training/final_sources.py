"""Where a final model's training masks come from, and which known bias they carry on.

Rib masks bootstrapped from RibSeg lacked the part next to the vertebra, and every model trained on
them learned to leave it out. So the card of a model says of each source how much of it nobody
corrected.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.workspace import Workspace
from pipeline.workspace.lineage_walk import LineageWalk, light_masks
from pipeline.workspace.source_models import Source, SourceModel, card_snapshot, model_of
from pipeline.workspace.words import Mask
from training.final_manifest import FinalManifest


@dataclass(frozen=True, slots=True)
class SourceShare:
    """How much of the training masks carries one existing model, uncorrected.

    Attributes
    ----------
    known_bias : str
        What the model's card says it gets wrong.
    masks : int
        Training masks that are its own, were made from its own, or were predicted by a model
        that such masks taught.
    by_structure : mapping
        Structure to the share of its training masks, for those that carry any.
    """

    name: str
    known_bias: str
    masks: int
    by_structure: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "source": self.name,
            "masks": self.masks,
            "known_bias": self.known_bias,
            "share_by_structure": dict(self.by_structure),
        }


def training_masks(workspace: Workspace, manifest: FinalManifest) -> dict[str, Mask]:
    """Give the masks that are learned from, by id, with light provenance."""
    wanted = {
        state.mask_id
        for case in manifest.training
        for state in manifest.choice.cases[case].values()
        if state.mask_id is not None
    }
    return {id_: mask for id_, mask in light_masks(workspace.ledger).items() if id_ in wanted}


def origins(masks: Mapping[str, Mask]) -> dict[str, dict[str, int]]:
    """Count training masks by structure and origin; ``all`` sums up."""
    counts: dict[str, Counter[str]] = {"all": Counter()}
    for mask in masks.values():
        counts["all"][mask.origin] += 1
        counts.setdefault(mask.structure, Counter())[mask.origin] += 1
    return {name: dict(sorted(found.items())) for name, found in counts.items()}


def source_shares(workspace: Workspace, masks: Mapping[str, Mask]) -> tuple[SourceShare, ...]:
    """Say of each existing model how much of the training masks carries it; largest first."""
    every = light_masks(workspace.ledger)
    models = {model_of(mask.provenance) for mask in every.values()} - {None}
    totals = Counter(mask.structure for mask in masks.values())
    shares = []
    for model in sorted(each for each in models if each is not None):
        walk = LineageWalk(workspace.layout, every, Source((model,), {}))
        carried = Counter(mask.structure for id_, mask in masks.items() if walk.kind_of(id_))
        if carried:
            by_structure = {name: round(n / totals[name], 4) for name, n in sorted(carried.items())}
            bias = _known_bias(workspace, model)
            shares.append(SourceShare(model.name, bias, carried.total(), by_structure))
    return tuple(sorted(shares, key=lambda share: (-share.masks, share.name)))


def _known_bias(workspace: Workspace, model: SourceModel) -> str:
    import yaml

    if not model.card:
        return ""
    try:
        said = yaml.safe_load(card_snapshot(workspace.layout, model.card).read_text("utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError):
        return "its card cannot be read"
    words = said.get("known_bias") if isinstance(said, dict) else None
    return " ".join(str(words or "").split())
