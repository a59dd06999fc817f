"""Layers from and to torch.nn, Keras and ONNX: the same weights, the same numbers.

What the other side cannot express is refused in a sentence that names it. What acts in training alone
(dropout within a layer) is left behind with a warning.

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
from unrolled.nn.convert.torch import from_torch, to_torch

__all__ = ["from_keras", "from_onnx", "from_torch", "to_keras", "to_onnx", "to_torch"]
