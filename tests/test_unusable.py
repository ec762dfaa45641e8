"""Inputs that cannot be used are said and left out; too many stop."""

import polars as pl
import pytest

from nst_asr.unusable import UnusableError, refuse_if_too_many, sort_out


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
