"""The report in a real browser: nothing fails in it, all of it is there, and it fits a phone, a screen and paper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import chromium
import numpy as np
import polars as pl
import pytest
import soundfile
from simulated_run import TRUTH, make_run

from nst_asr.report import report
from nst_asr.report.page import SECTIONS
from nst_asr.speech.preview import SECONDS, previews

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no chromium on this machine")

WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")

# Text with too little contrast to what is behind it: 4.5, or 3 where it is large (WCAG 2.1, 1.4.3).
PALE_TEXT = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => [r, g, b].map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const found = rgba(getComputedStyle(element).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  const pale = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('style, title')) continue;
    const style = getComputedStyle(element), svg = element instanceof SVGElement;
    const [a, b] = [rgba(svg ? style.fill : style.color), behind(element)].map(luminance).sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5))
      pale.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return pale;
})()"""

# What sticks out of the window to the right, and does not stand in something that scrolls by itself.
STICKS_OUT = """[...document.body.querySelectorAll('*')].filter(element => {
  if (!element.checkVisibility() || element.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let above = element; above; above = above.parentElement)
    if (above !== document.body && getComputedStyle(above).overflowX !== 'visible'
        && above.getBoundingClientRect().right <= innerWidth + 1) return false;
  return true;
}).map(element => element.outerHTML.slice(0, 80))"""

PLAYERS = """Promise.all([...document.querySelectorAll('audio')].map(player => new Promise(resolve => {
  player.addEventListener('loadedmetadata', () => resolve(player.duration));
  player.addEventListener('error', () => resolve(`${player.error.message}`));
  player.preload = 'auto'; player.load();
})))"""

SECTION_TEXTS = """Object.fromEntries([...document.querySelectorAll('main > section')].map(section =>
  [section.id, [...section.children].slice(1).map(child => child.innerText).join(' ').trim()]))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    with chromium.started(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small run whose pool can be listened to."""
    run = make_run(tmp_path_factory.mktemp("finished") / "run")
    give_sound(run)
    part = run / "gen2/1-labels/part-00000.parquet"  # the second teacher hears one of them otherwise
    pl.read_parquet(part).with_columns(label=pl.Series(["one two", "three"])).write_parquet(part)
    return report(run, TRUTH, previews)


def give_sound(run: Path) -> None:
    """Ten seconds of a tone for each utterance of the simulated run's pool: of its hours no more would be in a page."""
    rows = []
    for place, name in enumerate(("a", "b", "c")):
        wave = 0.3 * np.sin(2 * np.pi * (300 + 100 * place) * np.arange(SECONDS * 16000) / 16000)
        soundfile.write(run / f"{name}.wav", wave, 16000)
        rows.append({"id": name, "path": f"{name}.wav", "seconds": SECONDS})
    pl.DataFrame(rows).write_csv(run / "unlabeled.tsv", separator="\t")
    (run / "given.json").write_text(json.dumps({"manifests": {"unlabeled": str(run / "unlabeled.tsv")}}))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_fails_and_nothing_is_asked_of_a_network(
    browser: chromium.Chromium, page: Path, width: int, scheme: str
) -> None:
    browser.open(page, width=width, scheme=scheme)
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.complaints() == []


def test_a_page_that_fails_is_complained_of(browser: chromium.Chromium, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text('<script>nothing()</script><img src="https://example.invalid/a.png"><script>console.log(1)</script>')
    browser.open(bad)
    found = " ".join(browser.complaints())
    assert "nothing is not defined" in found
    assert "asks for https://example.invalid/a.png" in found
    assert '"type": "log"' in found


def test_every_section_is_there_in_order_with_something_in_it(browser: chromium.Chromium, page: Path) -> None:
    browser.open(page)
    found = browser.run(SECTION_TEXTS)
    assert list(found) == [section.NAME for section in SECTIONS]
    assert [name for name, text in found.items() if len(text) < 10] == []


def test_all_players_load(browser: chromium.Chromium, page: Path) -> None:
    browser.open(page)
    durations = browser.run(PLAYERS)
    assert len(durations) >= 3
    assert durations == pytest.approx([SECONDS] * len(durations), abs=0.1)


def test_all_pictures_are_complete_and_say_what_they_show(browser: chromium.Chromium, page: Path) -> None:
    browser.open(page)
    whole = (
        "[...document.images].map(image => image.decode().then(() => image.naturalWidth > 0 && image.alt.length > 3))"
    )
    found = browser.run(f"Promise.all({whole})")
    assert found
    assert all(found)
    drawn = browser.run(
        "[...document.querySelectorAll('svg')].map(svg => [svg.getAttribute('role'), svg.getAttribute('aria-label')])"
    )
    assert drawn
    assert all(role == "img" and label for role, label in drawn)


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_the_page_does_not_scroll_sideways(browser: chromium.Chromium, page: Path, width: int) -> None:
    browser.open(page, width=width)
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(STICKS_OUT) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_has_contrast(browser: chromium.Chromium, page: Path, scheme: str) -> None:
    browser.open(page, scheme=scheme)
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.run(PALE_TEXT) == []


def test_what_these_tests_look_for_is_seen_where_it_is(browser: chromium.Chromium, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<body style="background: #fff"><p style="color: #999">pale</p><p style="color: #666">dark enough</p>'
        '<div style="width: 500px">wide</div>'
        '<div style="overflow-x: auto"><b style="padding-left: 500px">scrolls</b></div>'
    )
    browser.open(bad, width=400)
    assert browser.run(PALE_TEXT) == ["pale: 2.85"]
    assert browser.run(STICKS_OUT) == ['<div style="width: 500px">wide</div>']


def test_light_and_dark_are_two_papers(browser: chromium.Chromium, page: Path) -> None:
    papers = []
    for scheme in SCHEMES:
        browser.open(page, scheme=scheme)
        papers.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, paper[4:-1].split(","))) for paper in papers)
    assert light > 700
    assert dark < 120


def test_headings_go_down_by_one_level_and_links_lead_somewhere(browser: chromium.Chromium, page: Path) -> None:
    browser.open(page)
    levels = browser.run("[...document.querySelectorAll('h1, h2, h3, h4, h5')].map(each => +each.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    links = browser.run("[...document.querySelectorAll('a')].map(each => each.getAttribute('href'))")
    names = browser.run("[...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(names) == len(set(names))
    assert [link for link in links if link.removeprefix("#") not in names] == []
    assert {section.NAME for section in SECTIONS} <= {link.removeprefix("#") for link in links}


def test_whoever_goes_by_keyboard_sees_where_he_is(browser: chromium.Chromium, page: Path) -> None:
    browser.open(page)
    for kind in ("keyDown", "keyUp"):
        browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    tag, outline = browser.run("(at => [at.tagName, getComputedStyle(at).outlineStyle])(document.activeElement)")
    assert (tag, outline) == ("A", "solid")


def test_paper_gets_all_that_is_folded_and_no_players(browser: chromium.Chromium, page: Path) -> None:
    browser.open(page, scheme="dark")
    assert browser.pdf().startswith(b"%PDF-")
    browser.ask("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.run("[...document.querySelectorAll('audio, nav')].filter(each => each.checkVisibility())") == []
        inside = "[...document.querySelectorAll('details > :not(summary)')]"
        hidden = f"{inside}.filter(each => each.innerText && !each.getClientRects().length).map(each => each.outerHTML)"
        assert browser.run(hidden) == []
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    finally:
        browser.ask("Emulation.setEmulatedMedia", media="")
