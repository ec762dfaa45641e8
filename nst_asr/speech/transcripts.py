"""Transcripts brought to one named form, character by character: what the form cannot express is refused, never lost.

| | none | librispeech | lower |
| --- | --- | --- | --- |
| letters of A-Z | kept | in upper case | in lower case |
| other letters | kept | ß, æ, ø and the like spelt in A-Z, other scripts refused | in lower case |
| marks on letters | kept | folded away: é is E, ä is A | kept |
| apostrophes, typed or typographic | kept | ' but for one that stands alone | ' within a word, removed around it |
| . : " and the like | kept | removed: u.s. is US | removed: u.s. is us |
| other punctuation, dashes | kept | become spaces: well-known is WELL KNOWN | become spaces |
| digits | kept | refused | kept |
| marks within numbers: 3.5, 1/2, -5 | kept | refused, as the digits are | refused |
| other numbers: ½, Ⅳ, ² | kept | refused | refused |
| symbols: $ % & @ # * + = < and the like | kept | refused | refused |
| square and curly brackets | kept | refused | refused |
| spaces of any kind and number | kept | one, none at the ends | one, none at the ends |
| control characters, tabs, line ends | refused | refused | refused |

Digits and symbols are read aloud as words that depend on language and context ("$5" is "five dollars"), and what stands
in square brackets is mostly not said at all ("[laughter]"): no kind guesses, the words have to be written first. Two or
more dots or apostrophes in a row are an ellipsis or a quotation mark, and part words. Normalising twice is normalising
once. What `librispeech` keeps is the alphabet of LibriSpeech (Panayotov et al. 2015): 26 letters and the apostrophe.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

_DESCRIPTIONS = {
    "none": "none: transcripts as they are",
    "librispeech": "librispeech: upper case A-Z, apostrophes and single spaces; accents folded, dashes to spaces, "
    "punctuation removed; digits, symbols and other scripts refused",
    "lower": "lower: lower case letters of every script, digits, apostrophes within words; dashes to spaces, "
    "punctuation removed; symbols refused",
}
KINDS = tuple(_DESCRIPTIONS)
_APOSTROPHES = "'\u2018\u2019\u201b\u0060\u00b4\uff07"
_LETTER_APOSTROPHES = "\u02bb\u02bc"  # letters of Hawaiian, Uzbek and others: only where no letter but A-Z is left
# These occur within words: abbreviations, Catalan l·l, Hebrew acronyms, Armenian questions. Elsewhere they are the end.
_WITHIN_WORDS = '.:"\u00b7\u2027\u05f3\u05f4\u055b\u055c\u055e'
_SPOKEN = "%&@#*\u2030\u2031\u2032\u2033\u00a7\u00b6"  # punctuation to Unicode, but words when read aloud
_BRACKETS = "[]{}"
_INVISIBLE = "\ufeff\u00ad\u2060\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_UNSEEN = dict.fromkeys(map(ord, _INVISIBLE))
_JOINERS = "\u200c\u200d"  # they shape letters in Persian and in Indic scripts: spelling, not layout
_SPELT = {"ß": "SS", "ẞ": "SS", "æ": "AE", "Æ": "AE", "œ": "OE", "Œ": "OE", "ø": "O", "Ø": "O", "ł": "L", "Ł": "L"}
_SPELT |= {"đ": "D", "Đ": "D", "ð": "D", "Ð": "D", "þ": "TH", "Þ": "TH", "\u0131": "I"}  # letters that do not decompose

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BEFORE_DIGIT = re.compile(r"(?<=\d)[^\w\s]+(?=\d)|(?<![^\W_])[-.,\u2010-\u2015](?=\d)")
_RUN = re.compile(r"'{2,}|\.{2,}")
_LONE = re.compile(r"(?<!\S)'(?!\S)")
_OUTER = re.compile(r"(?<!\S)'|'(?!\S)")


class TranscriptError(ValueError):
    """A transcript that a kind cannot express; the message names the character, its place and the way out."""


def normalise(text: str, kind: str) -> str:
    """The transcript in the form of a kind (the table above); empty where it held nothing but punctuation.

    Raises TranscriptError for an unknown kind, for control characters, and for what the kind cannot express. The result
    of `lower` is in NFC; that of `none` is the very text.
    """
    if kind not in KINDS:
        raise TranscriptError(f"transcripts: {kind!r} is no kind of normalisation; known: {', '.join(KINDS)}")
    control = _CONTROL.search(text)
    if control:
        raise _refusal(text, control.start(), kind, "is a control character: take it out of the transcript")
    if kind == "none":
        return text
    return _librispeech(text) if kind == "librispeech" else _lower(text)


def describe(kind: str) -> str:
    """One line that says what the kind does to transcripts. Raises TranscriptError for an unknown kind."""
    normalise("", kind)
    return _DESCRIPTIONS[kind]


def _librispeech(text: str) -> str:
    mapped = _mapped(text, _upper_latin, "librispeech")
    return " ".join(_LONE.sub("", mapped).split())


def _lower(text: str) -> str:
    composed = unicodedata.normalize("NFC", text.translate(_UNSEEN))
    for found in _BEFORE_DIGIT.finditer(composed):
        if any(unicodedata.category(char)[0] in "PS" for char in found.group()):
            raise _refusal(composed, found.start(), "lower", "is part of a number: spell numbers out first")
    mapped = _mapped(composed, _any_script, "lower")
    return " ".join(unicodedata.normalize("NFC", _OUTER.sub("", mapped).lower()).split())


def _mapped(text: str, rule: Callable[[str], str | None], kind: str) -> str:
    """Each character by the rule, runs that stand for one mark parted; TranscriptError where the rule has no answer."""
    text = _RUN.sub(lambda run: " " * len(run.group()), text)
    parts = [rule(char) for char in text]
    if None in parts:
        place = parts.index(None)
        raise _refusal(text, place, kind, _way_out(text[place]))
    return _RUN.sub(" ", "".join(part for part in parts if part))


@lru_cache(maxsize=4096)
def _upper_latin(char: str) -> str | None:
    """What `librispeech` makes of a character; None where it has no expression for it."""
    if char in _SPELT:
        return _SPELT[char]
    if char in _LETTER_APOSTROPHES:
        return "'"
    if char in _JOINERS or _is_accent(char):
        return ""
    if unicodedata.category(char)[0] != "L":
        return None if char.isdigit() else _punctuation(char)
    folded = "".join(part for part in unicodedata.normalize("NFKD", char) if not _is_accent(part))
    if folded == char:
        return char.upper() if char.isascii() else None
    parts = [_upper_latin(part) if part.isalpha() else None for part in folded]
    return None if None in parts or not parts else "".join(part for part in parts if part)


@lru_cache(maxsize=65536)
def _any_script(char: str) -> str | None:
    """What `lower` makes of a character before it lowers it; None where it has no expression for it."""
    category = unicodedata.category(char)
    if category[0] in "LM" or category == "Nd" or char in _JOINERS:
        return char
    return _punctuation(char)


def _punctuation(char: str) -> str | None:
    """A space, nothing or an apostrophe for what no kind keeps as it is; None for what cannot be left out."""
    if char in _APOSTROPHES:
        return "'"
    if char in _WITHIN_WORDS or char in _INVISIBLE:
        return ""
    if char.isspace() or char == "\u200b":
        return " "
    removable = unicodedata.category(char)[0] == "P" and char not in _SPOKEN and char not in _BRACKETS
    return " " if removable else None


def _is_accent(char: str) -> bool:
    """Whether it is one of the marks shared by Latin letters; the vowel signs of other scripts are not."""
    general = unicodedata.name(char, "").startswith("COMBINING ") and "KATAKANA" not in unicodedata.name(char)
    return general and unicodedata.combining(char) > 0


def _way_out(char: str) -> str:
    kind = unicodedata.category(char)[0]
    if kind == "N":
        return "is a number: spell numbers out first"
    if kind in "LM":
        return "is no letter of A-Z: choose the kind lower, or transliterate first"
    if char in _BRACKETS:
        return "mostly encloses what is not said: take it out, or write the words without brackets"
    if kind in "SP":
        return "is a symbol that is read aloud in words: write the words first, or take it out"
    return "is no character of written speech: take it out"


def _refusal(text: str, place: int, kind: str, reason: str) -> TranscriptError:
    char = text[place]
    code = f"U+{ord(char):04X}, {unicodedata.name(char, 'no name')}"
    near = text[max(place - 20, 0) : place + 20]
    return TranscriptError(
        f"transcripts, kind {kind}: {char!r} ({code}) at character {place + 1} {reason}; near {near!r}"
    )
