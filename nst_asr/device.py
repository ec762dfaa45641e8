"""Which torch device is meant by a name."""

from __future__ import annotations

import torch

from nst_asr.config import ConfigError
from nst_asr.ranks import local_rank, local_world


def usable_device(name: str) -> str:
    """The torch device that is meant by `name`; auto is a GPU where there is one. Raises ConfigError for no device.

    Under torchrun `cuda` is the GPU with the number of the process on its machine; one process needs one GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if local_world() > 1 and name.startswith("cuda"):
        if name != "cuda":
            raise ConfigError(f"--device {name}: each of {local_world()} processes takes its own; give cuda, or cpu")
        if local_world() > torch.cuda.device_count():
            raise ConfigError(
                f"{local_world()} processes on this machine and {torch.cuda.device_count()} GPUs: give torchrun "
                "--nproc-per-node as many as there are GPUs, or --device cpu"
            )
        name = f"cuda:{local_rank()}"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {name}: cannot be used ({str(error).splitlines()[0]})") from None
    return name
