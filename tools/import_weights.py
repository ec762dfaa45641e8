"""Makes a model folder of published EfficientNet weights, so that they can label, teach and be scored.

python tools/import_weights.py WEIGHTS --net efficientnet_b7 --classes FILE --out FOLDER [--resolution S] [--crop C]

WEIGHTS: a .pth or .safetensors file of timm's tf_efficientnet_*_ns. --classes: a .txt with one name a line in the order
of the weights' outputs; or a labeled manifest (.tsv, .parquet, folder, shards) whose sorted class names are in that
order, as the WordNet ids of ImageNet are. Put at EXP/gen0/student the folder is the first teacher of a run in EXP.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.rows import ManifestError
from nst_asr.store import StoreError, written_aside
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.model import Classifier, ModelError, from_published
from nst_asr.vision.nets import NetError, NetPlan


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 written, 1 weights or classes that cannot be used."""
    parser = argparse.ArgumentParser(description="A model folder of published EfficientNet weights.")
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help=".pth or .safetensors")
    parser.add_argument("--net", required=True, help="efficientnet_b0 to efficientnet_b8, efficientnet_l2")
    parser.add_argument("--classes", type=Path, required=True, metavar="FILE", help="names (.txt), or labeled images")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="to write")
    parser.add_argument("--resolution", type=int, help="pixels (default: what timm gives; of L2 800, it may be 475)")
    parser.add_argument("--crop", type=float, help="of clean centre crops (default: what timm gives; L2 at 475: 0.936)")
    options = parser.parse_args(arguments)
    try:
        found = imported(options.weights, options.net, options.classes, options.resolution, options.crop)
        write(found, options.out, options.weights)
    except (ConfigError, ManifestError, ModelError, NetError, StoreError, OSError) as error:
        print(f"import_weights: {error}", file=sys.stderr)
        return 1
    print(
        f"{options.out}: {options.net}, {len(found.classes)} classes from {found.classes[0]} to {found.classes[-1]}, "
        f"{found.resolution} pixels, crop {found.crop:g}"
    )
    return 0


def imported(weights: Path, net: str, classes: Path, resolution: int | None, crop: float | None) -> Classifier:
    """The classifier, its outputs in the order of the class names, as a run on images of these classes wants them.

    Raises ConfigError, ManifestError and ModelError.
    """
    plan = config.parse(NetPlan, {"name": net}, "--net")
    found = from_published(weights, plan, class_names(classes), resolution=resolution, crop=crop)
    return in_order(found)


def class_names(source: Path) -> list[str]:
    """The names in a .txt, line by line, or the sorted classes of labeled images.

    Blanks in a name become underscores, as in manifests. Raises ManifestError.
    """
    if source.suffix != ".txt":
        return list(read_manifest(source, labeled=True)["label"].unique().sort())
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{source}: no list of classes that can be read ({error})") from None
    return ["_".join(line.split()) for line in lines if line.strip()]


def in_order(classifier: Classifier) -> Classifier:
    """The same with its outputs sorted by name."""
    order = sorted(range(len(classifier.classes)), key=classifier.classes.__getitem__)
    state = classifier.net.state_dict()
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name][order]
    classifier.net.load_state_dict(state)
    return replace(classifier, classes=tuple(classifier.classes[place] for place in order))


def write(classifier: Classifier, out: Path, weights: Path) -> None:
    """Write the model folder, whole or not at all. Raises StoreError where there is something already."""
    if out.exists():
        raise StoreError(f"{out}: is there already; give another --out, or move it away")
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with written_aside(out) as part:
        classifier.save(part, {"published": weights.name, "sha256": digest})


if __name__ == "__main__":
    sys.exit(main())
