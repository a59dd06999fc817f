"""Validation of lengths and resets, for layers and for single recurrences.

Shapes: T steps, B rows.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.nn.ops import torch_internals


def check_lengths(
    name: str, lengths: Any, B: int, T: int, *, is_batched: bool = True, has_values: bool = True
) -> Tensor:
    """Validate and convert `lengths`.

    Args:
        name: of the caller, for the error.
        lengths: a list, array or tensor of whole numbers.
        B: rows.
        T: the largest length.
        is_batched: whether the input has a batch axis; without one, `lengths` is a single number.
        has_values: whether the input has; where it is on meta or fake, so may the lengths be.

    Returns:
        (B,) int64.

    Raises:
        ArgumentError: they are no whole numbers, not B, or not from 0 to T; under torch.compile, on meta
            and for fake tensors, where there are no values, the range is not checked.
    """
    tensor = _tensor(f"{name} lengths", lengths)
    is_compiling = torch.compiler.is_compiling()
    if not is_compiling and torch_internals.is_batched(tensor):
        raise ArgumentError(
            f"{name} lengths: vmap cannot map over them. Let the layer's batch axis hold the rows."
        )
    if tensor.is_meta and has_values:
        raise ArgumentError(f"{name} lengths: expected numbers, got a tensor on meta, where there are none.")
    is_whole = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
    if not is_whole and tensor.numel() > 0:  # an empty list says nothing of its dtype
        raise ArgumentError(
            f"{name} lengths: expected whole numbers, got {tensor.dtype}. Convert them to int64."
        )
    if tensor.shape != ((B,) if is_batched else ()):
        expected = f"{B} numbers, one a row" if is_batched else "one number, as the input has no batch axis"
        raise ArgumentError(f"{name} lengths: expected {expected}; got shape {tuple(tensor.shape)}.")
    tensor = tensor.reshape(B).long()
    if is_compiling or not torch_internals.has_values(tensor):
        return tensor
    outside = (tensor < 0) | (tensor > T)
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        raise ArgumentError(
            f"{name} lengths: each must be from 0 to T={T}; got {int(tensor[row])} in row {row}."
            " Pad the input to the longest row, or cut the length."
        )
    return tensor


def check_resets(name: str, resets: Any, B: int, T: int, *, is_batched: bool = True) -> Tensor:
    """Validate and convert `resets`.

    Args:
        name: of the caller, for the error.
        resets: a list, array or tensor of bool: (B, T), or (T,) without a batch axis.
        B: rows.
        T: steps.
        is_batched: whether the input has a batch axis.

    Returns:
        (B, T) bool.

    Raises:
        ArgumentError: the dtype is not bool, or the shape is another.
    """
    tensor = _tensor(f"{name} resets", resets)
    if tensor.dtype != torch.bool:
        raise ArgumentError(f"{name} resets: expected bool, got {tensor.dtype}. Convert with .bool().")
    expected = (B, T) if is_batched else (T,)
    if tensor.shape != expected:
        axes = "(B, T), whatever batch_first says" if is_batched else "(T,)"
        got = tuple(tensor.shape)
        raise ArgumentError(f"{name} resets: expected shape {expected}, which is {axes}; got {got}.")
    return tensor.reshape(B, T)


def check_dense(name: str, tensor: Tensor) -> None:
    """Refuse nested and sparse tensors, which have no plain axes."""
    if tensor.is_nested:
        raise ArgumentError(
            f"{name}: expected a dense tensor, got a nested one. Pad it with"
            " torch.nested.to_padded_tensor(x, 0.0), and give lengths=."
        )
    if tensor.layout != torch.strided:
        raise ArgumentError(
            f"{name}: expected a dense tensor, got {tensor.layout}. Convert it with .to_dense()."
        )


def _tensor(name: str, value: Any) -> Tensor:
    """Convert a list or array to a tensor; return a tensor as it is."""
    if isinstance(value, Tensor):
        check_dense(name, value)
        return value
    try:
        is_list = isinstance(value, list | tuple) and any(isinstance(row, np.ndarray) for row in value)
        if is_list or hasattr(value, "__array__"):
            value = _plain_array(np.asarray(value))
        return torch.tensor(value, device="cpu")  # a copy: as_tensor warns of arrays that cannot be written
    except (TypeError, ValueError, RuntimeError) as fault:
        raise ArgumentError(
            f"{name}: expected a list, array or tensor of numbers; got {describe_type(value)}."
        ) from fault


def _plain_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy an array that torch cannot read: of another byte order, of objects, with negative strides."""
    if array.dtype == object:
        array = np.array(array.tolist())
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native.copy() if any(stride < 0 for stride in native.strides) else native


def describe_type(value: Any) -> str:
    """Name the type of a value for an error sentence; a tuple or list with its length."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__
