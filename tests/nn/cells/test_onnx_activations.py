"""Activations with constants: formulas, defaults, invalid arguments."""

import math
from collections.abc import Callable

import pytest
import torch

from unrolled.errors import ArgumentError
from unrolled.nn.cells.onnx_activations import Activation

A, B = 0.3, 0.7
FORMULAS: dict[str, Callable[[float], float]] = {
    "Affine": lambda x: A * x + B,
    "Elu": lambda x: x if x >= 0 else A * (math.exp(x) - 1),
    "HardSigmoid": lambda x: min(max(A * x + B, 0), 1),
    "HardTanh": lambda x: min(max(x, -1), 1),
    "LeakyRelu": lambda x: x if x >= 0 else A * x,
    "Relu": lambda x: max(0, x),
    "ScaledTanh": lambda x: A * math.tanh(B * x),
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "Softplus": lambda x: math.log(1 + math.exp(x)),
    "Softsign": lambda x: x / (1 + abs(x)),
    "Tanh": math.tanh,
    "ThresholdedRelu": lambda x: x if x > A else 0,
}
every_formula = pytest.mark.parametrize("name", FORMULAS)
POINTS = [-5.0, -1.5, -0.2, 0.0, 0.1, 0.5, 1.4, 5.0]


def _with_constants(name: str, clip: float | None = None) -> Activation:
    plain = Activation(name)
    return Activation(name, plain.alpha and A, None if plain.beta is None else B, clip)


@every_formula
def test_activations_equal_their_formulas(name: str) -> None:
    """ONNX's formulas, on both sides of every kink."""
    actual = _with_constants(name)(torch.tensor(POINTS, dtype=torch.float64))
    assert actual.tolist() == pytest.approx([FORMULAS[name](x) for x in POINTS], abs=1e-12)


@every_formula
def test_clip_bounds_the_input(name: str) -> None:
    """The argument is cut on both sides, then the function runs."""
    actual = _with_constants(name, clip=0.4)(torch.tensor(POINTS, dtype=torch.float64))
    expected = [FORMULAS[name](min(max(x, -0.4), 0.4)) for x in POINTS]
    assert actual.tolist() == pytest.approx(expected, abs=1e-12)


def test_default_constants_are_those_of_onnx() -> None:
    """A node without constants means the same here."""
    actual = {name: (Activation(name).alpha, Activation(name).beta) for name in FORMULAS}
    assert {name: constants for name, constants in actual.items() if constants != (None, None)} == {
        "Affine": (1.0, 0.0), "Elu": (1.0, None), "HardSigmoid": (0.2, 0.5), "LeakyRelu": (0.01, None),
        "ScaledTanh": (1.0, 1.0), "ThresholdedRelu": (1.0, None),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("tanh",), "Activation name: expected one of .* got 'tanh'. Did you mean 'Tanh'?"),
        (("Tanh", 0.5), "Activation alpha: Tanh has none, got 0.5. Leave it out."),
        (("Elu", 0.5, 0.5), "Activation beta: Elu has none, got 0.5. Leave it out."),
        (("Elu", math.nan), "Activation alpha: expected a number that is finite, got nan."),
        (("Tanh", None, None, 0.0), "Activation clip: expected a number above 0, got 0.0."),
    ],
)
def test_invalid_activations_raise(settings: tuple[object, ...], sentence: str) -> None:
    """An unknown name, a constant that the function does not have, a constant that is not a number."""
    with pytest.raises(ArgumentError, match=sentence.replace("?", r"\?")):
        Activation(*settings)


def test_is_close_allows_float32_rounding() -> None:
    """A slope that went through a file of float32 is still the same slope; another one is not."""
    slope = float(torch.tensor(0.01))
    assert Activation("LeakyRelu", slope).is_close(Activation("LeakyRelu"))
    for other in (Activation("LeakyRelu", 0.011), Activation("Relu"), Activation("LeakyRelu", 0.01, clip=1)):
        assert not other.is_close(Activation("LeakyRelu"))
