"""Validation of lengths and resets, for layers and for single recurrences.

Shapes: T steps, B rows.
"""

from typing import Any

import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.nn.ops import torch_internals


def check_lengths(name: str, lengths: Any, B: int, T: int, *, is_batched: bool = True) -> Tensor:
    """`lengths` as int64 (B,) if they are whole numbers from 0 to T, else an error that names the row."""
    found = _tensor(f"{name} lengths", lengths)
    is_compiling = torch.compiler.is_compiling()
    if not is_compiling and torch_internals.is_batched(found):
        raise ArgumentError(
            f"{name} lengths: vmap cannot map over them. Let the layer's batch axis hold the rows."
        )
    if found.is_meta:
        raise ArgumentError(f"{name} lengths: expected numbers, got a tensor on meta, where there are none.")
    is_whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if not is_whole and found.numel() > 0:  # an empty list says nothing of its dtype
        raise ArgumentError(
            f"{name} lengths: expected whole numbers, got {found.dtype}. Convert with .long()."
        )
    if found.shape != ((B,) if is_batched else ()):
        wanted = f"{B} numbers, one a row" if is_batched else "one number, as the input has no batch axis"
        raise ArgumentError(f"{name} lengths: expected {wanted}; got shape {tuple(found.shape)}.")
    found = found.reshape(B).long()
    if is_compiling:
        return found
    outside = (found < 0) | (found > T)
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        raise ArgumentError(
            f"{name} lengths: each must be from 0 to T={T}; got {int(found[row])} in row {row}."
            " Pad the input to the longest row, or cut the length."
        )
    return found


def check_resets(name: str, resets: Any, B: int, T: int, *, is_batched: bool = True) -> Tensor:
    """`resets` as bool (B, T) if that is what they are."""
    found = _tensor(f"{name} resets", resets)
    if found.dtype != torch.bool:
        raise ArgumentError(f"{name} resets: expected bool, got {found.dtype}. Convert with .bool().")
    wanted = (B, T) if is_batched else (T,)
    if found.shape != wanted:
        axes = "(B, T), whatever batch_first says" if is_batched else "(T,)"
        got = tuple(found.shape)
        raise ArgumentError(f"{name} resets: expected shape {wanted}, which is {axes}; got {got}.")
    return found.reshape(B, T)


def check_dense(name: str, found: Tensor) -> None:
    """Refuse nested and sparse tensors, which have no plain axes."""
    if found.is_nested:
        raise ArgumentError(
            f"{name}: expected a dense tensor, got a nested one. Pad it with"
            " torch.nested.to_padded_tensor(x, 0.0), and give lengths=."
        )
    if found.layout != torch.strided:
        raise ArgumentError(
            f"{name}: expected a dense tensor, got {found.layout}. Convert it with .to_dense()."
        )


def _tensor(name: str, found: Any) -> Tensor:
    """A list or array as a tensor; a tensor as it is."""
    if isinstance(found, Tensor):
        check_dense(name, found)
        return found
    try:
        return torch.tensor(found, device="cpu")  # a copy: as_tensor warns of arrays that cannot be written
    except (TypeError, ValueError, RuntimeError) as fault:
        raise ArgumentError(
            f"{name}: expected a list, array or tensor of numbers; got {describe_type(found)}."
        ) from fault


def describe_type(found: Any) -> str:
    """Name the type of a value for an error sentence; a tuple or list with its length."""
    if isinstance(found, tuple | list):
        return f"a {type(found).__name__} of {len(found)}"
    return type(found).__name__
