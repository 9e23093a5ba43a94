"""The rules that keep the house in order: who imports whom, what is loaded when, how long a file is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_lptem_diffusion

PACKAGE = "napari_lptem_diffusion"
ROOT = Path(__file__).parents[1]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
}
FLOORS = [
    {"settings", "errors", "progress", "overlay_style"},
    {"movie"},
    {"particles"},
    {"diffusion"},
    {"export"},
    {"analysis", "corrections", "session", "judge", "compare", "sample_data"},
    {"batch", "cli", "terminal", "workers"},
    {"gui"},
]
"""From the ground up: a room imports from its own floor and from those below it."""
TRAINING_NEEDS = {"torch", "numpy", "safetensors"}
GUI_LIBRARIES = {"qtpy", "napari", "magicgui", "superqt", "pyqtgraph", "vispy", "PyQt5", "PyQt6", "PySide2", "PySide6"}


def imports(module: str) -> Iterator[str]:
    """Yield the full name of everything that a module of the package imports when it runs, anywhere in it."""
    for node in running_code(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in SOURCES else str(node.module)


def running_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from running_code(node)


def room(module: str) -> str:
    """Return the part of the house that a module is in; "" for the package itself."""
    return [*module.split("."), ""][1]


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def ours(names: Iterator[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == PACKAGE and name != PACKAGE}


def test_every_module_has_a_floor():
    assert {room(module) for module in SOURCES} - {""} <= set().union(*FLOORS)


@pytest.mark.parametrize("module", [module for module in SOURCES if room(module)])
def test_arrows_point_one_way(module):
    """The one door up: the command `view` opens the window."""
    upwards = {name for name in ours(imports(module)) if floor(name) > floor(module)}
    if module == f"{PACKAGE}.cli":
        upwards = {name for name in upwards if not name.startswith(f"{PACKAGE}.gui")}
    assert upwards == set()


@pytest.mark.parametrize("module", [module for module in SOURCES if room(module) != "gui"])
def test_nothing_below_the_gui_imports_a_gui_library(module):
    assert {name.split(".")[0] for name in imports(module)} & GUI_LIBRARIES == set()


def test_training_needs_only_torch_numpy_and_safetensors():
    """Everything that running it loads, the packages' own __init__ included."""
    waiting, seen, foreign = [f"{PACKAGE}.diffusion.training"], set(), {}
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        names = set(imports(module))
        foreign |= {name.split(".")[0]: module for name in names if name.split(".")[0] != PACKAGE}
        parents = {module.rsplit(".", 1)[0]} if "." in module else set()
        waiting += sorted(ours(iter(names)) | parents)
    unwanted = {name: by for name, by in foreign.items() if name not in sys.stdlib_module_names | TRAINING_NEEDS}
    assert unwanted == {}


def test_every_room_is_installed():
    """Users install with pip, where a room that is not listed is missing."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    rooms = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / PACKAGE).rglob("__init__.py")
    }
    assert set(listed) == rooms | {f"{PACKAGE}.sample_data", f"{PACKAGE}.docs"}


def test_importing_the_package_loads_neither_qt_nor_napari_nor_torch():
    code = f"import sys, {PACKAGE}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert PACKAGE in loaded.stdout.split()
    assert set(loaded.stdout.split()) & (GUI_LIBRARIES | {"torch", "pandas", "trackpy", "matplotlib"}) == set()


@pytest.mark.parametrize("name", napari_lptem_diffusion.__all__)
def test_every_public_name_is_there(name):
    assert getattr(napari_lptem_diffusion, name) is not None
    assert name in dir(napari_lptem_diffusion)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = napari_lptem_diffusion.no_such_name


@pytest.mark.parametrize("module", SOURCES)
def test_a_file_is_read_in_one_sitting(module):
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= 400


def test_no_file_names_a_place_on_somebodys_machine():
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the files of the repository are listed by git, which is not here")
    place = re.compile(r"(?<![\w.:/])(?:/(?:home|Users|root|work)|[A-Z]:\\Users)[/\\]\w")
    found = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or b"\0" in path.read_bytes():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if place.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []
