"""What two runs of one plan must have in common."""

from pathlib import Path

# times, memory and the command differ between two runs of the same plan, and TensorBoard's file names hold the time
FREE = {"steps.jsonl", "run.json", "run.log"}


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of everything else in a run folder."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name not in FREE)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.parent.name != "tensorboard"}
