"""Export to ONNX: equal outputs in ONNX Runtime, and round trips through from_onnx."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled.errors import ArgumentError, StorageError
from unrolled.nn.cells.core import GRUWeights
from unrolled.nn.cells.onnx_activations import Activation
from unrolled.nn.cells.variants import (
    GeneralGRUCell,
    GeneralLSTMCell,
    GeneralLSTMWeights,
    ResetFirstGRUCell,
)
from unrolled.nn.convert import from_onnx, to_onnx

T, B, F, H = 6, 4, 3, 5
TOLERANCE = 2e-6  # float32, sums of a dozen in another order
CLIPPED = (Activation("Sigmoid", clip=0.5), Activation("Tanh", clip=0.5))
GATE, CANDIDATE, RELU = Activation("HardSigmoid", 0.3, 0.4), Activation("Elu", 0.7), Activation("Relu")


def cells(
    cell: Any, kind: Any, gates: int, directions: int = 1, *, has_bias: bool = True, **more: Tensor
) -> un.CellLayer:
    """A CellLayer of one cell with small random weights."""
    shapes = [(gates * H, F), (gates * H, H), *([(gates * H,), (gates * H,)] if has_bias else [])]
    ways = [
        un.Direction(cell, kind(*(torch.randn(s) * 0.4 for s in shapes), **more), d == 1)
        for d in range(directions)
    ]
    return un.CellLayer(F, [ways])


LAYERS: dict[str, Any] = {
    "rnn": lambda: un.RNN(F, H),
    "rnn-no-bias": lambda: un.RNN(F, H, bias=False),
    **{f"rnn-{phi}": (lambda phi=phi: un.RNN(F, H, nonlinearity=phi)) for phi in
       ("relu", "leaky_relu", "prelu", "sigmoid", "identity", "softsign", "elu")},
    "gru": lambda: un.GRU(F, H),
    "gru-batch-first": lambda: un.GRU(F, H, batch_first=True),
    "gru-all": lambda: un.GRU(F, H, 3, bidirectional=True, batch_first=True, dropout=0.5),
    "gru-dropping": lambda: un.GRU(F, H, recurrent_dropout=0.5),
    "lstm": lambda: un.LSTM(F, H),
    "lstm-all": lambda: un.LSTM(F, H, 2, bidirectional=True, bias=False),
    "gru-reset-first": lambda: cells(ResetFirstGRUCell(), GRUWeights, 3, 2),
    "gru-reset-first-activations": lambda: cells(ResetFirstGRUCell(GATE, CANDIDATE), GRUWeights, 3),
    "gru-activations": lambda: cells(GeneralGRUCell(GATE, CANDIDATE), GRUWeights, 3, 2),
    "lstm-activations": lambda: cells(GeneralLSTMCell(GATE, CANDIDATE, RELU), GeneralLSTMWeights, 4),
    "lstm-coupled": lambda: cells(GeneralLSTMCell(is_coupled=True), GeneralLSTMWeights, 4),
    "lstm-peepholes": lambda: cells(GeneralLSTMCell(), GeneralLSTMWeights, 4, 2, peephole=torch.randn(3 * H)),
    "lstm-peepholes-no-bias": lambda: cells(
        GeneralLSTMCell(), GeneralLSTMWeights, 4, 2, has_bias=False, peephole=torch.randn(3 * H)
    ),
    "rnn-clip": lambda: un.RNN(F, H, nonlinearity=Activation("Tanh", clip=0.5)),
    "gru-clip": lambda: cells(GeneralGRUCell(*CLIPPED), GRUWeights, 3),
}  # fmt: skip
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def ran(model: onnx.ModelProto, **given: Tensor) -> list[Tensor]:
    """Run a model in ONNX Runtime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [torch.from_numpy(t) for t in session.run(None, {n: t.numpy() for n, t in given.items()})]


def answer(layer: Any, *arguments: Any, **more: Any) -> list[Tensor]:
    """Output, h_n and c_n if there is one."""
    with torch.no_grad():
        output, state = layer(*arguments, **more)
    return [output, *(state if isinstance(state, tuple) else (state,))]


def start(layer: Any) -> list[Tensor]:
    """A state for each part."""
    return [torch.randn_like(part) for part in answer(layer, _input(layer))[1:]]


def _input(layer: Any, T: int = T, B: int = B) -> Tensor:
    return torch.randn((B, T, F) if layer.batch_first else (T, B, F))


@every_layer
def test_onnx_runtime_outputs_are_equal(make: Any) -> None:
    """From zeros, for several T and B with one model."""
    layer = make().eval()
    model = to_onnx(layer)
    for sizes in ((T, B), (1, 1), (7, 2)):
        x = _input(layer, *sizes)
        torch.testing.assert_close(ran(model, input=x), answer(layer, x), rtol=0, atol=TOLERANCE)


@every_layer
def test_hx_and_lengths_add_inputs(make: Any) -> None:
    """Both at once; outputs beyond a row's end are zero there too."""
    layer = make().eval()
    x, parts, lengths = _input(layer), start(layer), torch.tensor([6, 2, 5, 1], dtype=torch.int32)
    model = to_onnx(layer, hx=True, lengths=True)
    assert [i.name for i in model.graph.input] == ["input", "lengths", "h_0", "c_0"][: 2 + len(parts)]
    given = dict(zip(("h_0", "c_0"), parts, strict=False))
    expected = answer(layer, x, tuple(parts) if len(parts) > 1 else parts[0], lengths=lengths)
    torch.testing.assert_close(
        ran(model, input=x, lengths=lengths, **given), expected, rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize(
    "name", ["rnn-prelu", "gru", "gru-batch-first", "lstm", "gru-reset-first-activations", "deep"]
)
def test_a_step_with_its_state_runs_a_thousand_times_as_the_layer(name: str) -> None:
    """ONNX Runtime hands the state from each step to the next; outputs and last state are the layer's."""
    layer = (un.LSTM(F, H, 3, batch_first=True) if name == "deep" else LAYERS[name]()).eval()
    model, x = to_onnx(layer, step=True), _input(layer, 1000, 2)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    expected = answer(layer, x)
    state = [np.zeros(part.shape, np.float32) for part in expected[1:]]
    outputs = []
    for x_t in x.unbind(1 if layer.batch_first else 0):
        output, *state = session.run(None, dict(zip(names, [x_t.numpy(), *state], strict=True)))
        outputs.append(torch.from_numpy(output))
    got = [torch.stack(outputs, 1 if layer.batch_first else 0), *map(torch.from_numpy, state)]
    torch.testing.assert_close(got, expected, rtol=0, atol=TOLERANCE)


def test_a_step_has_two_axes_and_no_lengths() -> None:
    """B is open; a layer that reads from the end has no step."""
    model = to_onnx(un.LSTM(F, H, 2, batch_first=True), step=True)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, strict_mode=True), full_check=True)
    shapes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in [*model.graph.input, *model.graph.output]
    }
    state = [2, "B", H]
    assert shapes == {"input": ["B", F], "output": ["B", H]} | dict.fromkeys(
        ["h_0", "c_0", "h_n", "c_n"], state
    )
    with pytest.raises(ArgumentError, match="has no lengths"):
        to_onnx(un.GRU(F, H), step=True, lengths=True)
    with pytest.raises(ArgumentError, match="reads from the end"):
        to_onnx(un.GRU(F, H, bidirectional=True), step=True)


@every_layer
def test_round_trip_keeps_the_layer(make: Any) -> None:
    """Type and weights are equal to the bit; a prelu comes back as a fixed slope."""
    layer = make().eval()
    back = from_onnx(to_onnx(layer))
    assert type(back) is type(layer)
    assert back.batch_first == layer.batch_first
    original = {name: weight for name, weight in layer.state_dict().items() if "slope" not in name}
    actual = back.state_dict()
    assert actual.keys() == original.keys()
    assert all(torch.equal(actual[name], weight) for name, weight in original.items())
    x = _input(layer)
    torch.testing.assert_close(answer(back, x), answer(layer, x), rtol=0, atol=TOLERANCE)


def test_model_inputs_and_outputs_have_names_and_shapes() -> None:
    """T and B are open, the rest is said; the file passes ONNX's checker with its shapes inferred."""
    model = to_onnx(un.LSTM(F, H, 2, bidirectional=True, batch_first=True), hx=True)

    def shapes(values: Any) -> dict[str, list[Any]]:
        return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}

    assert shapes(model.graph.input) == {"input": ["B", "T", F], "h_0": [4, "B", H], "c_0": [4, "B", H]}
    outputs = {"output": ["B", "T", 2 * H], "h_n": [4, "B", H], "c_n": [4, "B", H]}
    assert shapes(model.graph.output) == outputs
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, strict_mode=True), full_check=True)


def test_file_is_written_atomically(tmp_path: Path) -> None:
    """The file equals the returned model; a missing folder raises a StorageError."""
    model = to_onnx(un.GRU(F, H), tmp_path / "gru.onnx")
    assert onnx.load(tmp_path / "gru.onnx") == model
    assert [path.name for path in tmp_path.iterdir()] == ["gru.onnx"]
    with pytest.raises(StorageError, match="there is no folder"):
        to_onnx(un.GRU(F, H), tmp_path / "absent" / "gru.onnx")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_dtype_of_the_model_is_that_of_the_layer(dtype: torch.dtype) -> None:
    """Weights keep every bit."""
    layer = un.GRU(F, H, dtype=dtype)
    model = to_onnx(layer)
    (W,) = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == "W_l0"]
    assert W.dtype == np.dtype(str(dtype).removeprefix("torch."))
    assert torch.equal(from_onnx(model).weight_ih_l0, layer.weight_ih_l0)


def test_unsupported_layers_raise() -> None:
    """The error names the option."""
    clips = GeneralLSTMCell(readout=Activation("Tanh", clip=1))
    first, after = (
        cells(c, GRUWeights, 3).directions()[0][0] for c in (ResetFirstGRUCell(), GeneralGRUCell())
    )
    back = after._replace(is_reverse=True)
    refused = {
        "this RNN has layer_norm": un.RNN(F, H, layer_norm=True),
        "this LSTM has zoneout=0.1": un.LSTM(F, H, zoneout=0.1),
        "without a projection, got proj_size=2": un.LSTM(F, H, proj_size=2),
        "have no hard tanh": un.RNN(F, H, nonlinearity="hardtanh"),
        "is a Python callable": un.RNN(F, H, nonlinearity=torch.sin),
        "bfloat16": un.GRU(F, H, dtype=torch.bfloat16),
        "one clip for all activations but an LSTM's h": cells(clips, GeneralLSTMWeights, 4),
        "one cell for both directions": un.CellLayer(F, [[first, back]]),
        r"is_reverse=\[True, True\]": un.CellLayer(F, [[back, back]]),
        "expected an RNN, GRU, LSTM or CellLayer of unrolled.nn, got torch.*Linear": torch.nn.Linear(F, H),
    }  # fmt: skip
    for sentence, layer in refused.items():
        with pytest.raises(ArgumentError, match=f"^to_onnx.*: .*{sentence}"):
            to_onnx(layer)
