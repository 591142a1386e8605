"""Runner `lungmask`: the Python package of that name, run once per case.

It may be installed beside us (`pip install masksmith[lungmask]`) or live in an environment of its
own. It is always told which file of weights to load, so it never downloads one by itself, and what
it loads is what was approved.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from pydantic import BaseModel, Field

from pipeline.bootstrap.card import ModelCard
from pipeline.bootstrap.runners.program import (
    INCIDENTAL,
    CasePlaces,
    ProgramCall,
    ProgramOptions,
    require_all,
    require_program,
    run_cases,
    visible_gpus,
    whole_words,
)
from pipeline.bootstrap.runners.runner import FoundModel, Search
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.bootstrap.weights import ModelMissing, how_to_get, weights_digest
from pipeline.engine import Engine

PACKAGE = "lungmask"


class LungmaskOptions(ProgramOptions):
    """What a card may say about a lungmask model.

    Attributes
    ----------
    volume_postprocessing : bool
        Whether lungmask removes unconnected pieces and fills holes, as it does by default.
    batch_size : int
        Slices predicted at once on a GPU; on a CPU lungmask takes one.
    """

    volume_postprocessing: bool = True
    batch_size: int = Field(default=20, ge=1)


class LungmaskRunner:
    """Runs lungmask with one file of weights, which must have been approved."""

    name = "lungmask"
    options: type[BaseModel] = LungmaskOptions
    needs_approval = True
    incidental_options = (*INCIDENTAL, "batch_size")

    def find(self, card: ModelCard, options: BaseModel, search: Search) -> FoundModel:
        """Find the package and the file of weights; raises ModelMissing."""
        said = cast("LungmaskOptions", options)
        require_all(
            card,
            lambda: _require_package(card, said),
            lambda: _weights_file(card, search.place),
        )
        place = _weights_file(card, search.place)
        return FoundModel(place, weights_digest(place))

    def run(self, tasks: Sequence[CaseTask], engine: Engine) -> Iterator[CaseResult]:
        """Run lungmask for every case that has no masks of it yet."""
        yield from run_cases(tasks, engine, _call_for)


def downloads_folder() -> Path:
    """Say where lungmask's own downloads lie: the folder of torch.hub."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("TORCH_HOME") or f"{cache}/torch")
    return home.expanduser() / "hub" / "checkpoints"


def _require_package(card: ModelCard, options: LungmaskOptions) -> None:
    if options.environment:
        require_program(card, options, PACKAGE)
    elif importlib.util.find_spec(PACKAGE) is None:
        raise ModelMissing(
            f"model '{card.name}': the package 'lungmask' is not in {sys.executable}: install it "
            "there (pip install lungmask), or name an environment that has it in the card "
            "(options: environment)"
        )


def _weights_file(card: ModelCard, place: Path | None) -> Path:
    """Give the file of weights: where the settings or the card say, else lungmask's download."""
    url = card.weights.url
    own = downloads_folder() / PurePosixPath(url).name if url else None
    for found in (place, own):
        if found is not None and found.is_file():
            return found
    wanted = place or own
    where = f"at {wanted}" if wanted else "where the card says (weights: path: ...)"
    looked = " and ".join(f"nothing at {path}" for path in (place, own) if path) or "none is named"
    raise ModelMissing(
        f"model '{card.name}': weights missing: {looked}; {how_to_get(card, where)}, or say where "
        f"it is in configs/bootstrap.yaml (weights: {{{card.name}: FILE}})"
    )


def _call_for(task: CaseTask, places: CasePlaces) -> ProgramCall:
    options = cast("LungmaskOptions", task.model.options)
    device = task.model.policy.device
    before = options.environment or (sys.executable, "-m")
    words = [str(places.given), str(places.output), "--modelpath", str(task.model.place)]
    words += ["--noprogress", "--removemetadata", "--batchsize", str(options.batch_size)]
    words += ["--cpu"] if device == "cpu" else []
    words += [] if options.volume_postprocessing else ["--nopostprocess"]
    return ProgramCall(
        whole_words((*before, PACKAGE, *words)),
        options.timeout_s,
        {"CUDA_VISIBLE_DEVICES": visible_gpus(device), **options.variables},
    )
