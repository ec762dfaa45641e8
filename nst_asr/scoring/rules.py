"""A user's own normalisation: a file of regular expressions and what stands in place of what they match."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from nst_asr.scoring.text_lines import first_lines
from nst_asr.scoring.texts import ScoringError

_YAML = (".yaml", ".yml")
Rule = tuple[str, str, str]  # where it stands, pattern, replacement


def read_rules(path: Path) -> tuple[Callable[[str], str], int]:
    """What the rules of a file make of a text, and their number: each in turn, over the whole text; then single spaces.

    A TSV has `pattern<TAB>replacement` lines (no tab: replaced by nothing; # begins a comment). A YAML file has a list
    of [pattern, replacement]. Both as Python's `re` has them: \\1 in a replacement is the first group. Raises
    ScoringError naming the rule that is none.
    """
    compiled = [_compiled(*rule) for rule in (_of_yaml(path) if path.suffix in _YAML else _of_lines(path))]
    if not compiled:
        raise ScoringError(f"{path}: no rule in it; give a `pattern<TAB>replacement` a line")

    def change(text: str) -> str:
        for pattern, replacement in compiled:
            text = pattern.sub(replacement, text)
        return " ".join(text.split())

    return change, len(compiled)


def _of_lines(path: Path) -> Iterator[Rule]:
    for number, line in first_lines(path, None):
        if line.startswith("#"):
            continue
        pattern, _, replacement = line.partition("\t")
        if "\t" in replacement:
            raise ScoringError(f"{path}, line {number}: more than one tab: write \\t in the pattern or the replacement")
        yield f"{path}, line {number}", pattern, replacement


def _of_yaml(path: Path) -> Iterator[Rule]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScoringError(f"{path}: no YAML that can be read ({' '.join(str(error).split())})") from None
    if not isinstance(content, list):
        raise ScoringError(f"{path}: no list; give [pattern, replacement] entries, both in single quotes")
    for number, rule in enumerate(content, 1):
        if not (isinstance(rule, list) and len(rule) == 2 and all(isinstance(part, str) for part in rule)):
            raise ScoringError(f"{path}, rule {number}: {rule!r}: give [pattern, replacement], both in single quotes")
        yield f"{path}, rule {number}", rule[0], rule[1]


def _compiled(where: str, pattern: str, replacement: str) -> tuple[re.Pattern[str], str]:
    try:
        compiled = re.compile(pattern)
        compiled.sub(replacement, "")  # which looks at the replacement, whatever matches
    except (re.error, IndexError) as error:
        raise ScoringError(f"{where}: {pattern!r} -> {replacement!r} is no rule ({error})") from None
    return compiled, replacement
