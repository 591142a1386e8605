"""A round's model and the earlier ones on the same validation cases, against the same masks."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.volume import read_nifti, write_nifti
from pipeline.workspace import Case, CaseRecord, Layout, read_mask, verify_mask
from pipeline.workspace.digest import SHORT_DIGEST_LENGTH
from training.case_prediction import predict_cases
from training.nnunet_model import NnunetModel
from training.nnunet_process import NnunetError
from training.promotion import Comparison, Promotion, read_promotions
from training.round_choice import State, states_of
from training.round_manifest import earlier_rounds, read_manifest
from training.round_model import RoundModel
from training.structure_scores import Score, Tally, TrueMask, add_case
from training.training_record import MODEL_FILE, read_json, weights_digest
from training.warm_start import finished_model, model_dir


@dataclass(frozen=True, slots=True)
class _Truth:
    """One validation case and what was decided in it."""

    case: Case
    states: Mapping[str, State]


def compare_with_earlier(model: RoundModel, trained: NnunetModel) -> Promotion:
    """Compare every structure of a model with the newest earlier round promoted for it.

    Both are predicted anew where no prediction is kept beside the model, and measured against
    what is decided in the validation cases now. Without validation cases, or without an earlier
    round, everything is promoted.

    Raises
    ------
    NnunetError
        If a validation case cannot be predicted.
    BadInput
        If an earlier round's files are damaged.
    """
    truths = tuple(_truths(model))
    now = _scores(model, trained, truths, model.choice.structures)
    compared = {name: Comparison(None, now[name]) for name in model.choice.structures}
    if truths:
        for (number, name), structures in _earlier_models(model).items():
            layout = model.workspace.layout
            earlier = finished_model(layout, number, name)
            if earlier is None:
                raise BadInput(
                    f"{model_dir(layout, number, name)}: the model of round {number} is gone or "
                    "damaged, so nothing can be compared with it: restore it from a backup"
                )
            before = _scores(model, earlier, truths, structures)
            for each in structures:
                compared[each] = Comparison(number, now[each], before[each])
    return Promotion(
        model=model.name,
        weights=weights_digest(model.plan),
        margin=0.0,
        cases=tuple(truth.case.id for truth in truths),
        structures=compared,
    )


def _truths(model: RoundModel) -> Iterator[_Truth]:
    """Yield the validation cases in which something the model learned is decided."""
    held_out = set(model.manifest.validation)
    admitted = model.manifest.settings.get("admit_unreviewed", ())
    for record in model.workspace.records() if held_out else ():
        if _patient(record) in held_out and not record.excluded:
            states = states_of(record, model.choice.structures, admitted)
            if states:
                yield _Truth(record.case, states)


def _patient(record: CaseRecord) -> str:
    return record.case.patient_id or record.case.id


def _earlier_models(model: RoundModel) -> dict[tuple[int, str], tuple[str, ...]]:
    """Group the structures by the newest earlier round and model that was promoted for them."""
    layout = model.workspace.layout
    found: dict[str, tuple[int, str]] = {}
    for number in earlier_rounds(layout, model.manifest.round):
        for name, structures in _promoted_in(layout, number).items():
            for structure in structures:
                found.setdefault(structure, (number, name))
    groups: dict[tuple[int, str], list[str]] = defaultdict(list)
    for structure in model.choice.structures:
        if structure in found:
            groups[found[structure]].append(structure)
    return {where: tuple(names) for where, names in groups.items()}


def _promoted_in(layout: Layout, number: int) -> dict[str, tuple[str, ...]]:
    """Give the structures each finished model of a round was promoted for."""
    promotions = read_promotions(layout, number)
    promoted = {}
    for name, choice in read_manifest(layout, number).models.items():
        if name in promotions:
            promoted[name] = promotions[name].promoted
        elif (model_dir(layout, number, name) / "train.done.json").is_file():
            promoted[name] = choice.structures
    return promoted


def _scores(
    model: RoundModel,
    network: NnunetModel,
    truths: Sequence[_Truth],
    structures: Sequence[str],
) -> dict[str, Score]:
    """Measure one network on the validation cases, one case in memory at a time."""
    values = {name: value for value, name in network.names_by_value.items()}
    tallies = {name: Tally() for name in structures}
    by_id = {truth.case.id: truth for truth in truths}
    for case, labels in _predictions(model, network, [truth.case for truth in truths]):
        masks = _true_masks(model.workspace.layout, by_id[case.id])
        add_case(tallies, labels, values, masks, case.grid.voxel_ml)
    return {name: tally.score for name, tally in tallies.items()}


def _predictions(
    model: RoundModel, network: NnunetModel, cases: Sequence[Case]
) -> Iterator[tuple[Case, NDArray[Any]]]:
    """Yield label maps of the cases, kept with the model they come from under its weights."""
    weights = str(read_json(network.folder / MODEL_FILE)["weights_digest"])
    kept = network.folder / "masksmith_validation" / weights[:SHORT_DIGEST_LENGTH]
    missing = [case for case in cases if not (kept / f"{case.id}.nii.gz").is_file()]
    by_id = {case.id: case for case in missing}
    if missing:
        predictions = predict_cases(network, model.plan, model.workspace, missing, confidence=False)
        for prediction in predictions:
            if prediction.labels is None:
                raise NnunetError(f"validation: {prediction.error}")
            case = by_id[prediction.id]
            path = kept / f"{case.id}.nii.gz"
            write_nifti(path, prediction.labels, case.grid, intent="label")
    for case in cases:
        volume = read_nifti(kept / f"{case.id}.nii.gz")
        volume.grid.require_same(case.grid, what=f"{kept / case.id}: prediction and case")
        yield case, np.asarray(volume.array)


def _true_masks(layout: Layout, truth: _Truth) -> dict[str, TrueMask]:
    masks = {}
    for name, state in truth.states.items():
        if state.kind == "mask" and state.mask_id is not None:
            path = layout.mask(truth.case.id, name, state.mask_id)
            mask = verify_mask(path, truth.case)
            masks[name] = TrueMask(mask.box, read_mask(path)[1])
        else:
            masks[name] = TrueMask()
    return masks
