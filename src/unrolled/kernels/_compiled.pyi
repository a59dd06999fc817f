from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

def tanh(x: NDArray[Any], out: NDArray[Any]) -> None: ...
def sigmoid(x: NDArray[Any], out: NDArray[Any]) -> None: ...
def compiler() -> str: ...
def selected() -> str: ...
def select(name: str) -> bool: ...
def runnable() -> list[str]: ...

# Positional only. Tensors are addresses, 0 for none; sizes and strides count elements; operands but x are
# contiguous, and of x, out and their gradients the last axis is. Nothing is checked but the lengths.
def recurrence_forward(
    cell: int, activation: int, is_double: bool, reverse: bool, threads: int,
    T: int, B: int, F: int, H: int,
    x: int, x_stride_t: int, x_stride_b: int, h0: int, c0: int,
    w_ih: int, w_hh: int, b_ih: int, b_hh: int, slope: int,
    gain_ih: int, gain_hh: int, gain_cell: int, bias_cell: int,
    lengths: int, resets: int, mask: int, zoneout_h: float, zoneout_c: float, seed: int,  # -1: the mean
    out: int, out_stride_t: int, out_stride_b: int, h_n: int, c_n: int, saved: int, /,
) -> None: ...  # fmt: skip
def recurrence_backward(
    cell: int, activation: int, is_double: bool, reverse: bool, threads: int,
    T: int, B: int, F: int, H: int,
    x: int, x_stride_t: int, x_stride_b: int, h0: int, c0: int,
    w_ih: int, w_hh: int, b_ih: int, b_hh: int, slope: int,
    gain_ih: int, gain_hh: int, gain_cell: int, bias_cell: int,
    lengths: int, resets: int, mask: int, zoneout_h: float, zoneout_c: float, seed: int,
    out: int, out_stride_t: int, out_stride_b: int, saved: int,
    grad_out: int, grad_out_stride_t: int, grad_out_stride_b: int, grad_h_n: int, grad_c_n: int,
    grad_x: int, grad_x_stride_t: int, grad_x_stride_b: int, grad_h0: int, grad_c0: int,
    grad_w_ih: int, grad_w_hh: int, grad_b_ih: int, grad_b_hh: int, grad_slope: int,
    grad_gain_ih: int, grad_gain_hh: int, grad_gain_cell: int, grad_bias_cell: int, /,
) -> None: ...  # fmt: skip
def saved_elements(
    cell: int, activation: int, T: int, B: int, F: int, H: int,
    has_zoneout: bool, has_norm: bool, is_double: bool, /,
) -> int: ...  # fmt: skip
def matmul(m: int, n: int, k: int, a: int, b: int, c: int, threads: int, /) -> None: ...
def release() -> int: ...
def open_exchange(api: Any, is_lazy: Callable[[Any], bool], /) -> bool: ...

class Recurrence:
    def __init__(
        self, cell: int, activation: int, reverse: bool, zoneout_h: float, zoneout_c: float,
        places: Sequence[int], /,
    ) -> None: ...  # fmt: skip
    def forward(
        self, seed: int, threads: int, operands: tuple[Any, ...], out: Any, h_n: Any, c_n: Any, saved: Any, /
    ) -> bool: ...
    def backward(
        self, seed: int, threads: int, operands: tuple[Any, ...], out: Any, saved: Any,
        grads: tuple[Any, ...], found: list[Any], /,
    ) -> bool: ...  # fmt: skip
