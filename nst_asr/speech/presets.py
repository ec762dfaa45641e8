"""The three sizes of Conformer that Gulati et al. 2020 report, by the name that a plan calls them by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Table 1: encoder layers, dimension and heads; kernel 32 and relative positions for all. The paper is silent on the
# subsampling's channels: as many as the model is wide is what its parameter counts leave room for
# (tools/model_sizes.py prints them beside the paper's).
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        name: MappingProxyType(
            {
                "width": width,
                "blocks": blocks,
                "heads": heads,
                "feed_forward": 4,
                "kernel": 32,
                "channels": width,
                "positions": "relative",
            }
        )
        for name, (blocks, width, heads) in {"S": (16, 144, 4), "M": (16, 256, 4), "L": (17, 512, 8)}.items()
    }
)


def expand(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with its `preset` written out; its other keys stay as they are, and win over the preset's.

    A name that is no preset is left in place, for whoever checks the record to refuse.
    """
    name = content.get("preset")
    if not isinstance(name, str) or name not in PRESETS:
        return dict(content)
    return {**PRESETS[name], **content, "preset": None}
