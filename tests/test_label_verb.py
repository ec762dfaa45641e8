"""`nst-asr label`: shares of the labels made beside each other, and a run that goes on with them."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import toy

from benchmarks.kills import contents
from nst_asr import cli
from nst_asr.corpus import Unlabeled
from nst_asr.loop import noisy_student
from nst_asr.run import Run, alone, join_run, open_run
from nst_asr.shards import Shard, ShardError, Share
from nst_asr.sharing import label_share
from nst_asr.store import StoreError

PARTS = toy.corpus()[0]
SETS = {"labeled": PARTS.labeled, "unlabeled": PARTS.unlabeled, "dev": PARTS.dev}


def go_on(folder: Path, plan: toy.ToyPlan) -> Path:
    noisy_student(toy.Toy(), PARTS, plan, open_run(folder, plan, SETS))
    return folder


def share_of(folder: Path, share: Share, plan: toy.ToyPlan | None = None) -> None:
    plan = plan or toy.plan()
    label_share(toy.Toy(), PARTS, plan, join_run(folder, plan, SETS), share)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run folder with a teacher."""
    plan = toy.plan()
    run = open_run(tmp_path / "shared", plan, SETS)
    noisy_student(toy.Toy(), PARTS, plan.model_copy(update={"generations": ()}), run)
    return run.folder


def parts(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("part-*.parquet")}


def test_a_run_that_finds_the_parts_of_three_shards_is_the_run_of_one_process(begun: Path, tmp_path: Path) -> None:
    for number in (2, 3, 1):
        share_of(begun, Share(Shard(number, 3)))
    made = parts(begun)
    assert len([name for name in made if "gen1/1-labels" in name]) == 5
    assert len([name for name in made if "gen1/0-heard" in name]) == 2
    whole = go_on(tmp_path / "whole", toy.plan())
    assert contents(go_on(begun, toy.plan())) == contents(whole)
    assert made.items() <= parts(begun).items()  # none was made again


def test_what_shards_leave_out_the_run_makes_itself(begun: Path, tmp_path: Path) -> None:
    share_of(begun, Share(Shard(2, 3)))
    assert contents(go_on(begun, toy.plan())) == contents(go_on(tmp_path / "whole", toy.plan()))


def test_a_share_is_of_the_first_generation_that_lacks_labels_and_has_a_teacher(
    begun: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nst_asr")
    share_of(begun, Share())
    share_of(begun, Share())  # generation 1 is complete, 2 has no teacher yet
    assert "generation 2 has no teacher (yet)" in caplog.text
    assert not (begun / "gen2").exists()
    go_on(begun, toy.plan())
    before = contents(begun)
    for path in (begun / "gen2/1-labels").iterdir():
        path.unlink()
    share_of(begun, Share(), toy.plan())
    assert contents(begun) == before
    share_of(begun, Share())
    assert "no label of shard 1/1 is missing" in caplog.text


def test_a_generation_that_cannot_be_labeled_is_refused(begun: Path) -> None:
    with pytest.raises(ShardError, match="generation 3: the plan has generations 1 to 2"):
        share_of(begun, Share(generation=3))
    with pytest.raises(ShardError, match="generation 2: it has no teacher yet"):
        share_of(begun, Share(generation=2))


def test_verify_mends_what_a_bad_disk_did_to_any_generation(begun: Path) -> None:
    go_on(begun, toy.plan())
    before, times = contents(begun), parts(begun)
    bad = begun / "gen1/1-labels/part-00002.parquet"
    bad.write_bytes(bad.read_bytes()[:80] + b"\0\0\0" + bad.read_bytes()[83:])
    share_of(begun, Share())
    assert contents(begun) != before  # nobody asked
    share_of(begun, Share(verify=True))
    (begun / "gen1/1-labels/part-00002.parquet.damaged").unlink()
    assert contents(begun) == before
    assert [name for name, when in parts(begun).items() if when != times[name]] == ["gen1/1-labels/part-00002.parquet"]


@contextmanager
def held(path: Path, how: int) -> Iterator[None]:
    """Another process that holds a lock: locks belong to open files."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, how)
    yield
    os.close(handle)


def test_those_who_label_may_work_side_by_side_but_not_beside_a_run(tmp_path: Path) -> None:
    plan = toy.plan()
    for name in ("labeled-beside", "run-beside"):
        open_run(tmp_path / name, plan, SETS)
        _forget_the_lock(tmp_path / name)
    with held(tmp_path / "labeled-beside/.lock", fcntl.LOCK_SH):
        with pytest.raises(StoreError, match="processes of `nst-asr label` are working in it"):
            open_run(tmp_path / "labeled-beside", plan, SETS)
        join_run(tmp_path / "labeled-beside", plan, SETS)
    open_run(tmp_path / "labeled-beside", plan, SETS)  # they are gone; this process itself may go on as a run
    with (
        held(tmp_path / "run-beside/.lock", fcntl.LOCK_EX),
        pytest.raises(StoreError, match="another process is working"),
    ):
        join_run(tmp_path / "run-beside", plan, SETS)


def _forget_the_lock(folder: Path) -> None:
    from nst_asr import run

    os.close(run._LOCKS.pop((folder / ".lock").resolve())[0])


def test_who_joins_a_run_changes_nothing_in_it_and_must_fit_it(begun: Path) -> None:
    before = {path: path.read_bytes() for path in begun.iterdir() if path.is_file()}
    join_run(begun, toy.plan(), SETS)
    other = {**SETS, "unlabeled": Unlabeled(PARTS.unlabeled.rows.head(200))}
    with pytest.raises(StoreError, match="ids, sizes or labels of `unlabeled` have changed"):
        join_run(begun, toy.plan(), other)
    with pytest.raises(StoreError, match="seed: 0 -> 1"):
        join_run(begun, toy.plan(seed=1), SETS)
    assert {path: path.read_bytes() for path in begun.iterdir() if path.is_file()} == before


def test_work_that_only_one_may_do_is_done_by_one_at_a_time(tmp_path: Path) -> None:
    with alone(Run(tmp_path), "decoding"):
        handle = os.open(tmp_path / ".alone", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
    with held(tmp_path / ".alone", fcntl.LOCK_EX | fcntl.LOCK_NB):
        pass


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shard", "4/3"], "shard 4/3: out of range; shards are counted from 1/3 to 3/3"),
        (["--workers", "0"], "--workers 0: one process at least"),
        ([], "no run has begun in it"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["label", str(tmp_path), *words]) == 1
    assert message in capsys.readouterr().err
