"""A built wheel carries everything that the command needs away from the checkout."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, folder: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shipped(folder: str, pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob(pattern)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out))
    [built] = out.glob("masksmith-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel and this one's other packages."""
    folder = tmp_path_factory.mktemp("a place with spaces")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", str(wheel))
    [site] = folder.glob("lib/python3.*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def test_the_wheel_holds_settings_migrations_and_page(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"pipeline/shipped_{path}" for path in shipped("configs", "*.yaml")}
    assert "pipeline/shipped_configs/class_map.yaml" in configs
    assert configs - held == set()
    assert shipped("pipeline/workspace/migrations", "*.py") - held == set()
    assert shipped("qc", "*.html") | shipped("qc", "*.js") | shipped("qc", "*.css") <= held


def test_the_wheel_holds_the_workbench_as_it_was_built(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    built = {path for path in shipped("annotation/server/static", "*") if (ROOT / path).is_file()}
    assert built <= held
    assert not any(name.startswith("annotation/server/web/") for name in held)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()
    roots = {name.partition("/")[0] for name in held}
    info = {root for root in roots if root.endswith(".dist-info")}
    assert roots - info == {"pipeline", "annotation", "qc", "training"}
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_command_works_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "intake" in run(installed / "masksmith", "--help", folder=tmp_path)
    run(installed / "masksmith", "init", folder=tmp_path)
    assert (tmp_path / "workspace" / "class_map.yaml").is_file()
    assert "0 cases" in run(installed / "masksmith", "status", folder=tmp_path)


def test_its_settings_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "from pipeline.anatomy import shipped_configs; print(shipped_configs().resolve())"
    configs = Path(run(installed / "python", "-c", code, folder=tmp_path).strip())
    assert configs.is_relative_to(installed.parent.resolve())
    assert (configs / "intake.yaml").is_file()
