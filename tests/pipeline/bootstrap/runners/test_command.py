import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.runners.command import CommandOptions, fill_argv, place_values
from pipeline.bootstrap.runners.program import CasePlaces
from pipeline.bootstrap.trust import approve
from pipeline.engine import ProcessEngine
from pipeline.stage import Outcome, load_settings, run_stage
from pipeline.workspace import Case, Workspace

Run = Callable[..., list[Outcome]]

# A whole program without imports that take time: tissue in the upper half of x is 1, below it 2.
THRESHOLD = """
import array, gzip, struct, sys
raw = gzip.open(sys.argv[1]).read()
offset = int(struct.unpack_from('<f', raw, 108)[0])
size_i = struct.unpack_from('<h', raw, 42)[0]
header = bytearray(raw[:offset])
struct.pack_into('<h', header, 252, 0)
voxels = array.array('h', raw[offset:])
labels = bytes(v > -500 and 1 + (n % size_i < size_i // 2) for n, v in enumerate(voxels))
kind, bits = 2, 8
# change
struct.pack_into('<hh', header, 70, kind, bits)
gzip.open(sys.argv[2], 'wb', compresslevel=1).write(bytes(header) + bytes(labels))
"""
OTHER_SPACING = THRESHOLD.replace(
    "# change",
    "rows = struct.unpack_from('<12f', header, 280)\n"
    "struct.pack_into('<12f', header, 280, *[2 * value for value in rows])",
)
MIRRORED = THRESHOLD.replace(
    "# change",
    "rows = struct.unpack_from('<12f', header, 280)\n"
    "struct.pack_into('<12f', header, 280, *[-v for v in rows[:8]], *rows[8:])",
)
FRACTIONS = THRESHOLD.replace(
    "# change", "labels = array.array('f', [v * 0.25 for v in labels]); kind, bits = 16, 32"
)


@pytest.fixture
def card_for(write_card: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a card for a Python script."""

    def write(script: str, *words: str, **options: object) -> Path:
        path = tmp_path / "program.py"
        path.write_text(script)
        argv = [str(path), *(words or ("{input}", "{output}"))]
        options = {"argv": argv, "environment": [sys.executable, "-S", "-B"], **options}
        return write_card(runner="command", options=options, labels={1: "liver", 2: "spleen"})

    return write


def test_a_real_program_makes_masks(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    case = add_case("s0001")
    card_for(THRESHOLD)
    (outcome,) = run_bootstrap()
    assert outcome.status == "done", outcome.note
    masks = workspace.in_force(case.id)
    body = workspace.ct(case.id) > -500
    half = case.grid.shape[0] // 2
    assert masks["liver"].voxels == body[half:].sum() > 0
    assert masks["spleen"].voxels == body[:half].sum() > 0
    assert list(workspace.layout.scratch_dir.iterdir()) == []


def test_running_again_keeps_what_is_there(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    card_for(THRESHOLD)
    run_bootstrap()
    before = {mask.id for mask in workspace.masks("s0001")}
    card_for(THRESHOLD, timeout_s=60.0, parallel=True)
    (outcome,) = run_bootstrap()
    assert outcome.status == "kept"
    card_for(THRESHOLD, variables={"SPEED": "slow"})
    (outcome,) = run_bootstrap()
    assert outcome.status == "done"
    assert len({mask.id for mask in workspace.masks("s0001")} - before) == 2


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "import sys; print('no GPU found', file=sys.stderr); sys.exit(3)",
            "ended with exit code 3; it said: no GPU found",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with signal 9"),
        ("pass", "expected a label map named labels.nii.gz, it wrote nothing"),
        ("import sys; open(sys.argv[2], 'w')", "the label map it wrote is empty (0 bytes)"),
        ("import sys; open(sys.argv[2], 'w').write('x' * 999)", "not a NIfTI file"),
        (
            "import pathlib, sys; pathlib.Path(sys.argv[2]).with_name('seg.nii').touch()",
            "expected a label map named labels.nii.gz, it wrote seg.nii",
        ),
        (OTHER_SPACING, "labels.nii.gz: not on the grid of the CT"),
        (MIRRORED, "labels.nii.gz: mirrored"),
        (FRACTIONS, "a label map must hold whole numbers, found 0."),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_written(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
    script: str,
    words: str,
) -> None:
    add_case("s0001")
    card_for(script)
    (outcome,) = run_bootstrap()
    assert outcome.status == "failed"
    assert words in outcome.note
    assert "\n" not in outcome.note
    assert workspace.masks("s0001") == ()
    assert not workspace.layout.masks_dir("s0001").exists()
    assert list(workspace.layout.scratch_dir.iterdir()) == []


def test_a_crash_of_one_case_does_not_stop_the_others(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    add_case("s0002", seed=7)
    bad = workspace.layout.ct("s0001").stat().st_size
    card_for(f"import os, sys\nif os.path.getsize(sys.argv[1]) == {bad}: sys.exit(1)\n{THRESHOLD}")
    outcomes = {outcome.subject: outcome.status for outcome in run_bootstrap()}
    assert outcomes == {"s0001": "failed", "s0002": "done"}


def test_several_cases_may_run_at_once(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Each program waits until both have begun: one after the other they would never end."""
    add_case("s0001")
    add_case("s0002")
    wait = (
        "import os, sys, time\n"
        f"open({str(tmp_path)!r} + f'/{{os.getpid()}}.began', 'w')\n"
        f"while sum(n.endswith('.began') for n in os.listdir({str(tmp_path)!r})) < 2:\n"
        "    time.sleep(0.02)\n"
    )
    card_for(wait + THRESHOLD, parallel=True, timeout_s=60.0)
    settings = load_settings(STAGE, configs)
    report = run_stage(STAGE, workspace, settings, ProcessEngine(2))
    assert [outcome.status for outcome in report.outcomes] == ["done", "done"]


def test_a_program_that_hangs_is_stopped_with_its_children(
    add_case: Callable[..., Case], card_for: Callable[..., Path], run_bootstrap: Run, tmp_path: Path
) -> None:
    add_case("s0001")
    pid_file = tmp_path / "child.pid"
    child = "import time; time.sleep(60)"
    card_for(
        f"import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        f"print('working', file=sys.stderr, flush=True)\ntime.sleep(60)\n",
        timeout_s=1.5,
    )
    started = time.monotonic()
    (outcome,) = run_bootstrap()
    assert time.monotonic() - started < 20
    assert "stopped after 1.5 s (options: timeout_s in the card); it said: working" in outcome.note
    status = Path("/proc") / pid_file.read_text() / "status"
    deadline = time.monotonic() + 5
    while status.exists() and "zombie" not in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not status.exists() or "zombie" in status.read_text()


def test_folders_names_and_variables_reach_the_program(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    script = (
        "import os, sys\n"
        "assert os.environ['MODEL_HOME'] == '/models', os.environ\n"
        "assert sys.argv[3:] == ['gpu:1'], sys.argv\n"
        "assert os.listdir(sys.argv[1]) == ['case_0000.nii.gz']\n"
        "sys.argv[1:] = [sys.argv[1] + '/case_0000.nii.gz', sys.argv[2] + '/case.nii.gz']\n"
    )
    card_for(
        script + THRESHOLD,
        "{input_folder}",
        "{output_folder}",
        "{device}",
        input_name="case_0000.nii.gz",
        output_name="case.nii.gz",
        variables={"MODEL_HOME": "/models"},
    )
    (outcome,) = run_bootstrap(device="gpu:1")
    assert outcome.status == "done", outcome.note
    assert workspace.in_force("s0001")["liver"].voxels > 0


def test_a_program_cannot_change_the_workspaces_ct(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    before = workspace.layout.ct("s0001").read_bytes()
    card_for(f"{THRESHOLD}\nopen(sys.argv[1], 'w').write('spoilt')")
    (outcome,) = run_bootstrap()
    assert outcome.status == "done", outcome.note
    assert workspace.layout.ct("s0001").read_bytes() == before


def test_words_are_filled_without_a_shell() -> None:
    options = CommandOptions(argv=("seg", "{input}", "-o{output}", '{"a": 1}', "$HOME; rm"))
    places = CasePlaces(Path("/"), Path("/in/ct.nii.gz"), Path("/out/l.nii.gz"))
    filled = fill_argv(options, place_values(places, "cpu", None))
    assert filled == ("seg", "/in/ct.nii.gz", "-o/out/l.nii.gz", '{"a": 1}', "$HOME; rm")


def test_a_program_below_the_users_home_is_found() -> None:
    options = CommandOptions(argv=("~/envs/v1/bin/predict", "{input}", "{output}", "~"))
    places = CasePlaces(Path("/"), Path("/ct"), Path("/out"))
    home = os.path.expanduser("~")
    filled = fill_argv(options, place_values(places, "cpu", None))
    assert filled == (f"{home}/envs/v1/bin/predict", "/ct", "/out", "~")


@pytest.mark.parametrize(("device", "seen"), [("cpu", ""), ("gpu:2", "2"), ("gpu", "0")])
def test_the_device_says_which_gpus_a_program_sees(
    device: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    places = CasePlaces(Path("/"), Path("/ct"), Path("/out"))
    assert place_values(places, device, None)["cuda"] == seen


def test_weights_are_digested_and_must_be_there(
    workspace: Workspace,
    add_case: Callable[..., Case],
    write_card: Callable[..., Path],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    from pipeline.bootstrap.weights import weights_digest
    from pipeline.errors import MissingDependency

    add_case("s0001")
    card_for(THRESHOLD, "{input}", "{output}", "{weights}")
    with pytest.raises(MissingDependency, match="weights missing: the card names no place"):
        run_bootstrap()
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"1")
    with pytest.raises(MissingDependency, match="masksmith models trust model_a"):
        run_bootstrap(weights={"model_a": str(weights)})
    approve(weights_digest(weights), "model_a")
    run_bootstrap(weights={"model_a": str(weights)})
    made = workspace.in_force("s0001")["liver"].provenance
    assert made.sources["weights"] == weights_digest(weights)
    weights.write_bytes(b"2")
    approve(weights_digest(weights), "model_a")
    (outcome,) = run_bootstrap(weights={"model_a": str(weights)})
    assert outcome.status == "done"


def test_variables_may_name_the_weights(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    """As nnU-Net v1 wants it: RESULTS_FOLDER, and a name that ends in _0000."""
    from pipeline.bootstrap.weights import weights_digest

    add_case("s0001")
    weights = tmp_path / "results"
    (weights / "nnUNet").mkdir(parents=True)
    (weights / "nnUNet" / "model_final_checkpoint.model").write_bytes(b"1")
    approve(weights_digest(weights), "model_a")
    check = (
        "import os, sys\n"
        f"assert os.environ['RESULTS_FOLDER'] == {str(weights)!r}\n"
        "assert os.environ['CUDA_VISIBLE_DEVICES'] == '3'\n"
    )
    card_for(
        check + THRESHOLD,
        input_name="case_0000.nii.gz",
        variables={"RESULTS_FOLDER": "{weights}", "CUDA_VISIBLE_DEVICES": "{cuda}"},
    )
    (outcome,) = run_bootstrap(weights={"model_a": str(weights)}, device="gpu:3")
    assert outcome.status == "done", outcome.note
    made = workspace.in_force("s0001")["liver"].provenance
    assert made.sources["weights"] == weights_digest(weights)


def test_more_labels_than_the_card_names_are_reported_and_written_nowhere(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    more = THRESHOLD.replace("# change", "labels = bytes(v * 3 for v in labels)")
    card_for(more)
    (outcome,) = run_bootstrap()
    body = workspace.ct("s0001") > -500
    half = body.shape[0] // 2
    assert outcome.figures["unmatched"] == {
        "value 3": body[half:].sum(),
        "value 6": body[:half].sum(),
    }
    assert "no structure in the class map for value 3" in outcome.note
    assert [mask.voxels for mask in workspace.masks("s0001")] == [0, 0]


def test_an_empty_prediction_says_so(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    card_for(THRESHOLD.replace("# change", "labels = bytes(len(labels))"))
    (outcome,) = run_bootstrap()
    assert (outcome.status, outcome.figures["voxels"]) == ("done", 0)
    assert "no voxel labelled" in outcome.note
    assert [mask.voxels for mask in workspace.masks("s0001")] == [0, 0]


def test_a_missing_program_says_how_to_get_it(
    add_case: Callable[..., Case], write_card: Callable[..., Path], run_bootstrap: Run
) -> None:
    from pipeline.errors import MissingDependency

    add_case("s0001")
    options = {
        "argv": ["predict", "{input}", "{output}"],
        "environment": ["~/no/such/env/python", "-m"],
        "install": "pip install predict",
    }
    write_card(runner="command", options=options)
    with pytest.raises(
        MissingDependency, match=r"'/.*/no/such/env/python' .*; pip install predict"
    ):
        run_bootstrap()


def test_a_missing_program_is_a_missing_dependency(
    add_case: Callable[..., Case], write_card: Callable[..., Path], run_bootstrap: Run
) -> None:
    from pipeline.errors import MissingDependency

    add_case("s0001")
    write_card(runner="command", options={"argv": ["no-such-program", "{input}", "{output}"]})
    with pytest.raises(MissingDependency, match="the program 'no-such-program' is not there"):
        run_bootstrap()


def test_all_that_is_missing_is_said_at_once(
    add_case: Callable[..., Case], write_card: Callable[..., Path], run_bootstrap: Run
) -> None:
    from pipeline.errors import MissingDependency

    add_case("s0001")
    options = {"argv": ["no-such-program", "{input}", "{output}"], "install": "apt install it"}
    weights = {"path": "nowhere", "url": "https://x.org/w.zip"}
    write_card(runner="command", options=options, weights=weights)
    words = r"apt install it; and weights missing: nothing at .*; download https://x\.org/w\.zip"
    with pytest.raises(MissingDependency, match=words):
        run_bootstrap()
