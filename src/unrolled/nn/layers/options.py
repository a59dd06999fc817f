"""Checks of options that all recurrent layers have, convolutional ones too."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from unrolled.errors import ArgumentError


def check_bool(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name}: expected True or False, got {value!r}.")
    return value


def check_dtype(name: str, dtype: Any) -> torch.dtype | None:
    """Return `dtype` if it is None or a floating-point type of torch."""
    if dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        return dtype
    raise ArgumentError(f"{name}: expected a floating-point dtype such as torch.float32, got {dtype!r}.")


def warn_of_unused_dropout(name: str, dropout: float, num_layers: int, *, stacklevel: int) -> None:
    """Warn where dropout between layers has no layers to act between.

    Args:
        name: of the layer.
        dropout: as given.
        num_layers: of the layer.
        stacklevel: frames between the constructor of the layer and its caller, as of `warnings.warn`.
    """
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            f"{name} dropout={dropout} has no effect: it acts between layers, and num_layers is 1.",
            stacklevel=stacklevel + 1,
        )
