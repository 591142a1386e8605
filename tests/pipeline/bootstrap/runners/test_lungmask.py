"""Runner lungmask: what the package is told, and the real package with untrained weights."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.bootstrap.models import trust_model
from pipeline.bootstrap.runners.lungmask import downloads_folder
from pipeline.bootstrap.weights import ModelMissing
from pipeline.errors import BadInput, MissingDependency
from pipeline.stage import Outcome
from pipeline.volume import Grid
from pipeline.workspace import Case, Workspace, digest_of_ct, digest_of_file, write_case

Run = Callable[..., list[Outcome]]
LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
URL = "https://x.org/unet_lobes-12345678.pth"
# Stands in for the package: writes what it was told into a file, and a label map of zeros.
STAND_IN = """
import gzip, os, struct, sys
sees = 'sees ' + os.environ.get('CUDA_VISIBLE_DEVICES', '?')
open({log!r}, 'w').write('\\n'.join([*sys.argv[1:], sees]))
raw = gzip.open(sys.argv[1]).read()
offset = int(struct.unpack_from('<f', raw, 108)[0])
header = bytearray(raw[:offset])
struct.pack_into('<hh', header, 70, 2, 8)
gzip.open(sys.argv[2], 'wb').write(bytes(header) + bytes((len(raw) - offset) // 2))
"""


@pytest.fixture(autouse=True)
def empty_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return downloads_folder()


@pytest.fixture
def lobes_card(write_card: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a card whose weights lie in `lobes.pth`."""

    def write(**options: object) -> Path:
        weights = {"path": str(tmp_path / "lobes.pth"), "url": URL}
        labels = dict(enumerate(LOBES, start=1))
        return write_card(
            "lobes", runner="lungmask", options=options, weights=weights, labels=labels
        )

    return write


@pytest.fixture
def stand_in(lobes_card: Callable[..., Path], tmp_path: Path) -> Path:
    """Write a card for the stand-in; give the file into which it writes what it was told."""
    package = tmp_path / "modules" / "lungmask.py"
    package.parent.mkdir()
    log = tmp_path / "told.txt"
    package.write_text(STAND_IN.format(log=str(log)))
    python = [sys.executable, "-B", "-m"]
    lobes_card(environment=python, variables={"PYTHONPATH": str(package.parent)}, batch_size=4)
    return log


def test_the_package_is_told_the_file_of_weights_and_the_device(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    stand_in: Path,
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    add_case("s0001")
    (tmp_path / "lobes.pth").write_bytes(b"weights")
    trust_model(workspace, configs, "lobes")
    (outcome,) = run_bootstrap()
    assert outcome.status == "done", outcome.note
    told = stand_in.read_text().splitlines()
    assert [Path(word).name for word in told[:2]] == ["ct.nii.gz", "labels.nii.gz"]
    assert told[2:] == [
        *("--modelpath", str(tmp_path / "lobes.pth"), "--noprogress", "--removemetadata"),
        *("--batchsize", "4", "--cpu", "sees "),
    ]
    made = workspace.in_force("s0001")[LOBES[0]].provenance
    assert made.sources["weights"] == digest_of_file(tmp_path / "lobes.pth")
    (outcome,) = run_bootstrap(device="gpu:1")
    assert outcome.status == "kept"


def test_a_gpu_is_asked_for_by_its_number(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    stand_in: Path,
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    add_case("s0001")
    (tmp_path / "lobes.pth").write_bytes(b"weights")
    trust_model(workspace, configs, "lobes")
    run_bootstrap(device="gpu:1")
    told = stand_in.read_text().splitlines()
    assert "--cpu" not in told
    assert told[-1] == "sees 1"


def test_weights_that_nobody_approved_are_never_loaded(
    workspace: Workspace,
    add_case: Callable[..., Case],
    stand_in: Path,
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    add_case("s0001")
    (tmp_path / "lobes.pth").write_bytes(b"weights")
    with pytest.raises(MissingDependency, match="masksmith models trust lobes"):
        run_bootstrap()
    assert not stand_in.exists()


def test_missing_weights_say_which_file_goes_where(
    add_case: Callable[..., Case], stand_in: Path, run_bootstrap: Run, empty_downloads: Path
) -> None:
    add_case("s0001")
    with pytest.raises(MissingDependency) as caught:
        run_bootstrap()
    message = str(caught.value)
    assert f"download {URL} and put it at " in message
    assert f"nothing at {empty_downloads / 'unet_lobes-12345678.pth'}" in message


def test_the_packages_own_download_is_found_and_must_be_the_declared_file(
    workspace: Workspace,
    configs: Path,
    stand_in: Path,
    write_card: Callable[..., Path],
    empty_downloads: Path,
) -> None:
    empty_downloads.mkdir(parents=True)
    file = empty_downloads / "unet_lobes-12345678.pth"
    file.write_bytes(b"weights")
    assert trust_model(workspace, configs, "lobes").digest == digest_of_file(file)
    environment = {"environment": [sys.executable, "-m"]}
    weights = {"url": URL, "sha256": "12345678"}
    write_card("lobes", runner="lungmask", options=environment, weights=weights)
    with pytest.raises(BadInput, match="expected 12345678"):
        trust_model(workspace, configs, "lobes")


def test_without_the_package_the_card_says_what_to_install(
    workspace: Workspace,
    configs: Path,
    lobes_card: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    lobes_card()
    with pytest.raises(ModelMissing, match="pip install lungmask"):
        trust_model(workspace, configs, "lobes")
    lobes_card(environment=["no-such-program", "-m"], install="make venv-lungmask")
    with pytest.raises(ModelMissing, match=r"'no-such-program' is not there.*make venv-lungmask"):
        trust_model(workspace, configs, "lobes")


def chest() -> tuple[np.ndarray, Grid]:
    """Make a CT of a body with two lungs: shape (60, 48, 3), axes LPS, 4 x 4 x 5 mm."""
    grid = Grid((60, 48, 3), np.diag([-4.0, -4.0, 5.0, 1.0]))
    x, y, _ = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    ct = np.where(((x - 30) / 27) ** 2 + ((y - 24) / 20) ** 2 < 1, 40, -1000)
    for middle in (18, 42):
        ct[((x - middle) / 8) ** 2 + ((y - 24) / 12) ** 2 < 1] = -850
    return np.asfortranarray(ct.astype(np.int16)), grid


@pytest.mark.slow
def test_the_real_package_labels_a_ct_on_its_own_grid(
    workspace: Workspace,
    configs: Path,
    lobes_card: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    """Untrained weights of lungmask's own network: their masks must be what lungmask itself says.

    Volume postprocessing is off, so that the untrained network's specks stay.
    """
    torch = pytest.importorskip("torch")
    resunet = pytest.importorskip("lungmask.resunet")
    torch.manual_seed(3)
    network = resunet.UNet(
        n_classes=6, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False
    )
    torch.save(network.state_dict(), tmp_path / "lobes.pth")
    ct, grid = chest()
    case = write_case(workspace.layout, Case("s0001", grid, digest_of_ct(ct, grid)), ct)
    workspace.record_case(case)
    lobes_card(volume_postprocessing=False)
    trust_model(workspace, configs, "lobes")
    (outcome,) = run_bootstrap()
    assert outcome.status == "done", outcome.note
    from lungmask import LMInferer

    inferer = LMInferer(
        modelpath=str(tmp_path / "lobes.pth"),
        force_cpu=True,
        batch_size=1,
        volume_postprocessing=False,
        tqdm_disable=True,
    )
    expected = inferer.apply(
        np.ascontiguousarray(ct.T)
    ).T  # it takes (slices, rows, columns) in LPS
    masks = workspace.in_force("s0001")
    assert expected.any()
    for value, name in enumerate(LOBES, start=1):
        np.testing.assert_array_equal(workspace.mask_array(masks[name]), expected == value)
