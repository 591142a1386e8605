"""The command line as a user meets it, and small synthetic data to lead through it."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.cli.main import main
from pipeline.phantom import DatasetSettings, write_phantoms
from pipeline.volume import read_nifti
from pipeline.workspace import Workspace, digest_of_ct

STRUCTURES = ("spleen", "kidney_right", "kidney_left", "liver", "stomach", "aorta")


@dataclass(frozen=True)
class Done:
    """How one call of the command ended."""

    words: Sequence[str]
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Lab:
    """A folder with settings, data, and the commands that run on them."""

    root: Path

    @property
    def workspace(self) -> Path:
        """The workspace's folder."""
        return self.root / "workspace"

    @property
    def words(self) -> list[str]:
        """The shared options of every call."""
        shared = ["--workspace", str(self.workspace), "--configs", str(self.root / "configs")]
        return [*shared, "--jobs", "1"]

    def __call__(self, *words: str) -> Done:
        """Call `masksmith WORDS` in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*self.words, *words])
        return Done(words, code, out.getvalue(), err.getvalue())

    def json(self, *words: str, code: int = 0) -> Any:
        """Call `masksmith WORDS --json`, check the exit code, and return the document."""
        done = self(*words, "--json")
        assert done.code == code, done.err
        return done.document

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `masksmith WORDS` as a process of its own, to be killed."""
        argv = [sys.executable, "-P", "-m", "pipeline.cli", *self.words, *words]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def predict_with_truth(self, bodies: Path) -> list[str]:
        """Lay the truth of the bare CTs where the card looks; return their cases."""
        folder = self.root / "predictions"
        folder.mkdir(exist_ok=True)
        by_digest = {case.ct_digest: case.id for case in Workspace.open(self.workspace).cases()}
        found = []
        for path in sorted((bodies / "bare").glob("*.nii.gz")):
            ct = read_nifti(path)
            case_id = by_digest[digest_of_ct(ct.array, ct.grid)]
            truth = bodies / "truth" / path.name.replace(".nii", "_labels.nii")
            shutil.copyfile(truth, folder / f"{case_id}.nii.gz")
            found.append(case_id)
        return found


@pytest.fixture(scope="session")
def few_structures() -> ClassMap:
    """Six large organs of the abdomen."""
    return load_class_map(shipped_configs() / "class_map.yaml").subset(STRUCTURES, name="six")


@pytest.fixture(scope="session")
def bodies(tmp_path_factory: pytest.TempPathFactory, few_structures: ClassMap) -> Path:
    """`drawn/`: two abdomens with masks in the layout of TotalSegmentator; `bare/`: two CTs.

    The truth of the bare ones is in `truth/`.
    """
    root = tmp_path_factory.mktemp("bodies")
    make = {"spacing_mm": 8.0, "field_of_view": "abdomen", "count": 2}
    drawn = DatasetSettings(seed=1, **make)
    bare = DatasetSettings(seed=2, layout="plain", with_masks=False, **make)
    truth = DatasetSettings(seed=2, layout="plain", **make)
    for name, wish in (("drawn", drawn), ("bare", bare), ("truth", truth)):
        list(write_phantoms(root / name, few_structures, wish))
    return root


@pytest.fixture(scope="session")
def new_lab(
    tmp_path_factory: pytest.TempPathFactory, few_structures: ClassMap
) -> Callable[[], Lab]:
    """Give a function that makes a lab: settings with six structures and one model card."""

    def make() -> Lab:
        lab = Lab(tmp_path_factory.mktemp("lab"))
        configs = lab.root / "configs"
        shutil.copytree(shipped_configs(), configs, ignore=shutil.ignore_patterns("models"))
        values = {structure.value: structure.name for structure in few_structures}
        text = yaml.safe_dump({"name": "six", "structures": values})
        (configs / "class_maps" / "six.yaml").write_text(text)
        cards = configs / "bootstrap" / "models"
        cards.mkdir(parents=True)
        card = {
            "name": "elsewhere",
            "runner": "labelmaps",
            "weights": {"path": str(lab.root / "predictions")},
            "licence": "CC0-1.0",
            "reference": "tests",
            "priority": 10,
            "labels": values,
        }
        (cards / "elsewhere.yaml").write_text(yaml.safe_dump(card))
        return lab

    return make
