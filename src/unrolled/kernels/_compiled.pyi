from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

def tanh(x: NDArray[Any], out: NDArray[Any]) -> None: ...
def sigmoid(x: NDArray[Any], out: NDArray[Any]) -> None: ...
def matmul(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], threads: int, /) -> None: ...
def compiler() -> str: ...
def selected() -> str: ...
def select(name: str) -> bool: ...
def runnable() -> list[str]: ...
def release() -> int: ...
def watch_contention() -> None: ...
def is_contended() -> bool: ...
def open_exchange(api: Any, is_negated: Callable[[Any], bool], /) -> bool: ...
def operands() -> list[tuple[str, str, str, str, bool]]: ...  # name, kind, need, axes, is differentiable

# Tensors that the kernels cannot read as they are: the answer is False, and nothing has been written.
class Recurrence:
    def __init__(
        self, cell: int, activation: int, reverse: bool, zoneout_h: float, zoneout_c: float,
        present: Sequence[int], /,
    ) -> None: ...  # fmt: skip
    def saved_elements(self, T: int, B: int, F: int, H: int, is_double: bool, /) -> int: ...
    def forward(
        self, seed: int, threads: int, operands: tuple[Any, ...], out: Any, h_n: Any, c_n: Any, saved: Any, /
    ) -> bool: ...
    def backward(
        self, seed: int, threads: int, operands: tuple[Any, ...], out: Any, saved: Any,
        grads: tuple[Any, ...], gradients: list[Any], /,
    ) -> bool: ...  # fmt: skip

# Tensors that the kernels cannot read as they are: as above.
def conv_stem_forward(
    operands: tuple[Any, ...], scales: int, stride: int, threads: int, out: Any, activations: Any, /
) -> bool: ...
def conv_stem_backward(
    operands: tuple[Any, ...], scales: int, stride: int, threads: int, out: Any, activations: Any, d_out: Any,
    d_weight: Any, d_bias: Any, /,
) -> bool: ...  # fmt: skip
def pool_forward(
    states: Any, lengths: Any, poolings: tuple[int, ...], threads: int, pooled: Any, maxima: Any, /
) -> bool: ...
def pool_backward(
    states: Any, lengths: Any, poolings: tuple[int, ...], threads: int, d_pooled: Any, maxima: Any,
    d_states: Any, /,
) -> bool: ...  # fmt: skip
def cross_entropy(
    logits: Any, targets: Any, weights: Any, divisor: float, threads: int, row_weights: Any, gradient: Any, /
) -> float | None: ...

# Flat tensors of float32.
def squared_norm(x: Any, /) -> float: ...
def adamw_step(
    values: Any, gradients: Any, means: Any, squares: Any, rate: float, decay: float, beta1: float,
    beta2: float, eps: float, gradient_scale: float, step: int, threads: int, /,
) -> bool: ...  # fmt: skip
