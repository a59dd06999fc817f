"""Streams of layers: states, changed weights, layouts and refusals."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError, TensorError
from unrolled.nn.layers.stream import LayerStream

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")


@pytest.fixture(params=["gru", "lstm", "callable"])
def stream(request: pytest.FixtureRequest) -> LayerStream:
    """On the kernels, with one part and with two; and by its cell."""
    torch.manual_seed(0)
    layers = {"gru": un.GRU(3, 5), "lstm": un.LSTM(3, 5), "callable": un.RNN(3, 5, nonlinearity=torch.sin)}
    return layers[request.param].stream()


def test_a_state_taken_out_and_put_back_continues_alike(stream: LayerStream) -> None:
    """It is a copy: later steps do not change it."""
    x = torch.randn(4, 3)
    stream.steps(x[:2])
    state = stream.state
    first = stream.steps(x[2:])
    stream.state = state
    assert torch.equal(stream.steps(x[2:]), first)


def test_reset_goes_back_to_the_start(stream: LayerStream) -> None:
    """The first answer comes again."""
    x = torch.randn(3)
    first = stream.step(x)
    assert not torch.equal(stream.step(x), first)
    stream.reset()
    assert torch.equal(stream.step(x), first)


def test_peek_moves_nothing(stream: LayerStream) -> None:
    """Nor does a peek that is refused."""
    x = torch.randn(3)
    peeked = stream.peek(x)
    with pytest.raises(TensorError):
        stream.peek(torch.randn(4))
    assert torch.equal(stream.step(x), peeked)


def test_layouts_are_those_of_the_input() -> None:
    """(F,) and (T, F) for one row; batch first as the layer."""
    layer = un.GRU(3, 5, batch_first=True)
    one, many = layer.stream(), layer.stream(2)
    assert one.step(torch.randn(3)).shape == (5,)
    assert one.step(torch.randn(1, 3)).shape == (1, 5)
    assert one.steps(torch.randn(4, 3)).shape == (4, 5)
    assert many.steps(torch.randn(2, 4, 3)).shape == (2, 4, 5)
    assert many.steps(torch.randn(2, 0, 3)).shape == (2, 0, 5)
    assert many.state.shape == (1, 2, 5)


def test_numbers_of_any_kind_are_taken() -> None:
    """Lists, NumPy arrays, other dtypes, tensors that are not contiguous or need a gradient."""
    stream = un.GRU(3, 5).stream()
    expected = stream.peek(torch.tensor([1.0, 2.0, 3.0]))
    for x in (
        [1, 2, 3],
        np.array([1, 2, 3]),
        torch.tensor([1.0, 0.0, 2.0, 0.0, 3.0])[::2],
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
    ):
        assert torch.equal(stream.peek(x), expected)
    assert not stream.peek(x).requires_grad


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.weight_hh_l1.mul_(2),
        lambda layer: layer.load_state_dict({k: -v for k, v in layer.state_dict().items()}),
        lambda layer: setattr(layer.slope_l0, "data", torch.full((1,), 0.7)),
    ],
    ids=["in place", "loaded", "replaced"],
)
@torch.no_grad()
def test_weights_that_change_are_read_anew(change: Any) -> None:
    """The next step has them, and the state stays."""
    torch.manual_seed(1)
    layer = un.RNN(3, 5, nonlinearity="prelu", num_layers=2)
    stream, x = layer.stream(), torch.randn(2, 1, 3)
    stream.step(x[0])
    state = stream.state
    change(layer)
    assert torch.equal(stream.step(x[1]), layer(x[1:], state)[0][0])


@torch.no_grad()
def test_weights_that_are_computed_are_read_at_every_step() -> None:
    """Of a parametrized layer, whose weights are no parameters."""
    layer = un.GRU(3, 5)
    torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    stream, x = layer.stream(), torch.randn(2, 1, 3)
    torch.testing.assert_close(stream.step(x[0]), layer(x[:1])[0][0])
    state = stream.state
    layer.parametrizations.weight_hh_l0.original0.mul_(3)
    torch.testing.assert_close(stream.step(x[1]), layer(x[1:], state)[0][0])


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            torch.randn(4),
            r"GRU\.stream x: expected one step, .* = \(1, 3\); got shape \(4,\)",
        ),
        (torch.randn(2, 3), r"got shape \(2, 3\)\. Pass several steps to steps\(xs\)"),
        (torch.randn(()), r"got shape \(\)"),
        ("text", r"GRU\.stream x: expected numbers; got str"),
        ([1.0, None, 2.0], r"expected numbers; got list"),
        (torch.randn(3) * 1j, r"expected numbers; got Tensor \(complex"),
    ],
)
def test_a_bad_step_is_refused_in_a_sentence(x: Any, sentence: str) -> None:
    """And the state has not moved."""
    stream = un.GRU(3, 5).stream()
    with pytest.raises(TensorError, match=sentence):
        stream.step(x)
    assert not stream.state.any()


def test_bad_steps_states_and_sizes_are_refused() -> None:
    """Each names what it takes."""
    stream = un.LSTM(3, 5).stream(2)
    with pytest.raises(TensorError, match=r"xs: expected \(T, B, F\) with B=2 and F=3; got shape \(4, 3\)"):
        stream.steps(torch.randn(4, 3))
    with pytest.raises(TensorError, match=r"x: expected one step, \(B, F\) = \(2, 3\); got shape \(3,\)"):
        stream.step(torch.randn(3))
    with pytest.raises(TensorError, match=r"state: expected shapes \[\(1, 2, 5\), \(1, 2, 5\)\]; got"):
        stream.state = torch.randn(1, 2, 5)
    with pytest.raises(TensorError, match=r"state: expected tensors of shapes"):
        stream.state = "text"
    with pytest.raises(ArgumentError, match=r"LSTM\.stream batch_size: expected .* got 0"):
        un.LSTM(3, 5).stream(0)


def test_a_bidirectional_layer_says_why_it_cannot_stream() -> None:
    """It reads from the end."""
    with pytest.raises(ArgumentError, match=r"GRU\.stream: expected a layer in one direction; .* the end"):
        un.GRU(3, 5, bidirectional=True).stream()


def test_two_threads_cannot_step_one_stream() -> None:
    """The second is refused while the first computes."""
    stream, x = un.GRU(64, 256).stream(256), torch.randn(200, 256, 64)
    faults: list[str] = []

    def step() -> None:
        try:
            stream.steps(x)
        except RuntimeError as fault:
            faults.append(str(fault))

    threads = [threading.Thread(target=step) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(faults) == 1
    assert "expected one call at a time, and another thread is stepping it" in faults[0]
