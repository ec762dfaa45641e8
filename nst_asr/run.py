"""The run folder: opened under one plan and one corpus, it keeps the result of every step and what it cost."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from nst_asr import __version__, config
from nst_asr.corpus import Labeled, Truth, Unlabeled
from nst_asr.hardware import hardware
from nst_asr.peak_memory import PeakMemory
from nst_asr.plan_from import PlanFrom
from nst_asr.ranks import rank, wait_for
from nst_asr.settle import refuse_other_plan
from nst_asr.store import StoreError, explained, json_text, once, part_of, read_json, write_json, write_text
from nst_asr.terms import Terms

log = logging.getLogger("nst_asr")

_LOCKS: dict[Path, tuple[int, bool]] = {}  # the run folders that this process holds: open lock file, whether shared


@dataclass(frozen=True)
class Run:
    """A run folder that fits the plan and the corpus it was opened with."""

    folder: Path
    terms: Terms = field(default_factory=Terms)

    def step(self, name: str, make: Callable[[Path], None], *, together: bool = False) -> Path:
        """The step's result: a file or folder made once, with its time and memory noted.

        Under torchrun rank 0 makes it and the others wait. `together`: all of them call `make` with the same place,
        to which rank 0 alone writes.
        """
        path = self.folder / name
        if path.exists():
            return path
        if rank():
            if together:
                make(part_of(path))
            wait_for([path])
            return path
        with self.timed(name):
            return once(path, make)

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """A step whose result is JSON."""
        return read_json(self.step(name, lambda part: _write(part, json_text(make()))))

    @contextmanager
    def timed(self, name: str) -> Iterator[dict[str, Any]]:
        """Append the seconds that the block took, and its memory (`PeakMemory`), to steps.jsonl, with what it notes."""
        began, memory = time.monotonic(), PeakMemory()
        notes: dict[str, Any] = {}
        try:
            yield notes
        finally:
            needed = memory.close()
        if rank():
            return
        line = {"step": name, "seconds": round(time.monotonic() - began, 3), **needed, **notes}
        with explained(self.folder / "steps.jsonl"), open(self.folder / "steps.jsonl", "a", encoding="utf-8") as file:
            # a line that a crash cut short must not swallow this one
            file.write("\n" * _ends_mid_line(self.folder / "steps.jsonl") + json.dumps(line) + "\n")


def open_run(
    folder: Path,
    plan: config.Record,
    data: Mapping[str, Labeled | Unlabeled | Truth],
    terms: Terms | None = None,
    plan_from: PlanFrom | None = None,
) -> Run:
    """The run folder, made or found again, and locked as long as this process lives.

    run.json says what the run began with, the commands given since, and where the plan came from (`plan_from`).
    Raises StoreError where it holds results of another plan or of other data, or where another run works in it. Under
    torchrun rank 0 does all this; where it raises, torchrun ends the others.
    """
    terms = terms or Terms()
    if rank():
        return Run(folder, terms)
    folder.mkdir(parents=True, exist_ok=True)
    _lock(folder)
    _settle(folder / "plan.yaml", plan)
    _settle_corpus(folder, data)
    content = plan.model_dump(mode="json")
    before = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    about = {
        "recipe": content.get("recipe"),
        "seed": content.get("seed"),
        "command": "\n".join(_once(before.get("command", "").splitlines(), _command())),
        "stage_commands": _once(before.get("stage_commands", ()), _stage_command()),
        "plan_from": plan_from.to_json(plan) if plan_from else before.get("plan_from"),
        # of the code that began: a stage given later takes no credit for the weights
        "commit": before.get("commit") or _commit(),
        "versions": before.get("versions") or _versions(),
        "hardware": before.get("hardware") or hardware(),
        "corpus": _described(folder),
        "terms": terms.to_json(),
    }
    write_json(folder / "run.json", about)
    return Run(folder, terms)


def join_run(
    folder: Path, plan: config.Record, data: Mapping[str, Labeled | Unlabeled | Truth], terms: Terms | None = None
) -> Run:
    """A run folder that others may be joining too: what is there is compared as `open_run` does, and left as it is.

    Raises StoreError where a run works in it, as a run does where anybody has joined.
    """
    if not rank():
        _lock(folder, shared=True)
        refuse_other_plan(folder, _completed(folder / "plan.yaml", type(plan)), config.load_yaml(config.write(plan)))
        known = _described(folder)
        for name, part in data.items():
            if name not in known or known[name]["fingerprint"] != part.fingerprint:
                _refuse_other_data(folder, name, known.get(name, {"rows": 0})["rows"], part)
    return Run(folder, terms or Terms())


@contextmanager
def alone(run: Run, what: str) -> Iterator[None]:
    """Keep other processes that have joined the run out of the block: they wait for it to end."""
    path = run.folder / ".alone"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            log.info("waiting for another process, which is at work on %s", what)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def logged_to(folder: Path, name: str = "run.log") -> Iterator[None]:
    """Send the log to the terminal and to run.log in the run folder, which also gets the error that ends the block.

    Under torchrun that of rank 0: the others would say the same.
    """
    if rank():
        log.setLevel(logging.ERROR)
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    terminal, file = logging.StreamHandler(sys.stderr), logging.FileHandler(folder / name, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.setLevel(logging.INFO)
    log.addHandler(terminal)
    log.addHandler(file)
    try:
        yield
    except Exception as error:
        log.removeHandler(terminal)  # which the caller tells it
        log.error("%s: %s", type(error).__name__, error)
        raise
    finally:
        for handler in (terminal, file):
            log.removeHandler(handler)
            handler.close()


def _lock(folder: Path, *, shared: bool = False) -> None:
    """Keep runs in other processes out of the folder until this one ends, however it ends; others too unless shared."""
    path = (folder / ".lock").resolve()
    handle, held = _LOCKS.get(path, (-1, True))
    if handle >= 0 and (shared or not held):
        return
    if handle < 0:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        _LOCKS.pop(path, None)
        busy = "another process is" if shared or not _may_join(handle) else "processes of `nst-asr label` are"
        os.close(handle)
        raise StoreError(f"{folder}: {busy} working in it; wait for it, or use another folder") from None
    _LOCKS[path] = handle, shared


def _may_join(handle: int) -> bool:
    """Whether those who hold the lock share it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _settle(path: Path, plan: config.Record) -> None:
    """Write the plan; refuse one under which results in the folder would have come out otherwise."""
    text = config.write(plan)
    if not path.exists():
        write_text(path, text)
        return
    old, new = _completed(path, type(plan)), config.load_yaml(text)
    refuse_other_plan(path.parent, old, new)
    if old != new:
        write_text(path, text)


def _completed(path: Path, kind: type[config.Record]) -> Any:
    """The plan in a folder, with the defaults of keys that were not there yet when it was written."""
    content = config.load_yaml(path.read_text(encoding="utf-8"))
    try:
        return config.load_yaml(config.write(config.parse(kind, content, str(path))))
    except config.ConfigError:
        return content  # keys of another version: what differs is told key by key


def _settle_corpus(folder: Path, data: Mapping[str, Labeled | Unlabeled | Truth]) -> None:
    known = _described(folder)
    used = {"truth": ("oracle",)}
    for name, part in data.items():
        digest = part.fingerprint
        changed = name in known and known[name]["fingerprint"] != digest
        if changed and any((folder / made).exists() for made in used.get(name, (f"corpus/{name}.parquet", "gen0"))):
            _refuse_other_data(folder, name, known[name]["rows"], part)
        known[name] = {"rows": len(part.rows), "fingerprint": digest}
        if not isinstance(part, Truth):
            known[name]["hours"] = part.hours
    write_json(folder / "corpus.json", known)


def _refuse_other_data(folder: Path, name: str, rows: int, part: Labeled | Unlabeled | Truth) -> None:
    raise StoreError(
        f"{folder}: made with other data: the ids, sizes or labels of `{name}` have changed ({rows} rows then, "
        f"{len(part.rows)} now). Use another experiment folder, or move away corpus/, tokenizer/ and all that was made "
        "after them."
    )


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "corpus.json"
    return dict(read_json(path)) if path.exists() else {}


def _ends_mid_line(path: Path) -> bool:
    return path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")


def _write(part: Path, text: str) -> None:
    part.write_text(text, encoding="utf-8")


def _command() -> str:
    """This command; a recipe's script names itself, which says more than the command of one of its stages."""
    return os.environ.get("NST_ASR_COMMAND") or _stage_command()


def _stage_command() -> str:
    """This command itself, which a recipe's script may have given for one of its stages."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _once(earlier: Iterable[str], new: str) -> list[str]:
    """The commands so far and this one, each the first time that it was given."""
    return list(dict.fromkeys([*earlier, new]))


def _commit() -> str | None:
    """The checked-out commit, `+changes` where the tree differs from it; None outside a checkout."""
    try:
        here = Path(__file__).parent
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def _versions() -> dict[str, str]:
    names = ("torch", "torchaudio", "torchvision", "timm", "pillow", "lhotse", "numpy", "polars", "sentencepiece")
    found = {"nst_asr": __version__, "python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
