"""Check that torch can compute on a device."""

from __future__ import annotations

import torch

from unrolled.errors import ArgumentError


def check_device(device: str) -> str:
    """Return `device` if torch can compute there.

    Raises:
        ArgumentError: it is not the name of a device, or this machine has no such device.

    >>> check_device("cpu")
    'cpu'
    """
    fault: Exception | None = None
    try:
        torch.zeros(1, device=device).item()  # "meta" makes tensors, but holds no numbers
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError) as refused:
        fault = refused
    if fault or not isinstance(device, str):  # a name can be saved, a torch.device cannot
        raise ArgumentError(
            "device: expected the name of one that torch can use here, such as 'cpu', "
            f"got {device!r}. Use device='cpu'."
        ) from fault
    return device
