"""Recurrent layers: drop-in RNN, GRU and LSTM with lengths and resets; custom cells in ten lines.

>>> import torch
>>> from unrolled.nn import GRU
>>> output, h_n = GRU(8, 64, batch_first=True)(torch.randn(32, 50, 8), lengths=[50] * 31 + [7])
>>> output.shape, h_n.shape
(torch.Size([32, 50, 64]), torch.Size([1, 32, 64]))
"""

from unrolled.nn import cells, convert
from unrolled.nn.cells.core import Cell
from unrolled.nn.layers.cell_layer import CellLayer, Direction
from unrolled.nn.layers.conv import ConvGRU, ConvLSTM
from unrolled.nn.layers.rnn import GRU, LSTM, RNN
from unrolled.nn.ops.unroll import unroll, unroll_stack

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "CellLayer",
    "ConvGRU",
    "ConvLSTM",
    "Direction",
    "cells",
    "convert",
    "unroll",
    "unroll_stack",
]
