"""Import from ONNX: ONNX's node tests, ONNX Runtime, invalid models."""

import sys
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case import node as node_tests
from onnx.backend.test.case.node import gru, lstm, rnn  # noqa: F401 (importing them makes the cases)
from torch import Tensor

import unrolled.nn as un
from unrolled.errors import ArgumentError, MissingDependencyError
from unrolled.nn.cells.onnx_activations import Activation
from unrolled.nn.convert import from_onnx, to_onnx

INPUTS = {
    "RNN": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
    "GRU": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
    "LSTM": ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
}
T, B, F, H = 6, 4, 3, 5


CASES = {case.name: case for case in node_tests._NodeTestCases if "gru" in case.name or "rnn" in case.name}
CASES |= {case.name: case for case in node_tests._NodeTestCases if "lstm" in case.name}


def bound(node: Any, named_inputs: dict[str, Tensor]) -> onnx.ModelProto:
    """A model of one node whose weights are constants, as in every model that was trained."""
    constants = [
        numpy_helper.from_array(t.numpy(), n) for n, t in named_inputs.items() if n in {"W", "R", "B", "P"}
    ]
    names = [n if n in named_inputs else "" for n in INPUTS[node.op_type]]
    while not names[-1]:
        names.pop()
    renamed = onnx.NodeProto()
    renamed.CopyFrom(node)
    del renamed.input[:]
    renamed.input.extend(names)
    graph = helper.make_graph([renamed], "case", [], [], initializer=constants)
    return helper.make_model(graph)


def in_onnx_layout(layer: Any, x: Tensor, hx: Any, lengths: Any, layout: int) -> dict[str, Tensor]:
    """Y (T, D, B, H), Y_h and Y_c (D, B, H), or with B first, of our layer's answer."""
    with torch.no_grad():
        output, state = layer(x, hx, lengths=lengths)
    states = state if isinstance(state, tuple) else (state,)
    D = states[0].shape[0]
    split = output.unflatten(-1, (D, -1))  # (T, B, D, H), or (B, T, D, H)
    if layout == 0:
        return {"Y": split.transpose(1, 2), **dict(zip(("Y_h", "Y_c"), states, strict=False))}
    return {"Y": split, **{n: s.transpose(0, 1) for n, s in zip(("Y_h", "Y_c"), states, strict=False)}}


def test_node_tests_of_onnx_are_installed() -> None:
    """Six of each operator at least, so that a renamed one does not go missing in silence."""
    for mark in ("rnn", "gru", "lstm"):
        assert sum(mark in name for name in CASES) >= 6


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_node_test_of_onnx_passes(case: Any) -> None:
    """Every one, with peepholes, layouts, directions, sequence lengths and initial states."""
    (node,) = case.model.graph.node
    ((inputs, outputs),) = case.data_sets
    places = [place for place, name in zip(INPUTS[node.op_type], node.input, strict=False) if name]
    named_inputs = {place: torch.from_numpy(value) for place, value in zip(places, inputs, strict=True)}
    settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    layout = settings.get("layout", 0)
    states = [named_inputs[name] for name in ("initial_h", "initial_c") if name in named_inputs]
    states = [state.transpose(0, 1) if layout else state for state in states]
    hx = tuple(states) if node.op_type == "LSTM" else states[0] if states else None
    layer = from_onnx(bound(node, named_inputs))
    outputs_by_name = in_onnx_layout(
        layer, named_inputs["X"], hx or None, named_inputs.get("sequence_lens"), layout
    )
    roles = [role for role, name in zip(("Y", "Y_h", "Y_c"), node.output, strict=False) if name]
    assert roles
    for role, value in zip(roles, outputs, strict=True):
        torch.testing.assert_close(outputs_by_name[role], torch.from_numpy(value), rtol=1e-5, atol=1e-6)


def model(
    kind: str, gates: int, directions: int = 1, *, inputs: tuple[str, ...] = (), **settings: Any
) -> Any:
    """One node with random weights and biases."""
    shapes = {"W": (gates * H, F), "R": (gates * H, H), "B": (2 * gates * H,)}
    weights = [
        numpy_helper.from_array((torch.randn(directions, *shape) * 0.4).numpy(), n)
        for n, shape in shapes.items()
    ]
    outputs = ["Y", "Y_h", "Y_c"] if kind == "LSTM" else ["Y", "Y_h"]
    node = helper.make_node(kind, ["X", *shapes], outputs, name="only", hidden_size=H, **settings)
    output_infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    input_info = helper.make_tensor_value_info("X", TensorProto.FLOAT, ["T", "B", F])
    graph = helper.make_graph([node], "one", [input_info], output_infos, initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


NODES: dict[str, tuple[str, int, dict[str, Any], str]] = {
    "rnn-defaults": ("RNN", 1, {}, "RNN"),
    "rnn-leaky": ("RNN", 1, {"activations": ["LeakyRelu"]}, "RNN"),
    "rnn-clip": ("RNN", 1, {"clip": 0.5}, "RNN"),
    "gru-reset-first": ("GRU", 3, {}, "CellLayer"),
    "gru": ("GRU", 3, {"linear_before_reset": 1}, "GRU"),
    "gru-activations": (
        "GRU", 3, {"activations": ["HardSigmoid", "Softsign"], "activation_alpha": [0.3]}, "CellLayer",
    ),
    "gru-clip": ("GRU", 3, {"linear_before_reset": 1, "clip": 0.5}, "CellLayer"),
    "lstm": ("LSTM", 4, {}, "LSTM"),
    "lstm-case": ("LSTM", 4, {"activations": ["SIGMOID", "tanh", "Tanh"]}, "LSTM"),
    "lstm-activations": (
        "LSTM", 4,
        {
            "activations": ["Sigmoid", "ScaledTanh", "Elu"],
            "activation_alpha": [0.7, 0.6], "activation_beta": [1.2],
        },
        "CellLayer",
    ),
    "lstm-clip": ("LSTM", 4, {"clip": 0.3}, "CellLayer"),
    "lstm-coupled": ("LSTM", 4, {"input_forget": 1}, "CellLayer"),
}  # fmt: skip


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("kind", "gates", "settings", "ours"), NODES.values(), ids=NODES)
def test_outputs_equal_onnx_runtime(kind: str, gates: int, settings: Any, ours: str, direction: str) -> None:
    """Defaults, activations with constants, the clip and coupled gates as the runtime has them."""
    D = 2 if direction == "bidirectional" else 1
    settings = {k: v * D if isinstance(v, list) else v for k, v in settings.items()}
    onnx_model = model(kind, gates, D, direction=direction, **settings)
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString())
    x = torch.randn(T, B, F)
    expected = session.run(None, {"X": x.numpy()})
    layer = from_onnx(onnx_model)
    assert type(layer).__name__ == ("CellLayer" if direction == "reverse" else ours)
    outputs_by_name = in_onnx_layout(layer, x, None, None, 0)
    for value, name in zip(expected, ("Y", "Y_h", "Y_c"), strict=False):
        torch.testing.assert_close(outputs_by_name[name], torch.from_numpy(value), rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", ["Elu", "HardSigmoid", "LeakyRelu"])
def test_missing_constants_equal_onnx_runtime(kind: str) -> None:
    """Defaults on which ONNX Runtime and the ONNX operators agree."""
    onnx_model = model("RNN", 1, activations=[kind])
    x = torch.randn(T, B, F)
    expected = onnxruntime.InferenceSession(onnx_model.SerializeToString()).run(None, {"X": x.numpy()})
    torch.testing.assert_close(from_onnx(onnx_model)(x)[1], torch.from_numpy(expected[1]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", ["Affine", "ScaledTanh", "ThresholdedRelu"])
def test_missing_constants_raise_if_runtimes_differ(kind: str) -> None:
    """ONNX Runtime takes 0, the operators of these names had 1."""
    with pytest.raises(ArgumentError, match=rf"^from_onnx: {kind} needs activation_alpha"):
        from_onnx(model("RNN", 1, activations=[kind]))


def test_constants_are_assigned_in_order() -> None:
    """Sigmoid takes none, so that the first alpha is the second activation's."""
    onnx_model = model("LSTM", 4, activations=["Sigmoid", "Elu", "LeakyRelu"], activation_alpha=[0.5, 0.25])
    ((only,),) = from_onnx(onnx_model).directions()
    assert (only.cell.candidate, only.cell.readout) == (Activation("Elu", 0.5), Activation("LeakyRelu", 0.25))


def test_weights_in_constant_nodes_are_read(tmp_path: Path) -> None:
    """Some exporters have no initializers; a path is read like a model."""
    onnx_model = model("GRU", 3, linear_before_reset=1)
    x = torch.randn(T, B, F)
    expected = from_onnx(onnx_model)(x)[0]
    nodes = [
        helper.make_node("Constant", [], [tensor.name], value=tensor)
        for tensor in onnx_model.graph.initializer
    ]
    moved = helper.make_model(helper.make_graph([*nodes, *onnx_model.graph.node], "moved", [], []))
    onnx.save(moved, tmp_path / "moved.onnx")
    assert torch.equal(from_onnx(tmp_path / "moved.onnx")(x)[0], expected)
    assert torch.equal(from_onnx(str(tmp_path / "moved.onnx"), "only")(x)[0], expected)


def test_node_is_selected_by_name() -> None:
    """The nodes of a stack, each by itself."""
    layer = un.GRU(F, H, num_layers=2)
    second = from_onnx(to_onnx(layer), "GRU_l1")
    assert (second.input_size, second.num_layers) == (H, 1)
    assert torch.equal(second.weight_hh_l0, layer.weight_hh_l1)


def test_invalid_models_raise(tmp_path: Path) -> None:
    """Each fault has its message."""
    stack, other = to_onnx(un.GRU(F, H, num_layers=2)), model("GRU", 3)
    apart = helper.make_model(
        helper.make_graph([*other.graph.node, *model("RNN", 1).graph.node], "two", [], [])
    )
    incomplete = model("GRU", 3)
    del incomplete.graph.initializer[1]
    (tmp_path / "text.onnx").write_text("no model at all")
    refused = {
        "expected a path or an onnx.ModelProto, got int": (3,),
        "absent.onnx cannot be read": (tmp_path / "absent.onnx",),
        "text.onnx is no ONNX model": (tmp_path / "text.onnx",),
        r"expected the name of one of \['GRU_l0', 'GRU_l1'\], got 'GRU'": (stack, "GRU"),
        r"\['only', 'only'\] do not form a stack": (apart,),
        "it has no RNN, GRU or LSTM node": (helper.make_model(helper.make_graph([], "none", [], [])),),
        r"R of node 'only' must be a constant; 'R' is computed": (incomplete,),
        "ONNX has no activation 'Gelu'": (model("RNN", 1, activations=["Gelu"]),),
        "expected 2 activations of GRU, got Tanh": (model("GRU", 3, activations=["Tanh"]),),
    }
    for sentence, arguments in refused.items():
        with pytest.raises(ArgumentError, match=f"^from_onnx.*: .*{sentence}"):
            from_onnx(*arguments)


def test_missing_onnx_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import and export name it."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    for caller, call in (
        ("to_onnx", lambda: to_onnx(un.GRU(F, H))),
        ("from_onnx", lambda: from_onnx("a.onnx")),
    ):
        with pytest.raises(
            MissingDependencyError, match=rf'^{caller} .*not installed: pip install "unrolled\[onnx\]"'
        ):
            call()
