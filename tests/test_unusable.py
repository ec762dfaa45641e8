"""Inputs that cannot be used are said and left out; too many stop."""

from pathlib import Path

import polars as pl
import pytest

from nst_asr.corpus import Unlabeled
from nst_asr.run import Run
from nst_asr.unusable import Checked, UnusableError, refuse_if_too_many, sort_out, usable


def test_rows_are_parted_by_their_reasons_in_order(caplog: pytest.LogCaptureFixture) -> None:
    found = sort_out(pl.DataFrame({"id": ["a", "b", "c"]}), [None, "torn", None])
    assert found.rows["id"].to_list() == ["a", "c"]
    assert found.bad == (("b", "torn"),)
    assert "skipped b: torn" in caplog.text
    assert sort_out(pl.DataFrame({"id": []}, schema={"id": pl.String}), []).bad == ()


def test_too_large_a_share_of_bad_files_stops() -> None:
    bad = [(f"utt{i}", "no such file") for i in range(7)]
    refuse_if_too_many(bad, 700)
    refuse_if_too_many([], 0)
    with pytest.raises(UnusableError, match=r"7 of 699 audio files .*0\.01") as caught:
        refuse_if_too_many(bad, 699, noun="audio files")
    assert "utt4: no such file" in str(caught.value)
    assert "and 2 more" in str(caught.value)


@pytest.mark.parametrize("limit", [0.01, 1.0])
def test_a_pool_without_one_usable_utterance_stops_whatever_share_may_be_bad(limit: float, tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": [f"u{i}" for i in range(7)], "group": None}).cast({"group": pl.String})
    pool = Unlabeled(rows.with_columns(size=pl.lit(1.0, pl.Float32)))

    def check(rows: pl.DataFrame) -> Checked:
        return sort_out(rows, ["empty file"] * len(rows))

    for _ in range(2):  # the first time leaves nothing behind that the second would take for a result
        with pytest.raises(UnusableError, match="none of the 7 audio files of unlabeled can be used") as caught:
            usable(Run(tmp_path), pool, check, ("size",), limit, noun="audio files")
        assert "u0: empty file" in str(caught.value)
        assert not (tmp_path / "corpus" / "unlabeled.parquet").exists()
