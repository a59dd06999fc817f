"""Kernel launch: complete operands, strides of gradients, the torch version, the end of the process."""

import subprocess
import sys
from typing import Any

import pytest
import torch

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import GRUCell, LSTMCell, RNNCell
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops import fused

CELLS = {"RNN": RNNCell(), "GRU": GRUCell(), "LSTM": LSTMCell()}


def weights(name: str, **settings: Any) -> Any:
    """Those of a layer of 3 inputs and 5 units."""
    return getattr(un, name)(3, 5, **settings)._weights()[0][0]


@pytest.mark.parametrize(
    ("name", "settings", "part"),
    [
        ("RNN", {}, "weight_ih"),
        ("RNN", {}, "weight_hh"),
        ("GRU", {}, "bias_ih"),
        ("LSTM", {}, "bias_hh"),
        ("GRU", {"layer_norm": True}, "gain_ih"),
        ("LSTM", {"layer_norm": True}, "gain_hh"),
        ("LSTM", {"layer_norm": True}, "gain_cell"),
    ],
)
def test_incomplete_weights_are_refused(name: str, settings: dict[str, Any], part: str) -> None:
    """A kernel would read from nowhere; the sentence names the part."""
    lacking = weights(name, **settings)._replace(**{part: None})
    with pytest.raises(ArgumentError, match=f"{part} is missing"):
        fused.fused_unroll(CELLS[name], torch.randn(4, 2, 3), lacking)


def test_a_layer_without_one_bias_names_it() -> None:
    """Setting a bias to None is not how one leaves biases out."""
    layer = un.GRU(3, 5)
    layer.bias_hh_l0 = None
    with pytest.raises(ArgumentError, match="bias_hh is missing"):
        layer(torch.randn(4, 2, 3))


def test_half_a_state_is_refused() -> None:
    """An LSTM starts from h and c, or from neither; a GRU has no c."""
    h = torch.randn(2, 5)
    with pytest.raises(ArgumentError, match="c0 is missing"):
        fused.fused_unroll(LSTMCell(), torch.randn(4, 2, 3), weights("LSTM"), (h,))
    with pytest.raises(ArgumentError, match="c0 is not allowed"):
        fused.fused_unroll(GRUCell(), torch.randn(4, 2, 3), weights("GRU"), (h, h))


def test_zoneout_has_a_rate_for_each_part_of_the_state() -> None:
    """One for a GRU, two for an LSTM."""
    with pytest.raises(ArgumentError, match="expected 2 rates"):
        fused.fused_unroll(LSTMCell(), torch.randn(4, 2, 3), weights("LSTM"), zoneout=Zoneout((0.1,), 1))


@pytest.mark.parametrize("window", [2, 7, 24])
def test_overlapping_windows_get_the_gradient_of_their_copies(window: int) -> None:
    """`unfold` gives strides of 1 on two axes, which no gradient of its own can have."""
    torch.manual_seed(0)
    series = torch.randn(3, 40, requires_grad=True)
    layer = un.GRU(window, 4, batch_first=True)
    windows = series.unfold(1, window, 1)
    (actual,) = torch.autograd.grad(layer(windows)[0].square().sum(), series)
    (expected,) = torch.autograd.grad(layer(windows.contiguous())[0].square().sum(), series)
    assert torch.equal(actual, expected)


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")
def test_a_torch_that_does_not_describe_its_tensors_is_refused() -> None:
    """Before 2.10 torch has no table of C functions; the error says what to upgrade."""
    code = "import torch; del torch.Tensor.__dlpack_c_exchange_api__; import unrolled.nn"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].startswith("ImportError: unrolled.nn: expected torch 2.10 or newer")


LEFT_BEHIND = """
import torch, unrolled.nn as un

class Node: pass

layer, x = un.LSTM(4, 8), torch.randn(5, 3, 4)
kept = layer(x)[0]  # a graph that nobody ran backward
circle = Node()
circle.self, circle.kept = circle, un.GRU(4, 8, layer_norm=True)(x, lengths=[5, 2, 3])
print(layer.explain(x).name)
"""


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")
def test_no_compiled_object_outlives_the_interpreter() -> None:
    """Caches and graphs hold compiled recurrences to the end; nanobind would report each on stderr."""
    ran = subprocess.run([sys.executable, "-c", LEFT_BEHIND], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("fused\n", "")
