"""What the core's guard, which knows ids and groups, cannot see: the same pixels in two sets, classes of one only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from nst_asr.corpus import Corpus, CorpusError, Labeled, Unlabeled

_NAMED = 5  # classes that a message names


def shared_images(corpus: Corpus, test: Labeled | None) -> list[str]:
    """One line for each pair of training set, labeled or not, and held-out set that have images of the same pixels.

    Rows have the column digest that `images.check` adds; CorpusError where they have not. Only exact copies are found:
    one that was resized or compressed again has other pixels.
    """
    held_out = [corpus.dev, *([test] if test else [])]
    training: list[Labeled | Unlabeled] = [corpus.labeled, corpus.unlabeled]
    found = (_shared(seen, held) for seen, held in product(training, held_out))
    return [line for line in found if line]


def class_differences(labeled: Labeled, held_out: Sequence[Labeled]) -> list[str]:
    """Warnings for held-out sets that lack classes of the labeled set.

    Raises CorpusError, naming them, where a held-out set has classes that the labeled set lacks: no model that learns
    from it can ever answer with one.
    """
    known = set(labeled.rows["label"])
    for held in held_out:
        strange = sorted(set(held.rows["label"]) - known)
        if strange:
            count = held.rows["label"].is_in(strange).sum()
            raise CorpusError(
                f"{len(strange)} classes of {held.name} are not in {labeled.name}: {_listed(strange)} ({count} of "
                f"{len(held.rows)} images); its {len(known)} classes are {_listed(sorted(known))}. Are the classes "
                f"named by the same rule in both? Else add images of these to {labeled.name}, or leave them out of "
                f"{held.name}."
            )
    return [
        f"{len(lacking)} of {len(known)} classes have no image in {held.name}: {_listed(lacking)}"
        for held in held_out
        if (lacking := sorted(known - set(held.rows["label"])))
    ]


def _shared(seen: Labeled | Unlabeled, held: Labeled) -> str | None:
    for part in (seen, held):
        if "digest" not in part.rows.columns:
            raise CorpusError(f"{part.name}: no column digest; take the rows that images.check gives")
    columns = ("id", "path", "digest")
    copies = seen.rows.select(columns).join(
        held.rows.select(columns).unique("digest", keep="first", maintain_order=True),
        on="digest",
        suffix="_held",
        maintain_order="left",
    )
    if copies.is_empty():
        return None
    first = copies.row(0, named=True)
    return (
        f"{len(copies)} images of {seen.name} have the very pixels of images of {held.name}: {first['id']} "
        f"({first['path']}) those of {first['id_held']} ({first['path_held']})"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
