"""ARPA files: round trips, what other tools write, and every kind of damage named with its line."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from speech.ngram.small_text import model_of, sentences, written

from nst_asr.speech.ngram.arpa import ArpaError, read_arpa, write_arpa
from nst_asr.speech.ngram.model import NgramError
from nst_asr.speech.ngram.perplexity import perplexity

# as SRILM writes: in capitals, -99 for <s>, back-offs only where they are needed, words in no order
SRILM = r"""
\data\
ngram 1=5
ngram 2=4
ngram 3=1

\1-grams:
-1.2	<UNK>
-0.8	THE	-0.2
-99	<s>	-0.5
-0.7	CAT	-0.1
-0.6	</s>

\2-grams:
-0.3	THE CAT	-0.05
-0.2	<s> THE	0.0
-0.9	CAT </s>
-1.5	<s> CAT

\3-grams:
-0.1	<s> THE CAT

\end\
"""


def arpa(folder: Path, text: str = SRILM) -> Path:
    path = folder / "lm.arpa"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_what_is_written_is_read_again(tmp_path: Path, name: str, order: int) -> None:
    model = model_of(tmp_path, sentences(100), order=order)
    write_arpa(tmp_path / name, model)
    again = read_arpa(tmp_path / name)
    assert again.names == model.names
    for old, new in zip(model.orders, again.orders, strict=True):
        assert (old.context == new.context).all()
        assert (old.word == new.word).all()
        assert np.allclose(old.logprob, new.logprob, atol=1e-6)
        assert np.allclose(old.backoff, new.backoff, atol=1e-6)
    write_arpa(tmp_path / f"again.{name}", again)
    assert (tmp_path / f"again.{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_a_file_of_another_tool_is_read_and_backs_off_as_it_says(tmp_path: Path) -> None:
    model = read_arpa(arpa(tmp_path))
    assert (model.names[model.unknown], [len(order) for order in model.orders]) == ("<UNK>", [5, 4, 1])
    found = perplexity(model, [written(tmp_path / "text.txt", ["THE CAT", "CAT THE DOG"])])
    # THE after <s>; CAT after <s> THE; </s> after THE CAT: backs off (-0.05) to CAT </s>
    first = -0.2 - 0.1 + (-0.05 - 0.9)
    # CAT; THE backs off by <s> CAT (none) and CAT (-0.1); DOG is unknown, after CAT THE (none) and THE (-0.2)
    second = -1.5 + (-0.1 - 0.8) + (-0.2 - 1.2) - 0.6
    assert found.logprob == pytest.approx(first + second)
    assert found.logprob_known == pytest.approx(first + second + 0.2 + 1.2)
    assert (found.tokens, found.unknown, found.sentences) == (5, 1, 2)
    assert found.perplexity == pytest.approx(10 ** (-(first + second) / 7))
    assert found.perplexity_known == pytest.approx(10 ** (-(first + second + 1.4) / 6))


def test_line_ends_of_windows_are_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_bytes(SRILM.replace("\n", "\r\n").encode())
    assert read_arpa(path).names == read_arpa(arpa(tmp_path)).names


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("ngram 2=4", "ngram 2=5", 4, "the section has 4 2-grams"),
        ("ngram 2=4", "ngram 3=4", 4, "expected `ngram 2=`"),
        ("-0.3\tTHE CAT", "-0.x\tTHE CAT", 15, "the log probability is no number"),
        ("-0.3\tTHE CAT", "nan\tTHE CAT", 15, "the log probability is no number"),
        ("-0.3\tTHE CAT", "0.3\tTHE CAT", 15, "at most 0"),
        ("THE CAT\t-0.05", "THE CAT\t-0.o5", 15, "the back-off is no number"),
        ("THE CAT\t-0.05", "THE CAT THE\t-0.05", 15, "2 words"),
        ("THE CAT\t-0.05", "THE  CAT\t-0.05", 15, "2 words"),
        ("THE CAT\t-0.05", "THE\t-0.05", 15, "2 words"),
        ("-0.3\tTHE CAT", "-0.3 THE CAT", 15, "the log probability is no number"),
        ("-0.9\tCAT </s>", "-0.9\tDOG </s>", 17, "its first word is none of the 1-grams"),
        ("-0.9\tCAT </s>", "-0.9\tCAT DOG", 17, "its word 2 is none of the 1-grams"),
        ("<s> THE CAT", "CAT THE CAT", 21, "its first 2 words are none of the 2-grams"),
        ("-1.5\t<s> CAT", "-1.5\tTHE CAT", 18, "stands in the section twice"),
        ("-0.6\t</s>", "-0.6\tCAT", 12, "stands in the section twice"),
        ("<s> THE\t0.0", "<s> THE", 21, "no back-off"),
        ("<s> THE CAT", "<s> THE CAT\t-0.4", 21, "have no back-off"),
        ("\\2-grams:\n", "", 20, "ends before"),
        ("\\data\\\n", "", 1, "begins"),
        ("-0.6\t</s>", "-0.6\t<e>", 8, "no </s>"),
    ],
)
def test_a_corrupt_file_is_refused_with_line_and_text(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert SRILM.count(old) == 1
    path = arpa(tmp_path, SRILM.replace(old, new))
    with pytest.raises(ArpaError) as caught:
        read_arpa(path)
    message = str(caught.value)
    assert said in message
    assert "fetch it again" in message
    if "\\2-grams" not in old and "\\data" not in old:
        assert f"{path}, line {line}: " in message
        assert repr(path.read_text().split("\n")[line - 1]) in message


@pytest.mark.parametrize("cut", [10, 40, 60, 150, len(SRILM) - 15, len(SRILM) - 4])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    with pytest.raises(ArpaError, match=r"lm\.arpa"):
        read_arpa(arpa(tmp_path, SRILM[:cut]))


def test_a_packed_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(SRILM.encode())[:-30])
    with pytest.raises(NgramError, match=r"lm\.arpa\.gz: damaged or cut short"):
        read_arpa(path)


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NgramError, match="no such file"):
        read_arpa(tmp_path / "none.arpa")
    path = tmp_path / "lm.arpa"
    path.write_bytes(SRILM.encode().replace(b"CAT", b"C\xc4T"))
    with pytest.raises(ArpaError, match=r"line 11.*not UTF-8"):
        read_arpa(path)
