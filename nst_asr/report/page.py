"""The page: its sections in order, each a module with a title, a template and what the template is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import jinja2
import yaml
from markupsafe import Markup

from nst_asr import results_table
from nst_asr.corpus import Truth
from nst_asr.report.drawing import plots_in
from nst_asr.report.figures import Figures
from nst_asr.report.material import Material
from nst_asr.report.preview import Previews
from nst_asr.report.sections import alarms, diagnosis, generations, labels, look, reproduce, tokens, training, verdict
from nst_asr.results import write
from nst_asr.store import write_text

MEDIA_MB = 5.0  # of sound and pictures in a page, at most


class Section(Protocol):
    """A part of the page: `sections/NAME.py` with `sections/NAME.html.jinja` beside it."""

    NAME: str  # of the template, and of the place in the page
    TITLE: str

    @staticmethod
    def context(material: Material) -> dict[str, Any] | None:
        """What the template is given; None where the run has nothing for this section, which then says so."""


SECTIONS: tuple[Section, ...] = (  # type: ignore[assignment]
    *(verdict, diagnosis, generations, labels, tokens, alarms, training, look, reproduce),
)


def report(run: Path, truth: Truth | None = None, previews: Previews | None = None, media_mb: float = MEDIA_MB) -> Path:
    """The path of report.html, written to the run folder beside its plots as plots/NAME.svg.

    results.json is made anew, and says the same.

    previews: of the run's task, what gives sound and pictures to examples; media_mb: megabytes of them at most. It
    tells of what has been scored so far, and can be written at any time. Raises StoreError as `results.collect`.
    """
    results = write(run, truth)
    plan = yaml.safe_load((run / "plan.yaml").read_text(encoding="utf-8"))
    material = Material(run, results, plan, results_table.terms_of(results), previews, media_mb)
    environment = _environment(Figures(results, material.terms), material)
    rendered = [
        {"name": section.NAME, "title": section.TITLE, "body": _rendered(environment, section, material)}
        for section in SECTIONS
    ]
    path = run / "report.html"
    page = environment.get_template("page.html.jinja").render(sections=rendered)
    for name, drawn in plots_in(page):
        write_text(run / "plots" / f"{name}.svg", drawn)
    write_text(path, page)
    return path


def _rendered(environment: jinja2.Environment, section: Section, material: Material) -> Markup | None:
    found = section.context(material)
    return (
        None if found is None else Markup(environment.get_template(f"sections/{section.NAME}.html.jinja").render(found))
    )


def _environment(figures: Figures, material: Material) -> jinja2.Environment:
    """`figure(key, form)` writes a figure of results.json; all numbers of a page should come from it."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = results_table.percent
    environment.globals |= {"figure": figures, "results": material.results, "terms": material.terms}
    return environment
