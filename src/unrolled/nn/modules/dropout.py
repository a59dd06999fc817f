"""Dropout: of each number, of outputs the same at all steps, and of recurrent weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from unrolled.nn.layers.rnn import GRU, LSTM, RNN
from unrolled.nn.ops.dropout import draw_mask, dropout


class Dropout(nn.Dropout):
    """Dropout of torch with the masks of `draw_mask`, as the kernels' way has them.

    >>> import torch
    >>> dropped = Dropout(0.5)(torch.ones(100, 100))
    >>> dropped.unique().tolist(), Dropout(0.5).eval()(torch.ones(2)).tolist()
    ([0.0, 2.0], [1.0, 1.0])
    """

    def forward(self, values: Tensor) -> Tensor:
        """Zero numbers in training, and scale the others up."""
        return dropout(values, self.p) if self.training and self.p else values


def locked_dropout(values: Tensor, rate: float, *, is_training: bool) -> Tensor:
    """Zero numbers of (T, B, F), the same at every step of a row, and scale the others up.

    Source: Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks
    (2016).

    >>> import torch
    >>> dropped = locked_dropout(torch.ones(3, 2, 8), 0.5, is_training=True)
    >>> torch.equal(dropped[0], dropped[2]), sorted({*dropped.flatten().tolist()} | {0.0, 2.0})
    (True, [0.0, 2.0])
    """
    if not is_training or not rate:
        return values
    shape = (1, *values.shape[1:])
    return values * draw_mask(shape, 1 - rate, values).div_(1 - rate)


def run_with_weight_dropout(layer: RNN | GRU | LSTM, rate: float, *inputs: Any, **options: Any) -> Any:
    """Run a layer of one direction with some of its recurrent weights zeroed, the others scaled up.

    One mask of W_hh serves all steps and rows of the call, and is drawn before it: the kernels run a plain
    layer. Nothing is dropped in evaluation mode.

    Source: Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models (2018), DropConnect.

    Args:
        layer: on the kernels or not.
        rate: share of the weights, from 0 to below 1.
        inputs: of the layer.
        options: `lengths` and `resets`.

    >>> import torch
    >>> layer = GRU(3, 5)
    >>> output, h_n = run_with_weight_dropout(layer, 0.5, torch.randn(7, 2, 3))
    >>> output.shape, torch.equal(output, layer(torch.randn(7, 2, 3))[0])
    (torch.Size([7, 2, 5]), False)
    """
    if not layer.training or not rate:
        return layer(*inputs, **options)
    names = [f"weight_hh_l{k}" for k in range(layer.num_layers)]
    dropped = {name: F.dropout(getattr(layer, name), rate) for name in names}
    return functional_call(layer, dropped, inputs, options)
