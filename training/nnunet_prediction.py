"""The predicting half of ``nnunet_worker``: one model, many CTs, labels slab by slab.

Runs inside the nnU-Net subprocess, which loads it by path; it imports nothing of ours.
"""

import json
import math
import pickle
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FULL_PRECISION_BYTES = 2 << 30  # above this the logits of a slab are kept in half precision


@dataclass(frozen=True)
class LoadedModel:
    """nnU-Net's predictor and the networks of its folds, whose logits are added up."""

    predictor: Any
    networks: list[Any]

    @property
    def labels(self) -> Any:
        """nnU-Net's label manager."""
        return self.predictor.label_manager

    @property
    def patch(self) -> tuple[int, ...]:
        """Size of a tile, (Z, Y, X) in the network's order of axes."""
        return tuple(self.predictor.configuration_manager.patch_size)

    @property
    def head_values(self) -> list[int]:
        """Give the label value each head of the network stands for."""
        if self.labels.has_regions:
            return [int(value) for value in self.labels.regions_class_order]
        return list(range(self.labels.num_segmentation_heads))


def predict(
    job: dict[str, Any],
    device: Any,
    report: Callable[..., None],
    new_confidence: Callable[..., Any] | None,
) -> None:
    """Load the model once, then answer one request per line of standard input.

    Parameters
    ----------
    job : dict
        ``model``, ``folds``, ``checkpoint``, ``tile_step``.
    device : torch.device
    report : callable
        Sends one event to the parent.
    new_confidence : callable or None
        ``slab_confidence.ConfidenceSums``; None leaves confidence out.
    """
    model = load_model(job, device)
    plans = model.predictor.plans_manager
    configuration = model.predictor.configuration_manager
    spacing = [float(configuration.spacing[axis]) for axis in plans.transpose_backward]
    report(
        event="ready",
        spacing_mm=spacing[::-1],
        configuration=model.predictor.configuration_name,
        trainer=model.predictor.trainer_name,
        mirroring=list(model.predictor.allowed_mirroring_axes or ()),
    )
    for line in sys.stdin:
        request = json.loads(line)
        started = time.monotonic()
        sums = None
        if new_confidence is not None:
            sums = new_confidence(model.head_values, regions=model.labels.has_regions)
        try:
            predict_one(model, request, sums)
        except Exception as error:  # noqa: BLE001 - one bad case must not stop the others
            traceback.print_exc()
            report(event="failed", id=request["id"], error=f"{type(error).__name__}: {error}")
            continue
        report(
            event="predicted",
            id=request["id"],
            seconds=time.monotonic() - started,
            confidence=None if sums is None else sums.per_value(),
        )


def load_model(job: dict[str, Any], device: Any) -> LoadedModel:
    """Build nnU-Net's predictor and one network per fold on the device."""
    import copy

    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    if job["plain_weights"]:
        read_plain_weights_only()
    predictor = nnUNetPredictor(
        tile_step_size=job["tile_step"],
        perform_everything_on_device=False,
        device=device,
        allow_tqdm=False,
    )
    try:
        predictor.initialize_from_trained_model_folder(
            job["model"], job["folds"], job["checkpoint"]
        )
    except pickle.UnpicklingError as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{job['model']}: the checkpoint holds more than weights ({why})"
        ) from None
    predictor.configuration_name = Path(job["model"]).name.split("__")[-1]
    if predictor.configuration_manager.previous_stage_name is not None:
        raise ValueError("a cascade needs the prediction of its first stage; use another model")
    if len(predictor.configuration_manager.patch_size) != 3:
        raise ValueError("a 2D model: only 3D configurations are supported")
    networks = []
    for weights in predictor.list_of_parameters:
        network = copy.deepcopy(predictor.network)
        network.load_state_dict(weights)
        networks.append(network.to(predictor.device).eval())
    torch.set_grad_enabled(False)
    return LoadedModel(predictor, networks)


def read_plain_weights_only() -> None:
    """Have torch refuse, in this process, what is neither weights nor plain values.

    nnU-Net itself reads with ``weights_only=False``. Its log holds numpy numbers, so these may
    come along; making them runs nothing of the file's.
    """
    import os

    import numpy as np
    import torch

    os.environ.update(TORCH_FORCE_WEIGHTS_ONLY_LOAD="1")
    scalar = np.float64(0).__reduce__()[0]
    numbers = (np.float64, np.float32, np.int64, np.int32, np.bool_)
    kinds = [type(np.dtype(number)) for number in numbers]
    old_name = (scalar, "numpy.core.multiarray.scalar")
    torch.serialization.add_safe_globals([scalar, old_name, np.dtype, *numbers, *kinds])


def predict_one(model: LoadedModel, request: dict[str, str], sums: Any) -> None:
    """Predict one (I, J, K) array in HU at the model's spacing, save the label map as .npy."""
    import numpy as np

    image = np.load(request["input"], allow_pickle=False).T[None].astype(np.float32)
    configuration = model.predictor.configuration_manager
    plans = model.predictor.plans_manager
    spacing = [configuration.spacing[axis] for axis in plans.transpose_backward]
    properties: dict[str, Any] = {"spacing": spacing}
    preprocessor = configuration.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case_npy(
        image, None, properties, plans, configuration, model.predictor.dataset_json
    )
    cropped = predict_labels(model, data, sums)
    labels = np.zeros(properties["shape_before_cropping"], cropped.dtype)
    box = tuple(slice(*bounds) for bounds in properties["bbox_used_for_cropping"])
    labels[box] = cropped
    labels = labels.transpose(plans.transpose_backward).T
    if labels.shape != image.shape[1:][::-1]:
        raise ValueError(f"predicted {labels.shape}, expected {image.shape[1:][::-1]}")
    with Path(request["output"]).open("wb") as file:
        np.save(file, np.asfortranarray(labels), allow_pickle=False)


def predict_labels(model: LoadedModel, data: Any, sums: Any) -> Any:
    """Slide over (C, Z, Y, X) and take the argmax slab by slab.

    The logits of 104 structures over a whole body are tens of gigabytes; only those of one
    patch height are ever held. Weights by nnU-Net's Gaussian; dividing by their sum changes
    neither the argmax nor a sign and is left out, except where confidence is asked for.

    Parameters
    ----------
    sums : ConfidenceSums or None
        Gets the logits of every voxel of `data`, once.
    """
    import numpy as np
    import torch
    from acvl_utils.cropping_and_padding.padding import pad_nd_image
    from nnunetv2.inference import sliding_window_prediction as sliding

    patch = model.patch
    tensor = torch.from_numpy(np.ascontiguousarray(data))
    padded, inner = pad_nd_image(tensor, patch, "constant", {"value": 0}, True, None)
    shape, inside = tuple(padded.shape[1:]), tuple(inner[1:])
    tile_step = model.predictor.tile_step_size
    steps = sliding.compute_steps_for_sliding_window(shape, patch, tile_step)
    heads = model.labels.num_segmentation_heads
    labels = np.zeros(shape, np.uint8 if heads <= 256 else np.uint16)
    slab = Slab(model, (heads, patch[0], *shape[1:]), with_cover=sums is not None)
    for position, start in enumerate(steps[0]):
        slab.add_tiles(padded[:, start : start + patch[0]], steps[1], steps[2])
        following = [*steps[0], shape[0]][position + 1]
        rows = following - start
        labels[start:following] = slab.labels(rows)
        if sums is not None:
            kept = (_overlap(inside[0], start, following), *inside[1:])
            slab.add_confidence(sums, kept, labels[start:following][kept])
        slab.drop(rows)
    return labels[inside]


def _overlap(wanted: slice, start: int, end: int) -> slice:
    """Give the part of rows `start` to `end` that is wanted, counted from `start`."""
    first = min(max(wanted.start, start), end) - start
    return slice(first, max(first, min(wanted.stop, end) - start))


class Slab:
    """The sums of weighted logits of one patch height, on the device where there is room.

    Parameters
    ----------
    shape : tuple of int
        (heads, Z, Y, X).
    with_cover : bool
        Whether the weights are added up as well.
    """

    def __init__(self, model: LoadedModel, shape: tuple[int, ...], *, with_cover: bool) -> None:
        import torch
        from nnunetv2.inference.sliding_window_prediction import compute_gaussian

        self._model = model
        device = model.predictor.device
        self._weight = compute_gaussian(
            model.patch, sigma_scale=1 / 8, value_scaling_factor=10, device=device
        )
        numbers = math.prod(shape)
        kind = torch.float32 if numbers * 4 <= FULL_PRECISION_BYTES else torch.half
        needed = numbers * kind.itemsize * 3
        if device.type == "cuda" and needed > torch.cuda.mem_get_info(device)[0]:
            device = torch.device("cpu")
        self._sums = torch.zeros(shape, dtype=kind, device=device)
        self._cover = None
        if with_cover:
            self._cover = torch.zeros(shape[1:], dtype=torch.float32, device=device)

    def add_tiles(self, rows: Any, second: list[int], third: list[int]) -> None:
        """Add the weighted logits of every tile of one row of tiles.

        Parameters
        ----------
        rows : tensor, shape (C, Z, Y, X)
            One patch height of the image.
        second, third : list of int
            Where tiles start along Y and X.
        """
        for y in second:
            for x in third:
                columns = (slice(y, y + self._model.patch[1]), slice(x, x + self._model.patch[2]))
                window = (slice(None), slice(None), *columns)
                self._add_tile(rows[window][None], window)

    def _add_tile(self, tile: Any, window: tuple[slice, ...]) -> None:
        import contextlib

        import torch

        predictor = self._model.predictor
        device = predictor.device
        half = torch.autocast("cuda") if device.type == "cuda" else contextlib.nullcontext()
        tile = tile.to(device)
        for network in self._model.networks:
            predictor.network = network
            with half:
                logits = predictor._internal_maybe_mirror_and_predict(tile)[0]
            self._sums[window] += (logits * self._weight).to(self._sums.device, self._sums.dtype)
            if self._cover is not None:
                cover = self._weight.to(self._cover.device, self._cover.dtype)
                self._cover[window[1:]] += cover

    def labels(self, rows: int) -> Any:
        """Labels of finished rows: argmax, or nnU-Net's own rule for region-based models."""
        logits = self._sums[:, :rows]
        if self._model.labels.has_regions:
            chosen = self._model.labels.convert_logits_to_segmentation(logits.float().cpu())
            return chosen.numpy()
        return logits.argmax(0).cpu().numpy()

    def add_confidence(self, sums: Any, kept: tuple[slice, ...], labels: Any) -> None:
        """Show what is kept of finished rows to the confidence sums."""
        if labels.size and self._cover is not None:
            sums.add(self._sums[(slice(None), *kept)], self._cover[kept], labels)

    def drop(self, rows: int) -> None:
        """Forget finished rows and move the others up, in place."""
        for numbers, axis in ((self._sums, 1), (self._cover, 0)):
            if numbers is None:
                continue
            height = numbers.shape[axis]
            for start in range(0, height - rows, rows):
                size = min(rows, height - rows - start)
                moved = numbers.narrow(axis, start + rows, size)
                numbers.narrow(axis, start, size).copy_(moved)
            numbers.narrow(axis, height - rows, rows).zero_()
