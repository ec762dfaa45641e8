"""Tables of rows: what is written is read back in the columns of a task; what cannot be is refused by name."""

from pathlib import Path

import polars as pl
import pytest

from nst_asr.rows import ManifestError, read_rows, read_truth, refuse_torn, table, write_rows

SCHEMA: dict[str, pl.DataType] = {"id": pl.String(), "size": pl.Float32(), "label": pl.String()}
ROWS = pl.DataFrame([("a", 1.0, "7"), ("b", 0.25, "no quote's \"end")], schema=SCHEMA, orient="row")


@pytest.mark.parametrize("name", ["rows.tsv", "rows.parquet"])
def test_rows_are_read_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    write_rows(tmp_path / name, ROWS)
    assert read_rows(tmp_path / name, SCHEMA).equals(ROWS)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_columns_that_the_schema_does_not_name_stay(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.tsv", ROWS.with_columns(digest=pl.lit("00ff")))
    assert read_rows(tmp_path / "a.tsv", SCHEMA)["digest"].to_list() == ["00ff", "00ff"]


def test_an_optional_column_may_be_absent(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.tsv", ROWS.drop("label", "size"))
    assert read_rows(tmp_path / "a.tsv", SCHEMA, optional=("size", "label")).columns == ["id"]
    with pytest.raises(ManifestError, match=r"a\.tsv: no column size \(it has id\)"):
        read_rows(tmp_path / "a.tsv", SCHEMA)


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no")
    (tmp_path / "b.tsv").write_text("id\tsize\n")
    (tmp_path / "c.tsv").write_text("id\tsize\na\tlarge\n")
    write_rows(tmp_path / "d.parquet", pl.DataFrame({"id": ["a"], "size": ["large"]}))
    for name, reason in (
        ("a.parquet", "not a manifest that can be read"),
        ("b.tsv", "an empty manifest"),
        ("c.tsv", "not a manifest that can be read"),
        ("d.parquet", "not a manifest that can be read"),
        ("e.tsv", "no such manifest"),
    ):
        with pytest.raises(ManifestError, match=f"{name}: {reason}"):
            read_rows(tmp_path / name, SCHEMA)


def test_a_tab_has_no_place_in_a_tsv(tmp_path: Path) -> None:
    torn = ROWS.with_columns(label=pl.lit("one\ttwo"))
    with pytest.raises(ManifestError, match="a: a tab or line end in its label"):
        refuse_torn(torn)
    with pytest.raises(ManifestError, match="a: a tab"):
        write_rows(tmp_path / "a.tsv", torn)
    write_rows(tmp_path / "a.parquet", torn)
    assert not (tmp_path / "a.tsv").exists()


def test_a_table_without_any_label_has_no_such_column() -> None:
    assert table("x", [("a", 1.0, None), ("b", 1.0, "7")], SCHEMA).columns == ["id", "size", "label"]
    assert table("x", [("a", 1.0, None)], SCHEMA).columns == ["id", "size"]
    with pytest.raises(ManifestError, match="x: an empty manifest: no image in it"):
        table("x", [], SCHEMA, "image")


@pytest.mark.parametrize("column", ["text", "label"])
def test_a_truth_is_id_and_text_or_label(tmp_path: Path, column: str) -> None:
    (tmp_path / "t.tsv").write_text(f"size\tid\t{column}\n1.0\ta\tgreat shark\n")
    assert read_truth(tmp_path / "t.tsv").rows() == [("a", "great shark")]


def test_a_truth_of_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("id\tclass\na\t7\n")
    with pytest.raises(ManifestError, match="must name the columns id and text, and may name label"):
        read_truth(tmp_path / "t.tsv")
    (tmp_path / "t.tsv").write_text("id\tlabel\n")
    with pytest.raises(ManifestError, match="no line but the first"):
        read_truth(tmp_path / "t.tsv")
