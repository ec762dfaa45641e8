"""Two 3x3 convolutions of stride 2 with ReLU as plain matrix products, for a CPU.

The second convolution's input is kept in cells of 2 x 2 places: a cell is one row of a matrix, so that the nine taps
are four products of whole stretches of rows, without a copy: the cell itself (four taps), its neighbour in time (two),
in frequency (two) and across (one). A CPU's convolution takes up to twice as long for its gradients.

B batch, T frames, F channels in, T' and F' a quarter of these, rounded up, C convolution channels, N cells.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# (row, column) of each place in its cell, in the order that puts those next to each other that a neighbour is asked for
_PLACES = ((0, 1), (0, 0), (1, 0), (1, 1))
# the taps of the second kernel, (row, column), in the order of the products below
_TAPS = (*_PLACES, (2, 1), (2, 0), (0, 2), (1, 2), (2, 2))
# a product: how many cells further on in time and in frequency, first and end of its places, first and end of its taps
_PRODUCTS = (((0, 0), (0, 4), (0, 4)), ((1, 0), (0, 2), (4, 6)), ((0, 1), (1, 3), (6, 8)), ((1, 1), (1, 2), (8, 9)))


def two_convolutions(
    features: Tensor, real: Tensor, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]
) -> Tensor:
    """Vectors (B, T', F', C) of features (B, T, F).

    real: (B, ceil(T / 2)), True where a row that the first convolution gives is no padding; the others are zeroed.
    first, second: weight (C, 1 or C, 3, 3) and bias (C,). Each convolution pads with one zero on both sides.
    """
    B, T, F = features.shape
    rows, columns = (T + 3) // 4 + 1, (F + 3) // 4 + 1  # of cells: the last ones are there for their neighbours only
    C = len(first[1])
    # contiguous, so that its gradient is a product of the kind that is fast with so few rows
    kernel = torch.cat((first[0].flatten(1), first[1][:, None]), dim=1).t().contiguous()
    cells = (_cells(features, real, rows, columns) @ kernel).relu_().view(-1, 4 * C)
    taps = torch.stack([second[0][:, :, row, column].t() for row, column in _TAPS])
    # under autocast the product above has made the cells bfloat16; those that follow want one type
    found = _Shifted.apply(cells, taps.to(cells.dtype), second[1].to(cells.dtype), columns)  # type: ignore[no-untyped-call]
    return found.view(B, rows, columns, C)[:, :-1, :-1].relu()  # type: ignore[no-any-return]


def _cells(features: Tensor, real: Tensor, rows: int, columns: int) -> Tensor:
    """The nine features under the first kernel, and a one for its bias, at each place of each cell: (4 N, 10).

    Zeros where the second convolution wants padding: what comes of these is zero, bias included.
    """
    _B, T, F = features.shape
    # three: the first cell's first place is padding, and so is the first feature under the place after it
    padded = functional.pad(features, (3, 4 * columns - 2 - F, 3, 4 * rows - 2 - T))
    nine = padded.unfold(1, 3, 2).unfold(2, 3, 2)  # (B, 2 rows, 2 columns, 3, 3)
    ten = functional.pad(nine.flatten(3), (0, 1), value=1.0)
    inside = functional.pad(real, (1, 2 * rows - 1 - real.shape[1]))
    across = functional.pad(real.new_ones((F + 1) // 2), (1, 2 * columns - 1 - (F + 1) // 2))
    ten = torch.where((inside[:, :, None] & across)[..., None], ten, 0.0)
    return torch.stack([ten[:, row::2, column::2] for row, column in _PLACES], dim=3).view(-1, 10)


class _Shifted(torch.autograd.Function):
    """The second convolution at every cell, (N, C), from cells (N, 4 C), taps (9, C, C), bias (C,).

    At a cell that has no neighbour in its own utterance the result means nothing.
    """

    @staticmethod
    def forward(ctx: Any, cells: Tensor, taps: Tensor, bias: Tensor, columns: int) -> Tensor:
        ctx.save_for_backward(cells, taps)
        ctx.columns = columns
        found = torch.addmm(bias, cells, taps[:4].flatten(0, 1))
        for there, here, kernel in _views(cells, found, taps, columns)[1:]:
            here.addmm_(there, kernel)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        cells, taps = ctx.saved_tensors
        of_cells, of_taps = gradient @ taps[:4].flatten(0, 1).t(), torch.empty_like(taps)
        for into, here, kernel in _views(of_cells, gradient, taps, ctx.columns)[1:]:
            into.addmm_(here, kernel.t())
        for there, here, of_kernel in _views(cells, gradient, of_taps, ctx.columns):
            torch.mm(there.t(), here, out=of_kernel)
        return of_cells, of_taps, gradient.sum(0), None


def _views(cells: Tensor, found: Tensor, taps: Tensor, columns: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """For each product, own cells first: the stretch of cells, that of results that it goes to, and its kernel."""
    C = taps.shape[1]
    views = []
    for (later, higher), (place, last_place), (tap, last_tap) in _PRODUCTS:
        shift = later * columns + higher
        views.append(
            (
                cells[shift:, place * C : last_place * C],
                found[: len(found) - shift],
                taps[tap:last_tap].view(-1, taps.shape[2]),
            )
        )
    return views
