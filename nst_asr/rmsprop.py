"""RMSProp as the image recipes mean it: TensorFlow's, which torch's is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class RMSprop(torch.optim.Optimizer):
    """Gradients divided by the root of their mean square, then momentum.

        v <- v + (1 - alpha) (g^2 - v),   m <- momentum m + rate g / sqrt(v + epsilon),   w <- w - m

    v begins at 1, epsilon (0.001) stands inside the root and the rate inside the momentum, all unlike
    `torch.optim.RMSprop`; with a small batch norm this decides whether an EfficientNet trains at all. Weight decay is
    added to the gradient. Source: Tan and Le 2019, EfficientNet, section 5 (alpha 0.9, momentum 0.9); TensorFlow 1.
    """

    def __init__(
        self, params: Iterable[dict[str, Any]], *, alpha: float = 0.9, momentum: float = 0.9, eps: float = 1e-3
    ) -> None:
        super().__init__(params, {"lr": 0.0, "alpha": alpha, "momentum": momentum, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of all weights that have a gradient. A closure is refused: fit() has none."""
        if closure is not None:
            raise ValueError("this optimiser evaluates no closure; compute the gradients first")
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            gradients = [weight.grad for weight in weights]
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
            states = [self._state(weight) for weight in weights]
            squares, momenta = ([state[name] for state in states] for name in ("square", "momentum"))
            torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - group["alpha"])
            roots = torch._foreach_sqrt(torch._foreach_add(squares, group["eps"]))
            torch._foreach_mul_(momenta, group["momentum"])
            torch._foreach_addcdiv_(momenta, gradients, roots, group["lr"])
            torch._foreach_sub_(weights, momenta)

    def _state(self, weight: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[weight]
        if not state:
            state |= {"square": torch.ones_like(weight), "momentum": torch.zeros_like(weight)}
        return state
