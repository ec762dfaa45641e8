"""Which torch device is meant by a name."""

from __future__ import annotations

import torch

from nst_asr.config import ConfigError


def usable_device(name: str) -> str:
    """The torch device that is meant by `name`; auto is a GPU where there is one. Raises ConfigError for no device."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {name}: cannot be used ({str(error).splitlines()[0]})") from None
    return name
