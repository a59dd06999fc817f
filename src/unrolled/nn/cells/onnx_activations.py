"""Elementwise activations with constants, under their ONNX names.

RNN, GRU and LSTM of other libraries use them where the kernels have no such nonlinearity.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.validation import check_choice, check_float


class _Formula(NamedTuple):
    """Function of x, alpha and beta, with ONNX's defaults of its constants."""

    run: Callable[[Tensor, float, float], Tensor]
    alpha: float | None = None  # None: the function has no such constant
    beta: float | None = None


_FORMULAS = {
    "Affine": _Formula(lambda x, alpha, beta: alpha * x + beta, 1.0, 0.0),
    "Elu": _Formula(lambda x, alpha, _: F.elu(x, alpha), 1.0),
    "HardSigmoid": _Formula(lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1), 0.2, 0.5),
    "HardTanh": _Formula(lambda x, *_: x.clamp(-1, 1)),  # not in ONNX
    "LeakyRelu": _Formula(lambda x, alpha, _: torch.where(x >= 0, x, alpha * x), 0.01),
    "Relu": _Formula(lambda x, *_: torch.relu(x)),
    "ScaledTanh": _Formula(lambda x, alpha, beta: alpha * torch.tanh(beta * x), 1.0, 1.0),
    "Sigmoid": _Formula(lambda x, *_: torch.sigmoid(x)),
    "Softplus": _Formula(lambda x, *_: F.softplus(x)),
    "Softsign": _Formula(lambda x, *_: F.softsign(x)),
    "Tanh": _Formula(lambda x, *_: torch.tanh(x)),
    "ThresholdedRelu": _Formula(lambda x, alpha, _: torch.where(x > alpha, x, 0.0), 1.0),
}


@dataclass(frozen=True)
class Activation:
    """Elementwise function with its constants: φ(x), or φ(min(max(x, -clip), clip)).

        Affine            α x + β                        Relu             max(0, x)
        Elu               x, below 0 α (e^x - 1)         ScaledTanh       α tanh(β x)
        HardSigmoid       min(max(α x + β, 0), 1)        Softplus         log(1 + e^x)
        HardTanh          min(max(x, -1), 1)             Softsign         x / (1 + |x|)
        LeakyRelu         x, below 0 α x                 ThresholdedRelu  x above α, else 0

    and Sigmoid and Tanh. Two activations are equal if name and constants are.

    Args:
        name: one of these names, in this spelling.
        alpha: α. None: ONNX's default, which is 1, for HardSigmoid 0.2, for LeakyRelu 0.01.
        beta: β. None: 0 for Affine, 0.5 for HardSigmoid, 1 for ScaledTanh.
        clip: bound on |x|, above 0; None for no bound.

    Raises:
        ArgumentError: the name is unknown, or a constant is given that the function does not have.

    Source: the ONNX operators RNN, GRU and LSTM; HardTanh is Keras' hard_tanh, which ONNX has not.

    >>> Activation("LeakyRelu", 0.5)(torch.tensor([-2.0, 2.0]))
    tensor([-1.,  2.])
    >>> Activation("HardSigmoid") == Activation("HardSigmoid", 0.2, 0.5)
    True
    """

    name: str
    alpha: float | None = None
    beta: float | None = None
    clip: float | None = None

    def __post_init__(self) -> None:
        formula = _FORMULAS[check_choice("Activation name", self.name, list(_FORMULAS))]
        for constant in ("alpha", "beta"):
            default, value = getattr(formula, constant), getattr(self, constant)
            if value is None:
                object.__setattr__(self, constant, default)
            elif default is None:
                raise ArgumentError(
                    f"Activation {constant}: {self.name} has none, got {value!r}. Leave it out."
                )
            else:
                object.__setattr__(self, constant, check_float(f"Activation {constant}", value))
        if self.clip is not None:
            object.__setattr__(self, "clip", check_float("Activation clip", self.clip, above=0))

    def __call__(self, x: Tensor) -> Tensor:
        """Apply φ to every element; the shape stays."""
        if self.clip is not None:
            x = x.clamp(-self.clip, self.clip)
        return _FORMULAS[self.name].run(x, self.alpha or 0.0, self.beta or 0.0)

    def is_close(self, other: "Activation") -> bool:
        """Return true if both are the same function, with constants equal up to float32 rounding."""
        pairs = [(self.alpha, other.alpha), (self.beta, other.beta), (self.clip, other.clip)]
        return self.name == other.name and all(
            a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6)) for a, b in pairs
        )


SIGMOID, TANH = Activation("Sigmoid"), Activation("Tanh")
