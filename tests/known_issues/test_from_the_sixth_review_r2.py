"""What the review of language models and the search found."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from nst_asr import cli, config
from nst_asr.corpus import Labeled
from nst_asr.filter import FilterPlan, NothingKept, refuse_blind
from nst_asr.labels import SCHEMA
from nst_asr.speech.backoff import after, compiled, step
from nst_asr.speech.beam import LMError, LmPlan, search
from nst_asr.speech.lm.guard import refuse_leaking
from nst_asr.speech.ngram.arpa import read_arpa, write_arpa
from nst_asr.speech.ngram.prune import prune
from nst_asr.speech.plan import Decode, SpeechPlan
from nst_asr.speech.text_leakage import LettersError, TextLeakError
from nst_asr.speech.tokenizer import TokenizerPlan
from nst_asr.speech.tokenizer import train as train_tokenizer
from tests.speech.small_ngrams import SmallNgram

UNIGRAMS = "\\1-grams:\n-1\t<unk>\t-0.1\n-99\t<s>\t-0.5\n-0.3\t</s>\n-0.5\ta\t-0.25\n\n"
EMPTY = {
    2: f"\\data\\\nngram 1=4\nngram 2=0\n\n{UNIGRAMS}\\2-grams:\n\n\\end\\\n",
    3: "\\data\\\nngram 1=4\nngram 2=1\nngram 3=0\n\n"
    f"{UNIGRAMS}\\2-grams:\n-0.2\t<s> a\t-0.7\n\n\\3-grams:\n\n\\end\\\n",
}


@pytest.mark.parametrize("order", [2, 3])
def test_an_empty_highest_order_does_not_cost_the_backoffs_below_it(tmp_path: Path, order: int) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(EMPTY[order])
    model = read_arpa(path)
    # KenLM gives the same
    expected = (-0.5 - 0.5) + (-0.25 - 0.3) if order == 2 else -0.2 + (-0.7 - 0.25 - 0.3)
    sentence = np.array([model.numbers[word] for word in ("<s>", "a", "</s>")], np.int32)
    assert model.logprobs(sentence, np.arange(3))[1:].sum() == pytest.approx(expected)
    arrays = compiled(model)
    first, state = step(after(sentence[:1].tolist(), arrays), int(sentence[1]), arrays)
    assert (first + step(state, int(sentence[2]), arrays)[0]) / np.log(10) == pytest.approx(expected)
    write_arpa(tmp_path / "again.arpa", model)
    assert [len(each) for each in read_arpa(tmp_path / "again.arpa").orders] == [len(each) for each in model.orders]
    assert len(prune(model, 1e-9).orders) < order  # where back-offs are made anew, it has nothing to say


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("aa bb cc\nbb cc\naa cc bb aa\n" * 10)
    return path


def test_a_pruning_that_leaves_nothing_of_an_order_says_so(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm, small = str(tmp_path / "lm.arpa"), str(tmp_path / "small.arpa")
    assert cli.main(["lm", "train", str(text), "--out", lm]) == 0
    capsys.readouterr()
    assert cli.main(["lm", "prune", lm, small, "--threshold", "100"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "1-grams: 6 -> 6"
    assert [line.rpartition(" ")[2] for line in lines[1:3]] == ["0", "0"]


def test_training_does_not_write_over_its_own_text(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = text.read_bytes()
    assert cli.main(["lm", "train", str(text), "--out", str(text)]) == 1
    assert "one of the texts to read" in capsys.readouterr().err
    assert text.read_bytes() == before
    assert cli.main(["lm", "train", str(text), "--out", str(tmp_path)]) == 1
    assert "a folder" in capsys.readouterr().err


def test_what_is_there_and_no_language_model_is_not_trained_into(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_tokenizer(["aa bb cc"], TokenizerPlan(kind="word")).save(tmp_path)
    command = ["lm", "train-neural", str(text), "--tokenizer", str(tmp_path), "--device", "cpu"]
    for out in (text, tmp_path):
        assert cli.main([*command, "--out", str(out), "--set", "fit.updates=5", "fit.warmup=1"]) == 1
        assert f"{out}: there already, and no language model" in capsys.readouterr().err


def test_a_count_pruning_that_leaves_no_word_is_refused(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lm.arpa"
    assert cli.main(["lm", "train", str(text), "--out", str(out), "--prune", "1000", "--engine", "own"]) == 1
    assert "prune = 1000: no word occurs more often" in capsys.readouterr().err
    assert not out.exists()


def test_frames_that_allow_no_word_of_the_lexicon_are_refused_by_name(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["ab ba"], TokenizerPlan(kind="char"))
    arpa = SmallNgram(["ab"], 2, seed=0).write(tmp_path / "lm.arpa")
    frames = np.full((3, tokenizer.size), -np.inf)
    frames[:, tokenizer.names.index("b")] = 0.0
    with pytest.raises(LMError, match="every string of the lexicon's words has a probability of 0"):
        search([frames], 4, LmPlan(path=arpa, weight=0.5, bonus=0.0, lexicon="vocabulary"), tokenizer)


WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    """A language model whose text is in lower case."""
    source = tmp_path / "lower.txt"
    source.write_text(f"{' '.join(WORDS)}\n")
    assert cli.main(["lm", "train", str(source), "--out", str(tmp_path / "lower.arpa"), "--order", "2"]) == 0
    return tmp_path / "lower.arpa"


def of_dev(label: str) -> dict[str, Labeled]:
    rows = pl.DataFrame({"id": ["u1"], "label": [label]})
    return {"dev": SimpleNamespace(rows=rows)}  # type: ignore[dict-item]  # the guard looks at nothing else


def with_lm(path: Path, **keys: object) -> tuple[Decode, ...]:
    return (config.parse(Decode, {"beam": 8, "lm": {"path": path, **keys}}),)


def test_another_case_is_refused_without_the_advice_to_allow_the_overlap(lower: Path) -> None:
    upper = of_dev(" ".join(WORDS).upper())
    for allow in (False, True):
        with pytest.raises(LettersError, match=r"upper case.*nst-asr lm convert") as caught:
            refuse_leaking(with_lm(lower), upper, None, 0.01, allow_overlap=allow)
        assert "--allow-overlap" not in str(caught.value)


def test_a_lexicon_file_may_spell_words_in_another_case_and_the_overlap_is_still_found(
    lower: Path, tmp_path: Path
) -> None:
    plans = with_lm(lower, lexicon=tmp_path / "lexicon.txt")
    refuse_leaking(plans, of_dev(" ".join(WORDS[:7]).upper()), None, 0.01, allow_overlap=False)
    with pytest.raises(TextLeakError, match="--allow-overlap"):
        refuse_leaking(plans, of_dev(" ".join(WORDS[:8]).upper()), None, 0.01, allow_overlap=False)
    refuse_leaking(plans, of_dev(" ".join(WORDS[:8]).upper()), None, 0.01, allow_overlap=True)


def heard(**columns: object) -> pl.DataFrame:
    rows = {"id": "u1", "size": 2.0, "label": "a b", "tokens": [1, 2], "logprob": -1.0, "confidence": 0.9}
    return pl.DataFrame([rows | columns], schema=SCHEMA)


@pytest.mark.parametrize("content", [{"least": {"margin": 1.0}}, {"top": {"share": 0.5, "by": "score_per_token"}}])
def test_a_filter_on_what_a_language_model_of_weight_0_does_not_give_stops_before_the_pool_is_labeled(
    content: dict[str, Any],
) -> None:
    plan = config.parse(FilterPlan, content)
    without = heard(label_without_lm="a b", lm_distance=0.0)  # as `decode.labels` gives it under the weight 0
    with pytest.raises(NothingKept, match="where dev gave the language model the weight 0"):
        refuse_blind(without, plan)
    refuse_blind(heard(margin=2.0, score=-1.5), plan)
    refuse_blind(heard(tokens=[], label=""), plan)  # of no label at all nothing can be said


def test_measures_that_labels_cannot_have_are_refused_with_the_plan(caplog: pytest.LogCaptureFixture) -> None:
    student = {"fit": {"updates": 10, "batch": 10.0, "warmup": 1}}
    base: dict[str, Any] = {"recipe": "r", "tokenizer": {"kind": "char"}, "label": {"beam": 1}, "teacher": student}

    def parsed(label: dict[str, object], judge: Any) -> SpeechPlan:
        return config.parse(SpeechPlan, base | {"generations": [{"label": label, "filter": judge, "student": student}]})

    for judge, said in (
        ({"least": {"margin": 1.0}}, "least.margin names, for in its label beam = 1 is greedy"),
        ({"top": {"share": 0.5, "by": "agreement"}}, "top.by names, for in its label there is one teacher"),
        ({"target_error": {"rate": 0.1, "by": "score_per_token"}}, "target_error.by names.*there is no lm"),
    ):
        with pytest.raises(config.ConfigError, match=said):
            parsed({"beam": 1}, judge)
    assert parsed({"beam": 8}, {"least": {"margin": 1.0}}).generations[0].filter.measures == {"margin": "least.margin"}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
