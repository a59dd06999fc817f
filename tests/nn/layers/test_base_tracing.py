"""Layers as others call and trace them: faults of weights, torch's errors, torch.fx, autocast in a graph."""

from typing import Any

import pytest
import torch

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError, TensorError

T, B, F, H = 7, 4, 3, 5


# ---- shapes, weights, tracing


@pytest.mark.parametrize("change", [{"shape": (3, 3)}, {"dtype": torch.float64}])
@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are missing")
def test_a_fault_of_a_weight_names_that_weight(change: dict[str, Any]) -> None:
    """Of the layer and direction that it stands in."""
    layer = un.LSTM(F, H, 2, bidirectional=True)
    weight = layer.weight_hh_l1_reverse
    weight.data = torch.zeros(change.get("shape", weight.shape), dtype=change.get("dtype"))
    with pytest.raises(TensorError, match=r"^LSTM weight_hh_l1_reverse: expected shape"):
        layer(torch.randn(T, B, F))


@pytest.mark.parametrize("call", [
    (torch.zeros(T, B, F + 1),), (torch.zeros(T),), (torch.zeros(T, B, F).double(),),
    (torch.zeros(T, B, F), torch.zeros(1, B, H + 1)),
])  # fmt: skip
def test_a_wrong_tensor_is_a_runtime_error_as_torchs(call: tuple[Any, ...]) -> None:
    """Code that catches torch's error catches ours, and ArgumentError too."""
    for kind in (RuntimeError, ValueError, ArgumentError):
        with pytest.raises(kind, match=r"^GRU"):
            un.GRU(F, H)(*call)


class Tail(torch.nn.Module):
    """A layer as a model holds it."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any, hx: Any = None) -> Any:
        output, _ = self.layer(x, hx)
        return output * 2


def test_symbolic_tracing_keeps_the_layer_whole() -> None:
    """torch.fx records one call of the module, with a state too; the layer alone is refused."""
    model, x, hx = Tail(un.GRU(F, H)), torch.randn(T, B, F), torch.randn(1, B, H)
    traced = torch.fx.symbolic_trace(model)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["layer"]
    assert torch.equal(traced(x, hx), model(x, hx))
    with pytest.raises(ArgumentError, match=r"GRU: torch\.fx keeps this layer whole.*Sequential"):
        torch.fx.symbolic_trace(un.GRU(F, H))


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
@pytest.mark.filterwarnings("ignore:.*grad attribute of a Tensor that is not a leaf")
def test_compiled_training_under_autocast_equals_eager(cell: str) -> None:
    """Torch's operator runs between two graphs, as torch.nn's layers do."""
    layer, x = getattr(un, cell)(F, H), torch.randn(T, B, F)

    def step(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return layer(x)[0].float().square().sum()

    expected = torch.autograd.grad(step(x), layer.parameters())
    actual = torch.autograd.grad(torch.compile(step, backend="aot_eager")(x), layer.parameters())
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("cell", ["RNN", "LSTM"])
def test_a_whole_graph_holds_a_transform_over_the_layer(cell: str) -> None:
    """torch.func.grad and vmap inside torch.compile, without a break: what they give outside."""
    layer, x = getattr(un, cell)(F, H), torch.randn(3, T, B, F)
    weights = {name: weight.detach() for name, weight in layer.named_parameters()}

    def loss(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = torch.func.functional_call(layer, weights, (x,))[0]
        return output.square().sum()

    def gradients(weights: dict[str, torch.Tensor], x: torch.Tensor) -> Any:
        return torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)

    actual = torch.compile(gradients, fullgraph=True, backend="eager")(weights, x)
    torch.testing.assert_close(actual, gradients(weights, x))
