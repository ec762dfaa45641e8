"""Transcripts: each rule of the table by hand-written examples; what cannot be expressed is refused, never lost."""
# ruff: noqa: RUF001

import sys
import unicodedata

import pytest

from nst_asr.key import Key
from nst_asr.speech.transcripts import KINDS, TranscriptError, describe, normalise

MIXED = "abzAZ 'é.,;:-\u2019\u2026\u0301ßİıΣσάφñ\u0928\u093fلا\u064e\u200d\u200c0123٣\u00ad\u3000()\"“”!?·ﬁŉ漢字\u02bc"

each_form = pytest.mark.parametrize("kind", ["librispeech", "lower"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "HELLO WORLD"),
        ("don\u2019t  won't\u3000can`t", "DON'T WON'T CAN'T"),
        ("'tis the dogs' bowl ' ok", "'TIS THE DOGS' BOWL OK"),
        ("well-known\u2014and state\u2010of\u2013the-art", "WELL KNOWN AND STATE OF THE ART"),
        ("Café naïve Ångström Dvořák", "CAFE NAIVE ANGSTROM DVORAK"),
        ("cafe\u0301", "CAFE"),
        ("Straße, Ærø, Łódź, þorn, ﬁn, İI ıi", "STRASSE AERO LODZ THORN FIN II II"),
        ("U.S. e.g. wait...what wait\u2026what", "US EG WAIT WHAT WAIT WHAT"),
        ("yes,no and/or (maybe) \u201cquoted\u201d ``so''", "YES NO AND OR MAYBE QUOTED SO"),
        ("\ufeffzero\u00adwidth\u200bspace", "ZEROWIDTH SPACE"),
        (" ... ", ""),
        ("", ""),
    ],
)
def test_librispeech_is_upper_case_letters_and_apostrophes(text: str, expected: str) -> None:
    assert normalise(text, "librispeech") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World! 42", "hello world 42"),
        ("Don\u2019t say 'yes' rock 'n' roll", "don't say yes rock n roll"),
        ("l\u2019été, COVID-19", "l'été covid 19"),
        ("cafe\u0301 NAI\u0308VE", "caf\u00e9 na\u00efve"),
        ("STRASSE Straße ẞ", "strasse straße ß"),
        ("İstanbul Iğdır", "i\u0307stanbul iğdır"),
        ("ΟΔΟΣ, Σοφία!", "οδος σοφία"),
        ("Привет, мир!", "привет мир"),
        (
            "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u0627\u060c \u0661\u0662",
            "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u0627 \u0661\u0662",
        ),
        ("हिन्दी में। क्\u200dष", "हिन्दी में क्\u200dष"),
        ("می\u200cخواهم؟", "می\u200cخواهم"),
        ("日本語、テスト。", "日本語 テスト"),
        ("צה\u05f4ל ו\u05beעוד", "צהל ו עוד"),
        ("ինչպե\u055eս", "ինչպես"),
        ("\u02bbokina", "\u02bbokina"),
        ("col·lecció...fi", "collecció fi"),
    ],
)
def test_lower_keeps_letters_marks_and_digits_of_every_script(text: str, expected: str) -> None:
    assert normalise(text, "lower") == expected


def test_none_changes_nothing() -> None:
    text = "  Any-thing, $5 & \u201cmore\u201d  e\u0301 "
    assert normalise(text, "none") is text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("char", ["\t", "\n", "\r", "\x00", "\x1b", "\x85", "\u2028", "\ud800"])
def test_control_characters_are_refused_by_every_kind(kind: str, char: str) -> None:
    with pytest.raises(TranscriptError, match=rf"kind {kind}: .*U\+{ord(char):04X}.*at character 4 is a control"):
        normalise(f"abc{char}d", kind)


@each_form
@pytest.mark.parametrize("char", "$€£%&@#*+=<>^~|°½²Ⅳ©™[]{}§\u2032\u221e\ue000\u0378🙂")
def test_what_is_read_aloud_in_words_is_refused(kind: str, char: str) -> None:
    with pytest.raises(TranscriptError, match=rf"U\+{ord(char):04X}.* at character 5 .*near 'the .* x'"):
        normalise(f"the {char} x", kind)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("room 5", "DIGIT FIVE.* at character 6 is a number: spell numbers out first"),
        ("٣", "is a number"),
        ("мир", "CYRILLIC SMALL LETTER EM.*choose the kind lower, or transliterate"),
        ("a\u093f", "DEVANAGARI VOWEL SIGN I"),
        ("漢", "no letter of A-Z"),
    ],
)
def test_librispeech_refuses_digits_and_other_scripts(text: str, reason: str) -> None:
    with pytest.raises(TranscriptError, match=reason):
        normalise(text, "librispeech")


@pytest.mark.parametrize("text", ["3.5 km", "1,000", "10:30", "1/2", "1990-1995", "at -5", "\u20135", ".5", "2\u20133"])
def test_lower_refuses_marks_that_change_a_number(text: str) -> None:
    with pytest.raises(TranscriptError, match="is part of a number: spell numbers out first"):
        normalise(text, "lower")


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    for act in (lambda: normalise("a", "upper"), lambda: describe("upper")):
        with pytest.raises(TranscriptError, match=r"'upper' is no kind .*none, librispeech, lower"):
            act()


def test_each_kind_is_described_in_one_line_that_begins_with_its_name() -> None:
    for kind in KINDS:
        assert describe(kind).startswith(f"{kind}: ")
        assert "\n" not in describe(kind)


@each_form
def test_normalising_twice_is_normalising_once(kind: str) -> None:
    draw = Key(0)["idempotence"].generator()
    seen = 0
    for _ in range(20000):
        text = "".join(draw.choice(list(MIXED), size=draw.integers(1, 12)))
        try:
            once = normalise(text, kind)
        except TranscriptError:
            continue
        seen += 1
        assert normalise(once, kind) == once
    assert seen > 1000


@each_form
def test_every_character_of_unicode_is_kept_left_out_by_the_table_or_refused(kind: str) -> None:
    """No letter, mark or number is ever lost: what vanishes is punctuation, space or invisible."""
    for code in range(0x20, sys.maxunicode + 1):
        char = chr(code)
        if unicodedata.category(char) in ("Cn", "Co") or (unicodedata.category(char) == "Lo" and code % 50):
            continue
        try:
            found = normalise(f"a{char}b", kind)
        except TranscriptError:
            continue
        category = unicodedata.category(char)
        assert normalise(found, kind) == found
        if found in ("ab", "a b", "AB", "A B") and char not in "  ":
            accent = kind == "librispeech" and unicodedata.combining(char)
            assert category[0] in "PZ" or category == "Cf" or accent, hex(code)
        if kind == "librispeech":
            assert set(found) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ' "), hex(code)
