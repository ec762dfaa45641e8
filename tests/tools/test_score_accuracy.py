"""The accuracy tool: a two by two confusion by hand, top-5, comparison, names with spaces, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score

from nst_asr import labels
from nst_asr.accuracy.classes import by_class, confusions
from nst_asr.vision.geometry import centred
from nst_asr.vision.images import read
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.model import Classifier
from nst_asr.vision.nets import NetPlan, build
from tests.vision import pictures
from tools import score_accuracy


def write(path: Path, rows: dict[str, str]) -> str:
    """A table of id and label."""
    lines = ["id\tlabel", *(f"{name}\t{label}" for name, label in rows.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def numbered(given: list[str]) -> dict[str, str]:
    return {f"i{place}": label for place, label in enumerate(given)}


def scored(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """What the tool writes as JSON."""
    assert score_accuracy.main([*arguments, "--json", str(tmp_path / "out.json")]) == 0
    found: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the tool complains about."""
    assert score_accuracy.main(arguments) == 1
    return capsys.readouterr().err


def soft_table(path: Path, shares: np.ndarray, classes: list[str], ids: list[str]) -> str:
    """A label table with the best seven classes of each row, in no particular order."""
    best = [np.sort(np.argsort(-row)[:7]) for row in shares]
    columns = {
        "id": ids,
        "label": [classes[place] for place in shares.argmax(1)],
        "soft_index": [row.tolist() for row in best],
        "soft_prob": [shares[place, row].tolist() for place, row in enumerate(best)],
    }
    kinds = {name: labels.SCHEMA[name] for name in columns}
    path.mkdir()
    table = pl.DataFrame(columns, schema=kinds)
    half = len(table) // 2
    table[:half].write_parquet(labels.part_path(path, 0))
    table[half:].write_parquet(labels.part_path(path, 1))
    return str(path)


def test_two_classes_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # cat: 3 right, 1 taken for a dog; dog: 1 right, 1 taken for a cat
    truth = write(tmp_path / "truth.tsv", numbered(["cat"] * 4 + ["dog"] * 2))
    heard = write(tmp_path / "heard.tsv", numbered(["cat", "cat", "cat", "dog", "dog", "cat"]))
    found = scored(tmp_path, truth, heard)["hypotheses"][heard]
    assert (found["images"], found["wrong"], found["top1"]) == (6, 2, pytest.approx(4 / 6))
    assert 0 <= found["low"] < found["top1"] < found["high"] <= 1
    assert found["interval_over"] == "image"
    cat, dog = found["classes"]
    assert (cat["images"], cat["guesses"], cat["recall"], cat["precision"]) == (4, 4, 3 / 4, 3 / 4)
    assert (dog["images"], dog["guesses"], dog["recall"], dog["precision"]) == (2, 2, 1 / 2, 1 / 2)
    assert found["confusions"] == [
        {"label": "cat", "heard": "dog", "times": 1},
        {"label": "dog", "heard": "cat", "times": 1},
    ]
    said = capsys.readouterr().out
    assert "top-1 66.67%" in said
    assert "| cat | 4 | 75.0% | 75.0% |" in said


def test_a_name_with_spaces_is_one_class(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.tsv", numbered(["guinea pig", "guinea pig", "pig", "bird of prey"]))
    heard = write(tmp_path / "heard.tsv", numbered(["guinea pig", "pig", "pig", "bird  of prey"]))
    found = scored(tmp_path, truth, heard)["hypotheses"][heard]
    assert (found["images"], found["wrong"], found["top1"]) == (4, 2, 0.5)


def test_names_that_would_be_the_same_in_code_stay_apart(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.tsv", numbered(["a b", "a%20b", '"a"', "é"]))
    assert scored(tmp_path, truth, truth)["hypotheses"][truth]["top1"] == 1
    heard = write(tmp_path / "heard.tsv", numbered(["a%20b", "a b", "a", "e"]))
    assert scored(tmp_path, truth, heard)["hypotheses"][heard]["top1"] == 0


def test_classes_and_confusions_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    names = np.array(["ant", "bee", "cow", "dog"])
    truth, heard = names[draw.integers(0, 4, 300)], names[draw.integers(0, 4, 300)]
    pairs = pl.DataFrame({"id": [str(k) for k in range(300)], "label": truth, "heard": heard})
    precision, recall, _, images = precision_recall_fscore_support(truth, heard, labels=names)
    found = by_class(pairs)
    assert found["class"].to_list() == names.tolist()
    np.testing.assert_allclose(found["precision"], precision)
    np.testing.assert_allclose(found["recall"], recall)
    assert found["images"].to_list() == images.tolist()
    matrix = confusion_matrix(truth, heard, labels=names)
    np.fill_diagonal(matrix, 0)
    times = confusions(pairs, 12)["times"].to_list()
    assert times == sorted(matrix[matrix > 0].tolist(), reverse=True)


def test_a_class_that_is_never_guessed_or_never_true_has_no_share() -> None:
    pairs = pl.DataFrame({"id": ["0"], "label": ["cat"], "heard": ["dog"]})
    cat, dog = by_class(pairs).to_dicts()
    assert (cat["recall"], cat["precision"]) == (0, None)
    assert (dog["recall"], dog["precision"]) == (None, 0)


def test_top_5_is_that_of_scikit_learn_with_named_and_with_inferred_classes(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    classes = [f"class {place}" for place in range(12)]
    shares = draw.dirichlet(np.full(12, 0.5), 400)
    truth, ids = draw.integers(0, 12, 400), [f"i{place}" for place in range(400)]
    reference = write(tmp_path / "truth.tsv", {name: classes[k] for name, k in zip(ids, truth, strict=True)})
    heard = soft_table(tmp_path / "labels", shares, classes, ids)
    (tmp_path / "classes.txt").write_text("\n".join(classes) + "\n")
    inferred = scored(tmp_path, reference, heard)["hypotheses"][heard]
    named = scored(tmp_path, reference, heard, "--classes", str(tmp_path / "classes.txt"))["hypotheses"][heard]
    expected = top_k_accuracy_score(truth, shares, k=5)
    assert inferred["top5"] == named["top5"] == pytest.approx(expected, abs=0.006)  # soft labels are half floats
    assert inferred["top1"] == pytest.approx(np.mean(shares.argmax(1) == truth))


def test_top_5_says_which_class_it_cannot_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shares = np.eye(8)[[0, 1]] * 0.5 + 0.1
    heard = soft_table(tmp_path / "labels", shares, list("abcdefgh"), ["i0", "i1"])
    reference = write(tmp_path / "truth.tsv", numbered(["a", "c"]))
    found = scored(tmp_path, reference, heard)["hypotheses"][heard]
    assert found["top5"] is None
    assert "which number is c is not known (1 such classes); give --classes" in capsys.readouterr().out


def test_hypotheses_are_compared_to_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = ["a", "b"] * 100
    truth = write(tmp_path / "truth.tsv", numbered(right))
    worse = write(tmp_path / "worse.tsv", numbered(["c"] * 80 + right[80:]))
    better = write(tmp_path / "better.tsv", numbered(["c"] * 20 + right[20:]))
    (found,) = scored(tmp_path, truth, worse, better)["comparisons"]
    assert (found["than"], found["of"], found["p"]) == (worse, better, 0)
    assert found["gain"] == pytest.approx(60 / 200)
    assert 0.2 < found["low"] < 0.3 < found["high"] < 0.4
    assert "+30.00 points" in capsys.readouterr().out
    (same,) = scored(tmp_path, truth, worse, write(tmp_path / "copy.tsv", numbered(["c"] * 80 + right[80:])))[
        "comparisons"
    ]
    assert (same["gain"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)


def test_groups_are_resampled_together(tmp_path: Path) -> None:
    rows = [(f"i{place}", "a", f"scene {place // 10}") for place in range(100)]
    pl.DataFrame(rows, schema=["id", "label", "group"], orient="row").write_parquet(tmp_path / "truth.parquet")
    heard = write(tmp_path / "heard.tsv", {name: "a" if int(name[1:]) >= 30 else "b" for name, _, _ in rows})
    alone = write(tmp_path / "alone.tsv", {name: label for name, label, _ in rows})
    grouped = scored(tmp_path, str(tmp_path / "truth.parquet"), heard)["hypotheses"][heard]
    single = scored(tmp_path, alone, heard)["hypotheses"][heard]
    assert grouped["interval_over"] == "group"
    assert grouped["high"] - grouped["low"] > 1.5 * (single["high"] - single["low"])


def test_ids_that_do_not_agree_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write(tmp_path / "truth.tsv", {"x": "a", "y": "b"})
    assert "no hypothesis for y" in refused(capsys, truth, write(tmp_path / "h.tsv", {"x": "a"}))
    extra = write(tmp_path / "h.tsv", {"x": "a", "y": "b", "z": "b"})
    assert "a hypothesis for z, which is no reference" in refused(capsys, truth, extra)
    (tmp_path / "h.tsv").write_text("id\tlabel\nx\ta\ny\tb\nx\ta\n")
    assert "the hypothesis has x more than once" in refused(capsys, truth, str(tmp_path / "h.tsv"))


def test_tables_that_cannot_be_read_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write(tmp_path / "truth.tsv", {"x": "a"})
    assert "gone.tsv: no such table" in refused(capsys, truth, str(tmp_path / "gone.tsv"))
    assert "without part-" in refused(capsys, truth, str(tmp_path))
    (tmp_path / "h.tsv").write_text("id\tclass\nx\ta\n")
    assert "no column label (it has id, class)" in refused(capsys, truth, str(tmp_path / "h.tsv"))
    (tmp_path / "h.csv").write_text("x")
    assert "h.csv: no table" in refused(capsys, truth, str(tmp_path / "h.csv"))
    assert "no list of classes" in refused(capsys, truth, truth, "--classes", str(tmp_path / "gone.txt"))


def test_a_model_is_run_on_the_images_of_a_manifest(tmp_path: Path) -> None:
    images = pictures.class_folders(tmp_path / "images", 4)
    plan, plain = NetPlan(name="convnet5", width=0.25), ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    torch.manual_seed(0)
    model = Classifier(build(plan, 3).eval(), plan, pictures.CLASSES, 16, 0.875, *plain)
    model.save(tmp_path / "model", {})
    arguments = ["--manifest", str(images), "--model", str(tmp_path / "model"), "--device", "cpu"]
    found = scored(tmp_path, *arguments)["hypotheses"][str(tmp_path / "model")]
    rows = read_manifest(images, labeled=True)
    crops = centred([read(path) for path in rows["path"]], 16, crop=0.875)
    guesses = [pictures.CLASSES[place] for place in model.probabilities(crops).argmax(1).tolist()]
    assert found["images"] == 12
    assert found["top1"] == pytest.approx(np.mean([a == b for a, b in zip(guesses, rows["label"], strict=True)]))
    assert found["top5"] == 1


def test_a_reference_alone_is_a_mistake_of_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "a reference and a hypothesis" in refused(capsys, write(tmp_path / "truth.tsv", {"x": "a"}))


def test_robustness_tables_need_no_hypothesis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write(tmp_path / "truth.tsv", {"x": "a", "y": "b"})
    folder = tmp_path / "model"
    folder.mkdir()
    rows = "".join(f"x\t{severity}\ta\ny\t{severity}\ta\n" for severity in range(1, 6))
    (folder / "fog.tsv").write_text("id\tseverity\tlabel\n" + rows)
    (tmp_path / "flips.tsv").write_text("id\tperturbation\tframe\tlabel\ns\ttilt\t0\ta\ns\ttilt\t1\tb\ns\ttilt\t2\tb\n")
    found = scored(tmp_path, truth, "--corrupted", str(folder), "--perturbed", str(tmp_path / "flips.tsv"))
    assert found["corrupted"][str(folder)]["errors"] == {"fog": [0.5] * 5}
    assert found["perturbed"][str(tmp_path / "flips.tsv")]["flips"] == {"tilt": 0.5}
    assert "| fog, error | 50.0 |" in capsys.readouterr().out
    assert scored(tmp_path, "--perturbed", str(tmp_path / "flips.tsv"))["hypotheses"] == {}


def test_the_confusion_matrix_and_another_column_to_resample_over(tmp_path: Path) -> None:
    (tmp_path / "truth.tsv").write_text("id\tlabel\tscene\nx\ta\t1\ny\tb\t2\nz\tb\t2\n")
    heard = write(tmp_path / "heard.tsv", {"x": "a", "y": "a", "z": "b"})
    out = tmp_path / "matrix.tsv"
    found = scored(tmp_path, str(tmp_path / "truth.tsv"), heard, "--over", "scene", "--confusion", str(out))
    assert out.read_text() == "class\ta\tb\na\t1\t0\nb\t1\t1\n"
    assert found["hypotheses"][heard]["interval_over"] == "scene"


def test_options_that_would_do_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, other = (write(tmp_path / f"{name}.tsv", {"x": "a"}) for name in ("truth", "other"))
    both = (truth, other, "--confusion", str(tmp_path / "m.tsv"))
    assert "the matrix of one hypothesis, and 2 are given" in refused(capsys, *both[:2], other + "", *both[2:])
    assert "--corrupted-baseline is of no use" in refused(capsys, truth, other, "--corrupted-baseline", "alexnet")
    assert "--perturbed-baseline is of no use" in refused(capsys, truth, other, "--perturbed-baseline", "alexnet")
    assert "no column scene" in refused(capsys, truth, other, "--over", "scene")
    assert "--corrupted needs the reference" in refused(capsys, "--perturbed", other, "--corrupted", other)
    assert "--model needs --manifest" in refused(capsys, truth, "--model", str(tmp_path))
