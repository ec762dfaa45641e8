"""Parameters of the presets S, M and L, or of the image nets, beside those of the papers, as a Markdown table.

    python tools/model_sizes.py [--vocabulary 1000]
    python tools/model_sizes.py --images

Encoder: subsampling and blocks of this package's Conformer, counted from the modules themselves. Gulati et al. 2020
(table 1) give totals with a decoder that this package has none of, and say of it: one LSTM layer, 320 (S) or 640 (M, L)
wide, and 1,000 word pieces. What it comes to is counted here under these assumptions: an embedding as wide as the
LSTM for each piece and the blank; four gates with one bias each; a joint network as wide as the LSTM, which the
encoder's output is projected to, the LSTM's added as it is, and one layer to pieces and blank. The subsampling's
channels are the model's width, which the paper does not say either.

Image nets: with 10 classes and with 1,000. The papers count the ResNets for CIFAR with 10 (He et al. 2016, table 6),
the EfficientNets with 1,000 (Tan and Le 2019, table 2; L2: Xie et al. 2020, table 2).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from nst_asr.speech.conformer import Conformer, ConformerPlan

_MELS = 80
Preset = Literal["S", "M", "L"]


@dataclass(frozen=True)
class Paper:
    """What the paper says of a size: all parameters, and the width of its LSTM."""

    total: int
    decoder: int


PAPER: dict[Preset, Paper] = {
    "S": Paper(total=10_300_000, decoder=320),
    "M": Paper(total=30_700_000, decoder=640),
    "L": Paper(total=118_800_000, decoder=640),
}


# millions of parameters
IMAGES: dict[str, float] = {
    "resnet20": 0.27,
    "resnet32": 0.46,
    "efficientnet_b0": 5.3,
    "efficientnet_b1": 7.8,
    "efficientnet_b2": 9.2,
    "efficientnet_b3": 12,
    "efficientnet_b4": 19,
    "efficientnet_b5": 30,
    "efficientnet_b6": 43,
    "efficientnet_b7": 66,
    "efficientnet_l2": 480,
}


def encoder_parameters(plan: ConformerPlan) -> int:
    """Parameters of the subsampling and the blocks: all of the model but its CTC head."""
    with torch.device("meta"):  # counted without memory
        model = Conformer(plan, _MELS, 2)
    return sum(p.numel() for name, p in model.named_parameters() if not name.startswith("head."))


def decoder_parameters(encoder: int, width: int, vocabulary: int) -> int:
    """Parameters of the paper's transducer decoder under this file's assumptions.

    encoder: width of the encoder's output; width: of the LSTM; vocabulary: pieces, the blank not counted.
    """
    embedding = (vocabulary + 1) * width
    lstm = 4 * (width * (width + width) + width)
    joint = encoder * width + width + width * (vocabulary + 1) + vocabulary + 1
    return embedding + lstm + joint


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=1000, help="word pieces, the blank not counted")
    parser.add_argument("--images", action="store_true", help="the image nets instead")
    given = parser.parse_args()
    if given.images:
        _print(["net", "10 classes", "1,000 classes", "the paper's"], _image_rows())
        return
    head = ["preset", "encoder, relative", "encoder, rotary", "decoder", "total, relative", "the paper's total"]
    _print([*head, "difference"], [_row(name, given.vocabulary) for name in get_args(Preset)])


def _print(head: list[str], rows: list[list[str]]) -> None:
    for row in (head, ["---", *["---:"] * (len(head) - 1)], *rows):
        print(f"| {' | '.join(row)} |")


def _image_rows() -> list[list[str]]:
    # speech is installed without what image nets need
    from nst_asr.vision.nets import NAMES, NetPlan, parameter_count

    counts = {name: [parameter_count(NetPlan(name=name), classes) for classes in (10, 1000)] for name in NAMES}
    return [
        [name, *(f"{count / 1e6:.2f} M" for count in count_pair), f"{IMAGES[name]:g} M" if name in IMAGES else ""]
        for name, count_pair in counts.items()
    ]


def _row(name: Preset, vocabulary: int) -> list[str]:
    plan = ConformerPlan(preset=name)
    relative = encoder_parameters(plan)
    rotary = encoder_parameters(ConformerPlan(preset=name, positions="rotary"))
    decoder = decoder_parameters(plan.width, PAPER[name].decoder, vocabulary)
    total, theirs = relative + decoder, PAPER[name].total
    return [
        name,
        *(f"{count / 1e6:.2f} M" for count in (relative, rotary, decoder, total)),
        f"{theirs / 1e6:.1f} M",
        f"{total / theirs - 1:+.1%}",
    ]


if __name__ == "__main__":
    main()
