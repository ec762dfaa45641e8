"""Stage 8: tables of all that has been run, printed and written to EXP/results.md.

python recipes/cifar10/tables.py EXP [--into RESULTS.md]

Accuracies are on test, in percent, unless a table says otherwise: the mean over the seeds that have the run, least to
greatest in brackets. Differences are in points, seed by seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr.corpus import Truth
from nst_asr.key import Key
from nst_asr.recipe_results.origin import code_and_machine, commands
from nst_asr.recipe_results.written import put_into
from nst_asr.recovery import recovery_rate
from nst_asr.results import collect
from nst_asr.rows import read_truth
from nst_asr.score import read_score
from nst_asr.store import StoreError, read_json, write_text
from recipes.cifar10.ablations import PREFIX, WHOLE
from recipes.cifar10.jobs import CHAINS, DEEP, LABELS, MAGNITUDES, OPS, SMALL, baseline, chain_name
from recipes.cifar10.label_equivalent import describe, label_equivalent
from recipes.cifar10.robustness import RESULTS

NONE = "-"
TOOL = "recipes/cifar10/tables.py"
Values = Mapping[int, float]  # of each seed


@dataclass(frozen=True)
class Found:
    """The runs of an experiment folder: EXP/seed-S/NAME."""

    exp: Path

    @property
    def seeds(self) -> dict[int, Path]:
        """Seed -> its folder."""
        found = {path.name.removeprefix("seed-"): path for path in self.exp.glob("seed-*")}
        return {int(seed): found[seed] for seed in sorted(found, key=lambda seed: (len(seed), seed)) if seed.isdigit()}

    def names(self, prefix: str) -> list[str]:
        """The names of runs that begin with a prefix, in the order of names."""
        return sorted({path.name for folder in self.seeds.values() for path in folder.glob(f"{prefix}*")})

    def folders(self, name: str) -> dict[int, Path]:
        """Seed -> the folder of a run."""
        return {seed: folder / name for seed, folder in self.seeds.items() if (folder / name / "run.json").exists()}

    def accuracy(self, name: str, place: str = "gen0/test.json") -> dict[int, float]:
        """Seed -> 1 - the rate of errors in a file of a run."""
        files = {seed: folder / place for seed, folder in self.folders(name).items()}
        return {seed: 1 - read_json(path)["rate"] for seed, path in files.items() if path.exists()}

    def truth(self, seed: int) -> Truth | None:
        """The known classes of a seed's pool."""
        path = self.exp.parent / f"cifar10-data-{seed}" / "unlabeled.truth.tsv"
        return Truth(read_truth(path)) if path.exists() else None


def tables(exp: Path) -> str:
    """All sections as one text. Raises StoreError where there is nothing to tell of."""
    return _text(sections(exp))


def _text(parts: Mapping[str, str]) -> str:
    return "# CIFAR-10\n\n" + "\n\n".join(parts.values()) + "\n"


def sections(exp: Path) -> dict[str, str]:
    """Title -> section, as Markdown; the first says where they come from. Raises StoreError as `tables`."""
    found = Found(exp)
    makers: list[Callable[[Found], str]] = [
        augment_table,
        *(lambda found, nets=nets: baseline_table(found, nets) for nets in (SMALL, DEEP)),
        *(lambda found, nets=nets: chain_table(found, nets) for nets in CHAINS.values()),
        label_table,
        ablation_table,
        robustness_table,
    ]
    parts = [part for make in makers if (part := make(found))]
    if not parts:
        raise StoreError(f"{exp}: no run of this recipe in it has been scored; run another stage first")
    return {part.partition("\n")[0].removeprefix("## "): part for part in [origin_of_all(found), *parts]}


def origin_of_all(found: Found) -> str:
    """What the figures of all sections are, and where they come from."""
    seeds = ", ".join(map(str, found.seeds))
    head = f"Seeds {seeds}. Accuracy on test, %; mean over seeds, least to greatest in brackets."
    paths = [path for folder in found.seeds.values() for path in sorted(folder.glob("*/run.json"))]
    abouts = [about for path in paths if "commit" in (about := read_json(path))]
    lines = ["\n".join(code_and_machine(abouts)), commands(abouts)] if abouts else []
    return "\n\n".join(["## All runs", head, *lines])


def augment_table(found: Found) -> str:
    """The grid of stage 1, on dev."""
    rows = []
    for net in (SMALL[0], SMALL[-1]):
        dev = {name: found.accuracy(f"augment-{net}-{name}", "gen0/score.json") for name in _grid_names()}
        if any(dev.values()):
            cells = [[net, str(ops), *(percent(dev[f"{ops}x{much}"]) for much in MAGNITUDES)] for ops in OPS]
            best = max((name for name in dev if dev[name]), key=lambda name: mean(dev[name].values()))
            rows += [[*row, percent(dev["none"]), best] for row in cells]
    columns = ["net", "operations", *(f"magnitude {much}" for much in MAGNITUDES), "no RandAugment", "best"]
    return _section("RandAugment, supervised, accuracy on dev", columns, rows)


def baseline_table(found: Found, nets: Sequence[str]) -> str:
    """Supervised training on the labeled part alone."""
    rows = []
    for net in nets:
        noised, silent = found.accuracy(baseline(net)), found.accuracy(f"baseline-{net}-silent")
        if noised or silent:
            rows.append([net, percent(silent), percent(noised), points(noised, silent)])
    return _section(f"Supervised, {nets[0]} to {nets[-1]}", ["net", "no noise", "noise", "difference"], rows)


def chain_table(found: Found, nets: Sequence[str]) -> str:
    """Each net of a chain beside its supervised baseline and its teacher; the oracle; recovery rates."""
    rows, rates = [], []
    for labels in LABELS:
        name = chain_name(nets, labels)
        entries = _entries(found, name)
        for number, net in enumerate(nets):
            row = _link(found, name, number, net, entries)
            rows += [[labels, *row]] if row else []
        rates += [line for seed in found.folders(name) if (line := _recovery(found, seed, nets, labels))]
    oracle = found.accuracy(chain_name(nets, "soft"), "oracle/test.json")
    if oracle:
        against = points(oracle, found.accuracy(baseline(nets[-1])))
        rows.append(["true", "oracle", nets[-1], percent(oracle), against, NONE, NONE, NONE])
    columns = ["labels", "generation", "net", "accuracy", "against supervised", "against its teacher"]
    columns += ["labels kept", "error of kept labels"]
    return _section(f"Noisy student, {nets[0]} to {nets[-1]}", columns, rows, rates)


def label_table(found: Found) -> str:
    """Accuracy by the number of labels, and the numbers that chains are worth."""
    names = [*found.names(f"labels-{SMALL[-1]}-"), baseline(SMALL[-1])]
    curves = {seed: curve for seed in found.seeds if len(curve := _curve(found, seed, names)) > 1}
    if not curves:
        return ""
    numbers = sorted({number for curve in curves.values() for number in curve})
    rows = []
    for number in numbers:
        rows.append(
            [f"{number:,}", percent({seed: curve[number] for seed, curve in curves.items() if number in curve})]
        )
    lines = []
    for labels in LABELS:
        last = found.accuracy(chain_name(SMALL, labels), f"gen{len(SMALL) - 1}/test.json")
        worth = [describe(*label_equivalent(list(curves[s].items()), last[s])) for s in last if s in curves]
        lines += [f"- The chain on {labels} labels is worth, by seed: {'; '.join(worth)} labels"] if worth else []
    title = f"Supervised {SMALL[-1]} by number of labels, all at the same updates"
    return _section(title, ["labels", "accuracy"], rows, lines)


def ablation_table(found: Found) -> str:
    """Each change beside the whole recipe."""
    whole = found.accuracy(WHOLE, "gen1/test.json")
    rows = []
    for name in sorted(found.names(PREFIX), key=lambda name: (name != WHOLE, name)):
        accuracy = found.accuracy(name, "gen1/test.json")
        if accuracy:
            against = points(accuracy, whole) if name != WHOLE else NONE
            rows.append([name.removeprefix(PREFIX), percent(accuracy), against])
    columns = ["change", "accuracy", "against the whole recipe"]
    return _section("Ablations, one generation", columns, rows, _ABOUT_ABLATIONS)


def robustness_table(found: Found) -> str:
    """Errors on corrupted and flips on perturbed test images, in percent of the baseline's."""
    files = {seed: folder / RESULTS for seed, folder in found.seeds.items()}
    scored = {seed: read_json(path) for seed, path in files.items() if path.exists()}
    rows = []
    for name in (baseline(SMALL[-1]), *(chain_name(SMALL, labels) for labels in LABELS)):
        corrupted, perturbed = ({seed: _of_run(f[kind], name) for seed, f in scored.items()} for kind in _CIFAR)
        cells = [
            percent({seed: f["clean_error"] for seed, f in corrupted.items() if f}),
            percent({seed: 1 - f["top1"] for seed, f in corrupted.items() if f}),
            percent({seed: f["mce"] / 100 for seed, f in corrupted.items() if f}, 1),
            percent({seed: f["flip"] for seed, f in perturbed.items() if f}),
            percent({seed: f["mfr"] / 100 for seed, f in perturbed.items() if f}, 1),
        ]
        rows += [[name, *cells]] if scored else []
    columns = ["run", "clean error", "corruption error", "relative mCE", "flip rate", "relative mFR"]
    return _section(f"Robustness, {baseline(SMALL[-1])} = 100", columns, rows)


_CIFAR = ("cifar-c", "cifar-p")
_ABOUT_ABLATIONS = (
    f"- Unless it says otherwise the teacher is {SMALL[0]}, the student {SMALL[-1]}; all have as many updates",
    "- teacher-largest-warm begins with its teacher's weights; from scratch it is teacher-largest",
    "- Values that are not there (of confidence, ratio, balancing) are those of the whole recipe",
)


def _grid_names() -> list[str]:
    return ["none", *(f"{ops}x{much}" for ops in OPS for much in MAGNITUDES)]


def _link(
    found: Found, name: str, number: int, net: str, of_runs: Mapping[int, Sequence[Mapping[str, Any]]]
) -> list[str]:
    """A row of a chain: one generation; of_runs: seed -> the generations in results.json."""
    accuracy = found.accuracy(name, f"gen{number}/test.json")
    if not accuracy:
        return []
    against = points(accuracy, found.accuracy(baseline(net)))
    if not number:
        return ["0, teacher", net, percent(accuracy), against, NONE, NONE, NONE]
    entries = {seed: of_runs[seed][number] for seed in accuracy}
    before = {seed: found.accuracy(name, f"gen{entry['teacher']}/test.json")[seed] for seed, entry in entries.items()}
    kept = {seed: float(entry["kept_rows"]) for seed, entry in entries.items()}
    wrong = {seed: e["label_error"]["after"]["rate"] for seed, e in entries.items() if e["label_error"]}
    wrong = {seed: rate for seed, rate in wrong.items() if rate is not None}
    again = [f"seed {seed}: of generation {e['teacher']}" for seed, e in entries.items() if e["teacher"] != number - 1]
    difference = points(accuracy, before) + (f" ({', '.join(again)})" if again else "")
    return [str(number), net, percent(accuracy), against, difference, spread(kept, 1, 0), percent(wrong)]


def _entries(found: Found, name: str) -> dict[int, Sequence[Mapping[str, Any]]]:
    """Seed -> the generations of a run, the teacher's first, of those that are scored; their tables are read once."""
    runs = {seed: run for seed, run in found.folders(name).items() if (run / "gen1/test.json").exists()}
    return {seed: collect(run, found.truth(seed))["generations"] for seed, run in runs.items()}


def _recovery(found: Found, seed: int, nets: Sequence[str], labels: str) -> str:
    """A line: how far the last student went from the noised supervised baseline of its net to the oracle, on test."""
    folder = found.seeds[seed]
    paths = (
        folder / baseline(nets[-1]) / "gen0/test.json",
        folder / chain_name(nets, labels) / f"gen{len(nets) - 1}/test.json",
        folder / chain_name(nets, "soft") / "oracle/test.json",
    )
    if not all(path.exists() for path in paths):
        return ""
    first, last, best = map(read_score, paths)
    rate = recovery_rate(first, last, best, Key(seed)["recovery"])
    what = f"- Recovery rate, {labels} labels, seed {seed}"
    if rate.rate is None:
        return f"{what}: none, {rate.reason}"
    bounds = f" [{100 * rate.low:.1f}, {100 * rate.high:.1f}]" if rate.low is not None and rate.high is not None else ""
    return f"{what}: {100 * rate.rate:.1f} %{bounds}{f' ({rate.reason})' if rate.reason else ''}"


def _curve(found: Found, seed: int, names: Iterable[str]) -> dict[int, float]:
    """Labeled images -> accuracy, of the runs that a seed has."""
    folders = {name: found.seeds[seed] / name for name in names if seed in found.accuracy(name)}
    counts = {name: int(read_json(folder / "corpus.json")["labeled"]["rows"]) for name, folder in folders.items()}
    return {count: found.accuracy(name)[seed] for name, count in counts.items()}


def _of_run(models: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The numbers of the model that lies in a run's folder."""
    return next((dict(numbers) for path, numbers in models.items() if name in Path(path).parts), None)


def points(values: Values, others: Values) -> str:
    """The differences of accuracies in points, over the seeds that have both."""
    both = {seed: value - others[seed] for seed, value in values.items() if seed in others}
    return spread(both, 100, 2, sign=True)


def percent(values: Values, digits: int = 2) -> str:
    """Shares as percent: mean (least to greatest)."""
    return spread(values, 100, digits)


def spread(values: Values, scale: float, digits: int, *, sign: bool = False) -> str:
    """Mean (least to greatest), scaled; a dash for nothing."""
    if not values:
        return NONE
    numbers = [scale * value for value in values.values()]
    form = f"{'+' if sign else ''},.{digits}f"
    middle, least, greatest = (format(number, form) for number in (mean(numbers), min(numbers), max(numbers)))
    return middle if len(numbers) == 1 else f"{middle} ({least} to {greatest})"


def _section(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[str] = ()) -> str:
    """A heading with a table, and lines below; nothing where there are no rows."""
    if not rows:
        return ""
    grid = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    table = "\n".join([grid[0], "|" + " ---: |" * len(columns), *grid[1:]])
    return "\n\n".join([f"## {title}", table, *(["\n".join(lines)] if lines else [])])


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 printed and written, 1 nothing to tell of."""
    parser = argparse.ArgumentParser(description="Tables of the CIFAR-10 study.")
    parser.add_argument("exp", type=Path, metavar="EXP", help="experiment folder")
    parser.add_argument("--into", type=Path, metavar="RESULTS.md", help="put the sections there too, each by its title")
    options = parser.parse_args(arguments)
    try:
        parts = sections(options.exp)
        text = _text(parts)
        write_text(options.exp / "results.md", text)
        for title, section in parts.items() if options.into else ():
            put_into(options.into, title, section, TOOL)
    except (StoreError, ValueError) as error:
        print(f"tables.py: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
