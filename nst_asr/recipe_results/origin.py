"""Where the figures of a section come from: commit, hardware, versions, time, memory and the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nst_asr.recipe_results.cells import spread

Results = Mapping[str, Any]


def origin(runs: Sequence[Results], first: str) -> str:
    """The lines below a table, of which `first` says what the figures are, and the commands that gave the runs."""
    memory = max((run["peak_memory_mb"] or 0.0 for run in runs), default=0.0)
    time = f"- Time: {spread([run['seconds'] for run in runs], 1, 0)} seconds a run; memory: {memory:.0f} MiB at most"
    return "\n".join([f"- {first}", *code_and_machine(runs), time]) + f"\n\n{commands(runs)}"


def code_and_machine(abouts: Sequence[Results]) -> list[str]:
    """Lines on commit, hardware and versions, by what run.json says of each run."""
    versions = {_versions(run["versions"]) for run in abouts}
    return [
        f"- Commit: {', '.join(sorted({str(run['commit']) for run in abouts}))}",
        f"- Hardware: {'; '.join(sorted({_machine(run['hardware']) for run in abouts}))}",
        f"- Versions: {'; '.join(sorted(versions))}",
    ]


def commands(abouts: Sequence[Results]) -> str:
    """The commands that gave the runs, each once, as a block of code."""
    lines = "\n".join(dict.fromkeys(str(run["command"]) for run in abouts))
    return f"```sh\n{lines}\n```"


def seeds_of(runs: Sequence[Results]) -> str:
    """`seed 0` or `seeds 0, 1, 2`, each once."""
    seeds = list(dict.fromkeys(str(run["seed"]) for run in runs))
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"


def _versions(versions: Results | None) -> str:
    return ", ".join(f"{name} {version}" for name, version in (versions or {}).items()) or "unknown"


def _machine(hardware: Results | None) -> str:
    if not hardware:
        return "unknown"
    gpus = [str(gpu["name"]) for gpu in hardware.get("gpus") or ()]
    shown = [f"{gpus.count(name)} x {name}" for name in dict.fromkeys(gpus)]
    return ", ".join([f"{hardware['cores']} cores", str(hardware["processor"]), *shown])
