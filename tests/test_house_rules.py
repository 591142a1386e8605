"""The rules of the house: one name in four places, small files, light imports, clean floors."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from pipeline.stages import FILE_COMMANDS, SERVICES, STAGES, FileCommandRef, StageRef

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "annotation", "qc", "training")
HEAVY = {
    "SimpleITK",
    "fury",
    "nnunetv2",
    "pydicom",
    "pygfx",
    "scipy",
    "torch",
    "torchvision",
    "vtk",
    "vtkmodules",
    "wgpu",
}
SLOW_TO_START = HEAVY | {"nibabel", "numpy", "pydantic", "rich", "sqlalchemy", "yaml"}
VAGUE = {"common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
UNSAFE_LOADERS = {"yaml.Loader", "yaml.FullLoader", "yaml.UnsafeLoader"}

# Commands on files and services are no stages, but keep the one name in four places.
NAMED = (*STAGES, *FILE_COMMANDS, *SERVICES)

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 6


def python_files(*folders: str) -> list[Path]:
    """Return the Python files under these folders, relative to the checkout."""
    return sorted(
        path.relative_to(ROOT)
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def functions_in(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    is_documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    documentation = (first.end_lineno or 0) - first.lineno + 1 if is_documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documentation


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in {"self", "cls"}]


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function's parameters are the flags of a command."""
    return any(ast.unparse(it).startswith("click.option") for it in function.decorator_list)


def imports_of(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield what runs at import time imports; functions and TYPE_CHECKING blocks do not count."""
    for statement in statements:
        match statement:
            case ast.Import():
                yield from (alias.name for alias in statement.names)
            case ast.ImportFrom(level=0):
                yield statement.module or ""
            case ast.If() if "TYPE_CHECKING" not in ast.unparse(statement.test):
                yield from imports_of(statement.body + statement.orelse)
            case ast.If():
                yield from imports_of(statement.orelse)
            case ast.Try():
                handlers = [inner for handler in statement.handlers for inner in handler.body]
                yield from imports_of(statement.body + handlers + statement.orelse)
            case ast.With() | ast.ClassDef():
                yield from imports_of(statement.body)


def roots_of(names: Iterator[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def run_python(code: str, folder: Path) -> str:
    """Run code in a fresh interpreter from a folder outside the checkout; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


CODE = python_files(*PACKAGES)
ALL_PYTHON = python_files(*PACKAGES, "tests", "benchmarks")


@pytest.mark.parametrize("ref", NAMED, ids=lambda ref: ref.name)
def test_a_stage_has_the_same_name_in_every_place(ref: StageRef | FileCommandRef) -> None:
    assert ref.module.rpartition(".")[2] == ref.name.replace("-", "_")
    assert (ROOT / ref.module.replace(".", "/")).with_suffix(".py").is_file()
    assert (ROOT / "configs" / f"{ref.name.replace('-', '_')}.yaml").is_file()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{ref.name}:.*\n(\t.*\n)?\t\$\(MASKSMITH\)", makefile, re.MULTILINE)
    assert ref.load().name == ref.name


@pytest.mark.parametrize("ref", NAMED, ids=lambda ref: ref.name)
def test_a_settings_file_names_only_settings_that_exist(ref: StageRef | FileCommandRef) -> None:
    given = yaml.safe_load(
        (ROOT / "configs" / f"{ref.name.replace('-', '_')}.yaml").read_text(encoding="utf-8")
    )
    assert set(given or {}) <= set(ref.load().Settings.model_fields)


@pytest.mark.parametrize("ref", NAMED, ids=lambda ref: ref.name)
def test_every_setting_is_described(ref: StageRef | FileCommandRef) -> None:
    fields = ref.load().Settings.model_fields
    assert [name for name, field in fields.items() if not (field.description or "").strip()] == []


@pytest.mark.parametrize("path", ALL_PYTHON, ids=str)
def test_a_file_is_short(path: Path) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", ALL_PYTHON, ids=str)
def test_functions_are_short(path: Path) -> None:
    lengths = {function.name: lines_without_docstring(function) for function in functions_in(path)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", CODE, ids=str)
def test_functions_take_few_parameters(path: Path) -> None:
    parameters = {
        function.name: parameters_of(function)
        for function in functions_in(path)
        if not is_command(function)
    }
    assert {name: given for name, given in parameters.items() if len(given) > MAX_PARAMETERS} == {}


@pytest.mark.parametrize("path", ALL_PYTHON, ids=str)
def test_a_module_has_a_telling_name(path: Path) -> None:
    assert not VAGUE & {*path.parent.parts, path.stem}


@pytest.mark.parametrize("path", CODE, ids=str)
def test_heavy_packages_are_imported_inside_functions(path: Path) -> None:
    runs_inside_nnunet = "nnunet_trainers" in path.parts or path.stem.endswith("_worker")
    found = roots_of(imports_of(tree_of(path).body)) & HEAVY
    assert runs_inside_nnunet or not found


@pytest.mark.parametrize("path", CODE, ids=str)
def test_code_keeps_off_what_is_forbidden(path: Path) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    nodes = list(ast.walk(tree_of(path)))
    is_program_of_its_own = path.stem.endswith("_worker")
    found = [offence for node in nodes if (offence := unsafe_call(node))]
    if not is_program_of_its_own:
        found += [offence for node in nodes if (offence := loud_or_global(node))]
    assert found == []
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", source)


def unsafe_call(node: ast.AST) -> str | None:
    """Say what is wrong with a node that could run somebody else's code."""
    match node:
        case ast.keyword(arg="shell", value=ast.Constant(value=True)):
            return f"line {node.value.lineno}: a shell"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pickle" | "marshal"))):
            return f"line {node.lineno}: pickle"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr="load" | "load_all")):
            loaders = [given.value for given in node.keywords if given.arg == "Loader"]
            if not loaders or ast.unparse(loaders[0]) in UNSAFE_LOADERS:
                return f"line {node.lineno}: YAML that can make any object"
    return None


def loud_or_global(node: ast.AST) -> str | None:
    """Say what is wrong with a node that prints or changes the environment of our own process."""
    match node:
        case ast.Call(func=ast.Name(id="print")):
            return f"line {node.lineno}: print; use click.echo, the log or an Outcome"
        case ast.Assign(targets=[ast.Subscript(value=ast.Attribute(attr="environ"))]):
            return f"line {node.lineno}: a change of our own environment"
    return None


def test_trainers_import_nothing_of_ours() -> None:
    for path in python_files("training/nnunet_trainers"):
        nodes = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.stmt)]
        assert not roots_of(imports_of(nodes)) & set(PACKAGES), path


def test_tests_have_no_init_files() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_tests_mirror_the_tree(package: str) -> None:
    folders = {path.parent.relative_to("tests") for path in python_files(f"tests/{package}")}
    assert [str(folder) for folder in folders if not (ROOT / folder).is_dir()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_imported_are_this_checkouts(package: str, tmp_path: Path) -> None:
    here = Path(sys.modules[package].__file__ or "") if package in sys.modules else None
    elsewhere = run_python(f"import {package}; print({package}.__file__)", tmp_path).strip()
    assert Path(elsewhere).parents[1] == ROOT
    assert here is None or here.parents[1] == ROOT


def test_help_imports_nothing_slow(tmp_path: Path) -> None:
    code = (
        "import contextlib, io, sys\n"
        "from pipeline.cli.main import main\n"
        "sys.argv = ['masksmith', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "assert 'retrain' in said.getvalue()\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert not set(run_python(code, tmp_path).split()) & SLOW_TO_START


def test_the_floors_of_the_house_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
