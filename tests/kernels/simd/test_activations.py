"""The RNN's nonlinearities and the zoneout's masks: every instruction set against torch and whole numbers."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unrolled import kernels

KERNELS = Path(__file__).parents[3] / "src" / "unrolled" / "kernels"
FLAGS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
}
SLOPE = -0.25  # a learned slope may be negative
ACTIVATIONS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    torch.tanh,
    torch.relu,
    torch.nn.functional.leaky_relu,
    lambda x: torch.nn.functional.prelu(x, torch.tensor([SLOPE], dtype=x.dtype)),
    torch.sigmoid,
    lambda x: x * 1,
    torch.nn.functional.softsign,
    torch.nn.functional.elu,
    torch.nn.functional.hardtanh,
]
NAMES = ["tanh", "relu", "leaky_relu", "prelu", "sigmoid", "identity", "softsign", "elu", "hardtanh"]
PRELU = NAMES.index("prelu")
CTYPES = {"float": ctypes.c_float, "double": ctypes.c_double}
DTYPES = {"float": np.float32, "double": np.float64}


class Compiled:
    """The functions of activations.cpp, for one instruction set."""

    def __init__(self, name: str, library: Path) -> None:
        compiler = shutil.which("g++")
        if compiler is None:
            pytest.skip("g++ is not here")
        options = ["-std=c++20", "-O2", "-ffp-contract=fast", "-Wno-psabi", "-shared", "-fPIC", *FLAGS[name]]
        source = Path(__file__).with_name("activations.cpp")
        subprocess.run(
            [compiler, *options, f"-DUNROLLED_ISA={name}", "-I", KERNELS, "-o", library, source], check=True
        )
        self._library = ctypes.CDLL(str(library))

    def run(self, function: str, kind: str, index: int, x: NDArray[Any]) -> NDArray[Any]:
        x = np.ascontiguousarray(x, DTYPES[kind])
        out = np.empty_like(x)
        pointers = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(out.ctypes.data)
        call = getattr(self._library, f"{function}_{kind}")
        call(ctypes.c_int(index), CTYPES[kind](SLOPE), *pointers, ctypes.c_size_t(x.size))
        return out

    def kept(self, kind: str, place: tuple[int, ...], threshold: int, units: int) -> NDArray[Any]:
        out = np.zeros(units, DTYPES[kind])
        numbers = (ctypes.c_uint32 * 4)(*place)
        call = getattr(self._library, f"kept_{kind}")
        call(numbers, ctypes.c_uint32(threshold), ctypes.c_void_p(out.ctypes.data), ctypes.c_size_t(units))
        return out

    def saves_input(self, index: int) -> bool:
        return bool(self._library.saves_input(ctypes.c_int(index)))


@pytest.fixture(scope="module", params=kernels.build_info()["runnable"].split())
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Each instruction set that this processor runs."""
    return Compiled(request.param, tmp_path_factory.mktemp("activations") / f"{request.param}.so")


def _inputs(kind: str) -> NDArray[Any]:
    """Every bend, zeros, tiny and huge numbers; a count that no vector divides."""
    bends = [0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 1e-6, -1e-6, 30.0, -30.0, 1e4, -1e4]
    spread = np.random.default_rng(3).normal(size=1001) * 2
    return np.concatenate([bends, spread]).astype(DTYPES[kind])


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("index", range(9), ids=NAMES)
def test_values_and_derivatives_are_torchs(compiled: Compiled, index: int, kind: str) -> None:
    """Forward and derivative agree with torch's operator and its gradient, at the bends as well."""
    x = torch.tensor(_inputs(kind), requires_grad=True)
    expected = ACTIVATIONS[index](x)
    (slopes,) = torch.autograd.grad(expected.sum(), x)
    value = compiled.run("value", kind, index, x.detach().numpy())
    saved = x.detach().numpy() if index == PRELU else value
    epsilon = np.finfo(DTYPES[kind]).eps
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=4 * epsilon, atol=0)
    derivative = compiled.run("derivative", kind, index, saved)
    # from a saved output near 1, the derivative 1 - h^2 knows no more than that output's last place
    np.testing.assert_allclose(derivative, slopes.numpy(), rtol=4 * epsilon, atol=8 * epsilon)


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("index", range(9), ids=NAMES)
def test_nan_and_infinities_give_torchs_values(compiled: Compiled, index: int, kind: str) -> None:
    """NaN comes out of every activation; an infinity goes to torch's limit."""
    x = np.array([np.nan, np.inf, -np.inf], DTYPES[kind])
    expected = ACTIVATIONS[index](torch.tensor(x)).numpy()
    assert np.isnan(expected[0])
    np.testing.assert_array_equal(compiled.run("value", kind, index, x), expected)


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("index", range(9), ids=NAMES)
def test_a_value_does_not_depend_on_its_position(compiled: Compiled, index: int, kind: str) -> None:
    """Pieces of any length up to 40 give those pieces of the answer to the bit."""
    x = _inputs(kind)[10:60]
    whole = compiled.run("value", kind, index, x)
    for size in range(41):
        np.testing.assert_array_equal(
            compiled.run("value", kind, index, x[3 : 3 + size]), whole[3 : 3 + size]
        )


def test_prelu_alone_saves_its_input(compiled: Compiled) -> None:
    """The kernels save the output of every activation but prelu."""
    assert [compiled.saves_input(index) for index in range(9)] == [name == "prelu" for name in NAMES]


def _mix(x: int) -> int:
    x ^= x >> 16
    x = x * 0x21F0AAAD % 2**32
    x ^= x >> 15
    x = x * 0x735A2D97 % 2**32
    return x ^ x >> 15


def _keeps(place: tuple[int, ...], unit: int, threshold: int) -> bool:
    seed, part, t, b = place
    key = _mix((_mix((_mix((seed + part) % 2**32) + t) % 2**32) + b) % 2**32)
    return _mix((key + unit * 0x9E3779B9) % 2**32) >> 8 < threshold


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (2**32 - 1, 1, 5, 3), (123456789, 0, 2**20, 77)])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_zoneout_masks_equal_the_formula(
    compiled: Compiled, kind: str, place: tuple[int, ...], rate: float
) -> None:
    """Each unit is kept exactly where plain whole numbers say so."""
    threshold = int(rate * 2**24)
    expected = [1.0 if _keeps(place, unit, threshold) else 2.0 for unit in range(131)]
    np.testing.assert_array_equal(compiled.kept(kind, place, threshold, 131), expected)


def test_a_zoneout_mask_keeps_units_at_its_rate() -> None:
    """Of many units, steps and rows, a tenth is kept at the rate 0.1."""
    threshold = int(0.1 * 2**24)
    retained = [_keeps((9, 0, t, b), u, threshold) for t in range(20) for b in range(20) for u in range(100)]
    assert abs(float(np.mean(retained)) - 0.1) < 4 * np.sqrt(0.09 / len(retained))
