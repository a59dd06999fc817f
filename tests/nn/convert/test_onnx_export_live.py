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
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::UserWarning",
    "ignore::torch.jit.TracerWarning",
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
def test_a_layer_is_exported_alone(name: str) -> None:
    """The exporter by tracing passes every argument of `forward` by position."""
    layer, x, file = LAYERS[name]().eval(), torch.randn(7, 4, 3), io.BytesIO()
    torch.onnx.export(layer, (x,), file, dynamo=False, input_names=["x"])
    session = onnxruntime.InferenceSession(file.getvalue())
    actual = session.run(None, {"x": x.numpy()})[0]
    np.testing.assert_allclose(actual, layer(x)[0].detach().numpy(), rtol=1e-4, atol=1e-5)


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


class WithState(torch.nn.Module):
    """A layer that is given its state, and hands the next one on."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> Any:
        """Return the output and the state after the last step."""
        return self.layer(x, state if len(state) > 1 else state[0] if state else None)


DYNAMO = [
    pytest.param(kind, options, has_state, marks=() if is_quick else pytest.mark.slow)
    for kind in (un.RNN, un.GRU, un.LSTM)
    for options in (
        {},
        {"batch_first": True},
        {"bidirectional": True},
        {"num_layers": 2, "bidirectional": True},
    )
    for has_state in (False, True)
    for is_quick in [
        (kind, len(options), has_state) in {(un.RNN, 0, True), (un.GRU, 1, False), (un.LSTM, 2, True)}
    ]
]


@pytest.mark.parametrize(("kind", "options", "has_state"), DYNAMO)
def test_the_newer_exporter_gives_the_layers_outputs(kind: Any, options: Any, has_state: bool) -> None:
    """Every kind, layout and direction, from zeros and from a state, for another number of rows as well.

    A GRU and an LSTM are ONNX' own operators; torch's exporter has none for an RNN, its own or ours.
    """
    pytest.importorskip("onnxscript")
    B, T = 3, 7
    layer = kind(4, 6, **options).eval()
    depth, parts = layer.num_layers * (1 + layer.bidirectional), 1 + (kind is un.LSTM)

    def inputs(rows: int) -> tuple[torch.Tensor, ...]:
        x = torch.randn(rows, T, 4) if layer.batch_first else torch.randn(T, rows, 4)
        return x, *(torch.randn(depth, rows, 6) for _ in range(parts * has_state))

    rows = torch.export.Dim("rows", min=2, max=64)
    axes: Any = ({0 if layer.batch_first else 1: rows},)
    if has_state:
        axes += (tuple({1: rows} for _ in range(parts)),)
    program = torch.onnx.export(
        WithState(layer), inputs(B), dynamo=True, dynamic_shapes=axes, verbose=False
    )  # fmt: skip
    operators = {node.op_type for node in program.model_proto.graph.node} & {"RNN", "GRU", "LSTM"}
    assert operators == (set() if kind is un.RNN else {kind.__name__})
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for given in (inputs(B), inputs(5)):
        names = [one.name for one in session.get_inputs()]
        actual = session.run(None, {name: x.numpy() for name, x in zip(names, given, strict=True)})
        expected = torch.utils._pytree.tree_leaves(WithState(layer)(*given))
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_an_exported_program_holds_torchs_operator(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch.onnx's newer exporter translates: it sees the operator of torch, and none of ours."""
    model = Model(LAYERS[name]()).eval()
    model(torch.randn(7, 4, 3))
    monkeypatch.setattr(base, "_is_exported_to_onnx", lambda: True)  # Dynamo knows the public one by identity
    program = torch.export.export(model, (torch.randn(7, 4, 3),), strict=False)
    targets = {str(node.target) for node in program.graph.nodes}
    assert not any("unrolled" in target for target in targets)
