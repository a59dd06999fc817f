"""Conversion of layers from and to torch.nn, Keras and ONNX, with equal weights and outputs.

Options that the other library does not have raise an ArgumentError that names them. Options that act in
training only (dropout within a layer) are dropped with a warning.

>>> import torch
>>> theirs = torch.nn.GRU(8, 64, batch_first=True)
>>> ours = from_torch(theirs)
>>> x = torch.randn(2, 5, 8)
>>> torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-6)
True
"""

from unrolled.nn.convert.keras import from_keras, to_keras
from unrolled.nn.convert.onnx_export import to_onnx
from unrolled.nn.convert.onnx_import import from_onnx
from unrolled.nn.convert.step import StepModule
from unrolled.nn.convert.torch import from_torch, to_torch

__all__ = ["StepModule", "from_keras", "from_onnx", "from_torch", "to_keras", "to_onnx", "to_torch"]
