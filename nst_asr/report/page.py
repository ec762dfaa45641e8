"""The page: its sections in order, each a module with a title, a template and what the template is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import jinja2
from markupsafe import Markup

from nst_asr import results_table
from nst_asr.corpus import Truth
from nst_asr.report.drawing import plots_in
from nst_asr.report.figures import Figures, with_code
from nst_asr.report.material import Material
from nst_asr.report.preview import Previews
from nst_asr.report.sections import alarms, diagnosis, generations, labels, look, reproduce, tokens, training, verdict
from nst_asr.results import write
from nst_asr.store import write_text

MEDIA_MB = 4.0  # of sound and pictures in a page, at most
_PAGE_MB = 7.5  # of the whole page: where the rest is large, sound and pictures get less room


class Section(Protocol):
    """A part of the page: `sections/NAME.py` with `sections/NAME.html.jinja` beside it."""

    NAME: str  # of the template, and of the place in the page
    TITLE: str

    @property
    def context(self) -> Callable[[Material], dict[str, Any] | None]:
        """What the template is given; None where the run has nothing for this section, which then says so."""


SECTIONS: tuple[Section, ...] = (*(verdict, diagnosis, generations, labels, tokens, alarms, training, look, reproduce),)


def report(run: Path, truth: Truth | None = None, previews: Previews | None = None, media_mb: float = MEDIA_MB) -> Path:
    """The path of report.html, written to the run folder beside its plots as plots/NAME.svg.

    results.json is made anew, and says the same.

    previews: of the run's task, what gives sound and pictures to examples; media_mb: megabytes of them at most. It
    tells of what has been scored so far, and can be written at any time. Raises StoreError as `results.collect`.
    """
    results = write(run, truth)
    material = Material(run, results, results_table.terms_of(results), previews, media_mb)
    bodies = _bodies(material)
    rendered = [{"name": each.NAME, "title": each.TITLE, "body": bodies[each.NAME]} for each in SECTIONS]
    path = run / "report.html"
    page = _environment(material).get_template("page.html.jinja").render(sections=rendered, folder=run.resolve().name)
    for name, drawn in plots_in(page):
        write_text(run / "plots" / f"{name}.svg", drawn)
    write_text(path, page)
    return path


def _bodies(material: Material) -> dict[str, Markup | None]:
    """The sections by name; sound and pictures come last and get what room the others leave."""
    found: dict[str, Markup | None] = {}
    for section in sorted(SECTIONS, key=lambda each: each.NAME == look.NAME):
        room = _PAGE_MB - sum(len(body or "") for body in found.values()) / 1e6
        limited = replace(material, media_mb=min(material.media_mb, max(room, 0.0)))
        found[section.NAME] = render(section, limited)
    return found


def render(section: Section, material: Material) -> Markup | None:
    """The HTML of one section; None where the run has nothing for it."""
    found = section.context(material)
    if found is None:
        return None
    return Markup(_environment(material).get_template(f"sections/{section.NAME}.html.jinja").render(found))


def _environment(material: Material) -> jinja2.Environment:
    """`figure(key, form)` writes a figure of results.json; all numbers of a page should come from it."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = results_table.percent
    environment.globals |= {
        **{"figure": Figures(material.results, material.terms), "with_code": with_code},
        **{"results": material.results, "terms": material.terms},
    }
    return environment
