"""Backward passes that torch.compile runs, over nodes that an eager call put into autograd's graph."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels

pytestmark = [
    pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed"),
    pytest.mark.filterwarnings("ignore:.*grad attribute of a Tensor that is not a leaf"),  # by Dynamo
]

T, B, F, H = 6, 3, 2, 5
LAYERS: dict[str, Callable[[], Any]] = {
    "rnn": lambda: un.RNN(F, H),
    "gru": lambda: un.GRU(F, H, zoneout=0.3),
    "lstm-both-ways": lambda: un.LSTM(F, H, 2, bidirectional=True, layer_norm=True),
}
# Gradients of the output that are expanded, missing, zero but for a step, dense, transposed.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": lambda output, _: output.sum(),
    "state": lambda _, h_n: h_n.sum(),
    "last": lambda output, _: output[-1].sum(),
    "square": lambda output, _: output.square().sum(),
    "transposed": lambda output, _: (output.mT @ torch.ones(T, B, B).cumsum(0)[:, :, :2]).sum(),
}


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def run(layer: Any, x: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Compute a loss eagerly."""
    torch.manual_seed(5)
    output, state = layer(x)
    return loss(output, state[0] if isinstance(state, tuple) else state)


@pytest.mark.parametrize("build", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
def test_a_compiled_backward_equals_the_eager_one(build: Any, loss: Any, backend: str) -> None:
    """`backward` and `autograd.grad` in a compiled function, whatever the strides of the gradient."""
    layer, x = build(), torch.randn(T, B, F, requires_grad=True)
    leaves = [x, *layer.parameters()]
    expected = torch.autograd.grad(run(layer, x, loss), leaves)
    torch.compile(lambda value: value.backward(), backend=backend)(run(layer, x, loss))
    assert all(map(torch.equal, [leaf.grad for leaf in leaves], expected))
    take = torch.compile(lambda value, *of: torch.autograd.grad(value, of), backend=backend)
    assert all(map(torch.equal, take(run(layer, x, loss), *leaves), expected))


@pytest.mark.parametrize("name", ["rnn", "gru", pytest.param("lstm-both-ways", marks=pytest.mark.slow)])
def test_compiled_autograd_holds_the_operator(name: str) -> None:
    """It traces the node itself, as one whole graph, and puts the operator there."""
    layer, x, calls = LAYERS[name](), torch.randn(T, B, F, requires_grad=True), []

    def backend(traced: Any, _: Any) -> Any:
        calls.extend(n for n in traced.graph.nodes if "recurrence_backward" in str(n.target))
        return traced

    leaves = [x, *layer.parameters()]
    expected = torch.autograd.grad(run(layer, x, LOSSES["sum"]), leaves)
    value = run(layer, x, LOSSES["sum"])
    compiler = torch.compile(backend=backend, fullgraph=True)
    with torch._dynamo.compiled_autograd._enable(compiler):
        value.backward()
    assert len(calls) == layer.num_layers * (2 if layer.bidirectional else 1)
    torch.testing.assert_close([leaf.grad for leaf in leaves], list(expected), rtol=0, atol=0)


def test_an_eager_call_between_compiled_pieces_keeps_its_gradients() -> None:
    """A graph break around the layer leaves its node to autograd."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)

    def step(x: Tensor) -> Tensor:
        x = x.sin()
        torch._dynamo.graph_break()
        output, _ = layer(x)
        torch._dynamo.graph_break()
        return output.sum()

    expected = torch.autograd.grad(step(x), layer.parameters())
    actual = torch.autograd.grad(torch.compile(step, backend="eager")(x), layer.parameters())
    assert all(map(torch.equal, actual, expected))
