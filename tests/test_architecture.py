"""The arrows between modules point as docs/architecture.md draws them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nst_asr"
PARTS = ("results", "report", "compare_runs", "watch", "recipe_results")  # of the core, in folders of their own
CORE = sorted(
    path
    for path in [*PACKAGE.glob("*.py"), *(path for name in PARTS for path in (PACKAGE / name).rglob("*.py"))]
    if path.name != "cli.py"
)


def imported(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_no_task(path: Path) -> None:
    assert not [name for name in imported(path) if name.startswith(("nst_asr.speech", "nst_asr.vision"))]


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_of_the_core_only_training_imports_torch(path: Path) -> None:
    torch = [name for name in imported(path) if name.split(".")[0] in ("torch", "torchaudio", "safetensors")]
    assert bool(torch) == (path.name in ("train.py", "parallel.py", "device.py", "rmsprop.py"))


TASKS = sorted(path for task in ("speech", "vision") for path in (PACKAGE / task).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", TASKS, ids=named)
def test_the_tasks_do_not_import_each_other(path: Path) -> None:
    other = "nst_asr.vision" if "speech" in path.relative_to(PACKAGE).parts else "nst_asr.speech"
    assert not [name for name in imported(path) if name.startswith(other)]


@pytest.mark.parametrize("path", TASKS, ids=named)
def test_only_the_start_of_a_run_calls_the_stages_of_the_loop(path: Path) -> None:
    assert ("nst_asr.stages" in imported(path)) == (path.name == "start.py")


@pytest.mark.parametrize(
    "name",
    [
        *("speech/labeler.py", "speech/decode.py", "speech/model.py", "speech/transcribe.py"),
        *("vision/labeler.py", "vision/model.py", "vision/geometry.py", "vision/gallery.py"),
    ],
)
def test_what_labels_knows_no_noise(name: str) -> None:
    noises = ("speech.noise", "vision.noise", "vision.randaugment")
    assert not [module for module in imported(PACKAGE / name) if module.endswith(noises)]


def test_the_core_does_not_ask_which_task_it_serves() -> None:
    asks = [path.name for path in CORE if '"speech"' in path.read_text() or '"vision"' in path.read_text()]
    assert not asks


def test_importing_the_package_or_printing_help_imports_no_torch() -> None:
    program = "import sys, nst_asr, nst_asr.cli, nst_asr.loop; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_no_module_is_called_utils() -> None:
    assert not [
        path for path in ROOT.glob("*/**/*.py") if path.stem in ("utils", "helpers") and ".venv" not in path.parts
    ]
