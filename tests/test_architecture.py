"""The arrows between modules point as docs/architecture.md draws them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nst_asr"
CORE = sorted(path for path in PACKAGE.glob("*.py") if path.name != "cli.py")


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


@pytest.mark.parametrize("path", sorted((PACKAGE / "speech").glob("*.py")), ids=lambda path: path.name)
def test_only_the_start_of_a_run_calls_the_stages_of_the_loop(path: Path) -> None:
    assert ("nst_asr.stages" in imported(path)) == (path.name == "start.py")


@pytest.mark.parametrize("name", ["labeler.py", "decode.py", "model.py", "transcribe.py"])
def test_what_labels_knows_no_noise(name: str) -> None:
    assert not [module for module in imported(PACKAGE / "speech" / name) if module.endswith("speech.noise")]


def test_importing_the_package_or_printing_help_imports_no_torch() -> None:
    program = "import sys, nst_asr, nst_asr.cli, nst_asr.loop; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_no_module_is_called_utils() -> None:
    assert not [
        path for path in ROOT.glob("*/**/*.py") if path.stem in ("utils", "helpers") and ".venv" not in path.parts
    ]
