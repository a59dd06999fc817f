"""torch.onnx.export of models that hold a layer."""

import io
from typing import Any

import numpy as np
import pytest
import torch

import unrolled.nn as un
from unrolled.nn.layers import base

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning"
)

LAYERS = {
    "rnn": lambda: un.RNN(3, 5),
    "gru": lambda: un.GRU(3, 5, 2, batch_first=True),
    "lstm": lambda: un.LSTM(3, 5, bidirectional=True),
}


class Model(torch.nn.Module):
    """A layer and a head, as people train them."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer, self.head = layer, torch.nn.LazyLinear(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (rows or steps, 2)."""
        output, _ = self.layer(x)
        head: torch.Tensor = self.head(output[-1])
        return head


@pytest.mark.parametrize("name", LAYERS)
def test_an_exported_model_runs_in_onnx_runtime(name: str) -> None:
    """By ONNX' own recurrent operators; its outputs are the model's, at other sizes too."""
    model = Model(LAYERS[name]()).eval()
    model(torch.randn(7, 4, 3))
    file = io.BytesIO()
    torch.onnx.export(
        model, (torch.randn(7, 4, 3),), file, dynamo=False, input_names=["x"],
        dynamic_axes={"x": {0: "first", 1: "second"}},
    )  # fmt: skip
    graph = onnx.load_from_string(file.getvalue()).graph
    assert {node.op_type for node in graph.node} & {"RNN", "GRU", "LSTM"} == {name.upper()}
    session = onnxruntime.InferenceSession(file.getvalue())
    for shape in ((7, 4, 3), (9, 2, 3)):
        x = torch.randn(shape)
        (actual,) = session.run(None, {"x": x.numpy()})
        np.testing.assert_allclose(actual, model(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [un.GRU(3, 5, layer_norm=True), un.LSTM(3, 5, proj_size=2), un.RNN(3, 5, nonlinearity="elu")]
)
def test_a_layer_without_an_operator_is_exported_step_by_step(layer: Any) -> None:
    """What ONNX has no recurrent operator for is a graph of its steps."""
    model, x, file = Model(layer).eval(), torch.randn(4, 2, 3), io.BytesIO()
    expected = model(x).detach().numpy()
    torch.onnx.export(model, (x,), file, dynamo=False, input_names=["x"])
    (actual,) = onnxruntime.InferenceSession(file.getvalue()).run(None, {"x": x.numpy()})
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_an_exported_program_holds_torchs_operator(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch.onnx's newer exporter translates: it sees the operator of torch, and none of ours."""
    model = Model(LAYERS[name]()).eval()
    model(torch.randn(7, 4, 3))
    monkeypatch.setattr(base, "_is_exported_to_onnx", lambda: True)  # Dynamo knows the public one by identity
    program = torch.export.export(model, (torch.randn(7, 4, 3),), strict=False)
    targets = {str(node.target) for node in program.graph.nodes}
    assert not any("unrolled" in target for target in targets)
