"""Conversion from and to Keras 3 on its torch backend, with random weights and biases."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled.errors import ArgumentError, MissingDependencyError
from unrolled.nn.cells.onnx_activations import Activation
from unrolled.nn.cells.variants import GeneralLSTMCell, GeneralLSTMWeights, ResetFirstGRUCell
from unrolled.nn.convert import from_keras, to_keras

# Keras 3.15 turns its variables into arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

T, B, F, H = 6, 4, 3, 5
TOLERANCE = 2e-6  # float32, sums of a dozen in another order


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Keras on torch, with a settings folder of its own; loading it takes seconds, so once a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        import keras

        assert keras.backend.backend() == "torch"
        yield keras


def built(keras: Any, layer: Any) -> Any:
    """The layer with random weights, biases too (Keras' own start at 0 and 1)."""
    layer.build((None, None, F))
    rng = np.random.default_rng(7)
    layer.set_weights([rng.normal(size=w.shape).astype(w.dtype) * 0.5 for w in layer.get_weights()])
    return layer


def answers(layer: Any, x: Tensor) -> list[Tensor]:
    """Run a Keras layer; return its outputs as plain tensors."""
    actual = layer(x.numpy())
    return [t.detach() for t in (actual if isinstance(actual, list | tuple) else [actual])]


def parts(state: Any) -> list[Tensor]:
    """The state of each direction in Keras' order: of one direction all parts, then of the next."""
    each = state if isinstance(state, tuple) else (state,)
    return [part[d] for d in range(each[0].shape[0]) for part in each]


LAYERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "rnn": ("SimpleRNN", {}, "RNN"),
    "rnn-relu": ("SimpleRNN", {"activation": "relu"}, "RNN"),
    "rnn-leaky": ("SimpleRNN", {"activation": "leaky_relu"}, "RNN"),
    "rnn-linear": ("SimpleRNN", {"activation": None}, "RNN"),
    "rnn-hard-tanh": ("SimpleRNN", {"activation": "hard_tanh"}, "RNN"),
    "rnn-no-bias": ("SimpleRNN", {"use_bias": False}, "RNN"),
    "gru": ("GRU", {}, "GRU"),
    "gru-no-bias": ("GRU", {"use_bias": False}, "GRU"),
    "gru-reset-first": ("GRU", {"reset_after": False}, "CellLayer"),
    "gru-reset-first-no-bias": ("GRU", {"reset_after": False, "use_bias": False}, "CellLayer"),
    "gru-hard": ("GRU", {"recurrent_activation": "hard_sigmoid", "activation": "elu"}, "CellLayer"),
    "gru-backwards": ("GRU", {"go_backwards": True}, "CellLayer"),
    "lstm": ("LSTM", {}, "LSTM"),
    "lstm-no-bias": ("LSTM", {"use_bias": False}, "LSTM"),
    "lstm-soft": ("LSTM", {"recurrent_activation": "softplus", "activation": "softsign"}, "CellLayer"),
}


@pytest.mark.parametrize(("kind", "settings", "ours"), LAYERS.values(), ids=LAYERS)
def test_from_keras_outputs_are_equal(keras: Any, kind: str, settings: Any, ours: str) -> None:
    """Outputs and last states; what the kernels have becomes RNN, GRU or LSTM."""
    layer = built(keras, getattr(keras.layers, kind)(H, return_sequences=True, return_state=True, **settings))
    converted, x = from_keras(layer), torch.randn(B, T, F)
    assert type(converted).__name__ == ours
    output, state = converted(x)
    if settings.get("go_backwards"):
        output = output.flip(1)  # Keras lists the last step first
    torch.testing.assert_close([output, *parts(state)], answers(layer, x), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_bidirectional_is_converted(keras: Any, kind: str) -> None:
    """Outputs of both directions are concatenated; each has its state."""
    inner = getattr(keras.layers, kind)(H, return_sequences=True, return_state=True)
    layer = built(keras, keras.layers.Bidirectional(inner))
    converted, x = from_keras(layer), torch.randn(B, T, F)
    assert converted.bidirectional
    output, state = converted(x)
    torch.testing.assert_close([output, *parts(state)], answers(layer, x), rtol=0, atol=TOLERANCE)


def test_directions_of_different_layers_are_converted(keras: Any) -> None:
    """A backward layer without a bias and with another activation makes a CellLayer."""
    inner = keras.layers.GRU(H, return_sequences=True)
    back = keras.layers.GRU(H, return_sequences=True, go_backwards=True, activation="relu", use_bias=False)
    layer = built(keras, keras.layers.Bidirectional(inner, backward_layer=back))
    converted, x = from_keras(layer), torch.randn(B, T, F)
    torch.testing.assert_close([converted(x)[0]], answers(layer, x), rtol=0, atol=TOLERANCE)


def test_return_sequences_false_equals_h_n(keras: Any) -> None:
    """Keras' output with return_sequences=False is h_n, the directions concatenated."""
    layer = built(keras, keras.layers.Bidirectional(keras.layers.GRU(H)))
    x = torch.randn(B, T, F)
    h_n = from_keras(layer)(x)[1]
    torch.testing.assert_close([torch.cat([*h_n], dim=-1)], answers(layer, x), rtol=0, atol=TOLERANCE)


def test_mask_equals_lengths(keras: Any) -> None:
    """Keras writes zeros beyond a row's end with zero_output_for_mask=True."""
    layer = built(keras, keras.layers.LSTM(H, return_sequences=True, zero_output_for_mask=True))
    x, lengths = torch.randn(B, T, F), torch.tensor([6, 2, 5, 1])
    mask = torch.arange(T) < lengths[:, None]
    expected = layer(x.numpy(), mask=mask.numpy()).detach()
    torch.testing.assert_close(from_keras(layer)(x, lengths=lengths)[0], expected, rtol=0, atol=TOLERANCE)


def _reset_first(make: Any) -> Any:
    weights = make(torch.randn(3 * H, F), torch.randn(3 * H, H), torch.randn(3 * H), torch.randn(3 * H))
    return un.CellLayer(F, [[un.Direction(ResetFirstGRUCell(), weights)]], batch_first=True)


OURS: dict[str, Any] = {
    "rnn": lambda: un.RNN(F, H, batch_first=True),
    "rnn-leaky": lambda: un.RNN(F, H, nonlinearity="leaky_relu", batch_first=True),
    "rnn-prelu": lambda: un.RNN(F, H, nonlinearity="prelu", batch_first=True),
    "rnn-hard": lambda: un.RNN(F, H, nonlinearity="hardtanh", batch_first=True, bias=False),
    "gru": lambda: un.GRU(F, H, batch_first=True, dtype=torch.float64),
    "gru-stacked": lambda: un.GRU(F, H, 3, batch_first=True, dropout=0.5),
    "gru-reset-first": lambda: _reset_first(un.cells.GRUWeights),
    "lstm": lambda: un.LSTM(F, H, batch_first=True, bias=False),
    "lstm-all": lambda: un.LSTM(F, H, 2, batch_first=True, bidirectional=True),
}


@pytest.mark.parametrize("make", OURS.values(), ids=OURS)
def test_to_keras_outputs_are_equal_and_round_trip(keras: Any, make: Any) -> None:
    """A Sequential of one Keras layer for each of ours; back here it is the same again."""
    layer = make().eval()
    x = torch.randn(B, T, F, dtype=next(layer.parameters()).dtype)
    converted = to_keras(layer)
    torch.testing.assert_close(converted(x.numpy()).detach(), layer(x)[0].detach(), rtol=0, atol=TOLERANCE)
    back = from_keras(converted).eval()
    torch.testing.assert_close(back(x)[0], layer(x)[0], rtol=0, atol=TOLERANCE)
    assert type(back) is type(layer)
    assert getattr(back, "dropout", 0.0) == getattr(layer, "dropout", 0.0)


def test_slope_of_leaky_relu_is_kept(keras: Any) -> None:
    """Keras' own is 0.2 by name and any number as a layer; the one of torch's is 0.01."""
    named = built(keras, keras.layers.SimpleRNN(H, activation="leaky_relu"))
    assert from_keras(named).nonlinearity == Activation("LeakyRelu", 0.2)
    inner = keras.layers.LeakyReLU(negative_slope=0.01)
    assert from_keras(built(keras, keras.layers.SimpleRNN(H, activation=inner))).nonlinearity == "leaky_relu"


def test_unsupported_keras_layers_raise(keras: Any) -> None:
    """Another layer, no weights yet, another merge, another activation, two that read backwards."""
    layers = keras.layers
    both = layers.Bidirectional
    refused = {
        "expected Keras' SimpleRNN, GRU, LSTM or Bidirectional, got .*Dense": layers.Dense(3),
        "expected Keras' SimpleRNN, GRU, LSTM or Bidirectional, got unrolled.nn.layers.rnn.GRU": un.GRU(F, H),
        "this GRU has no weights yet. Call it once, or its build": layers.GRU(H),
        "merge_mode='concat', got 'sum'": built(keras, both(layers.GRU(H), merge_mode="sum")),
        "this GRU has activation='gelu', which": built(keras, layers.GRU(H, activation="gelu")),
        "one of several goes backwards": [built(keras, layers.GRU(F, go_backwards=True)) for _ in "ab"],
        "expected recurrent layers with Dropout of one rate": [layers.Dropout(0.5)],
        "the forward layer of this Bidirectional goes backwards": built(
            keras, both(layers.GRU(H, go_backwards=True), backward_layer=layers.GRU(H))
        ),
    }  # fmt: skip
    for sentence, layer in refused.items():
        with pytest.raises(ArgumentError, match=f"^from_keras.*: .*{sentence}"):
            from_keras(layer)


def test_dropout_within_a_layer_is_dropped_with_a_warning(keras: Any) -> None:
    """It acts in training only; the outputs are equal."""
    layer = built(keras, keras.layers.LSTM(H, dropout=0.2, return_sequences=True))
    with pytest.warns(UserWarning, match=r"^lstm\w* dropout=0\.2 acts in training only") as warned:
        converted = from_keras(layer)
    assert [w.filename for w in warned if w.category is UserWarning] == [__file__]
    x = torch.randn(B, T, F)
    torch.testing.assert_close([converted(x)[0]], answers(layer, x), rtol=0, atol=TOLERANCE)


def stack(keras: Any, *parts: float | None) -> list[Any]:
    """A GRU, ready to read the one before it, for each None; a Dropout for each rate."""
    layers = keras.layers
    return [
        built(keras, layers.GRU(F, return_sequences=True)) if rate is None else layers.Dropout(rate)
        for rate in parts
    ]


@pytest.mark.parametrize(
    ("parts", "dropout"),
    [
        ((None, 0.5, None, 0.5, None), 0.5),
        ((None, None, None), 0.0),
        ((None, 0.0, None), 0.0),
        ((0.0, None, None, 0.0), 0.0),
    ],
)
def test_dropout_between_all_layers_is_kept(keras: Any, parts: Any, dropout: float) -> None:
    """One of rate 0 is none."""
    converted = from_keras(stack(keras, *parts))
    assert (converted.dropout, converted.num_layers) == (dropout, parts.count(None))


@pytest.mark.parametrize(
    ("parts", "dropout"), [((None, None, 0.5), 0.0), ((None, 0.5), 0.0), ((None, 0.3, None, 0.5), 0.3)]
)
def test_dropout_after_the_last_layer_is_dropped_with_a_warning(
    keras: Any, parts: Any, dropout: float
) -> None:
    """Dropout of the layers here acts between layers only."""
    with pytest.warns(UserWarning, match=r"^the last Dropout\(0\.5\) acts in training only") as warned:
        converted = from_keras(stack(keras, *parts))
    assert [w.filename for w in warned if w.category is UserWarning] == [__file__]
    assert converted.dropout == dropout


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ((None, None, 0.5, None), "['GRU', 'GRU', 'Dropout(0.5)', 'GRU']"),
        ((None, 0.5, None, 0.3, None), "['GRU', 'Dropout(0.5)', 'GRU', 'Dropout(0.3)', 'GRU']"),
        ((None, 0.5, 0.5, None), "['GRU', 'Dropout(0.5)', 'Dropout(0.5)', 'GRU']"),
        ((0.5, None, None), "['Dropout(0.5)', 'GRU', 'GRU']"),
        ((None, None, 0.5, 0.5), "['GRU', 'GRU', 'Dropout(0.5)', 'Dropout(0.5)']"),
    ],
)
def test_dropout_elsewhere_raises(keras: Any, parts: Any, shown: str) -> None:
    """Between some, of two rates, twice, before the first."""
    with pytest.raises(
        ArgumentError, match=f"between every two .*; got {re.escape(shown)}. Remove the Dropout"
    ):
        from_keras(stack(keras, *parts))


def test_bfloat16_raises() -> None:
    """Before Keras is asked for anything."""
    layer = un.GRU(F, H, dtype=torch.bfloat16)
    with pytest.raises(
        ArgumentError, match=r"^to_keras: .* NumPy has no bfloat16\. Convert .* \.float\(\)\."
    ):
        to_keras(layer)


def test_unsupported_layers_raise(keras: Any) -> None:
    """The error names the option."""

    def lstm(cell: Any, peephole: Tensor | None = None) -> un.CellLayer:
        weights = GeneralLSTMWeights(torch.randn(4 * H, F), torch.randn(4 * H, H), peephole=peephole)
        return un.CellLayer(F, [[un.Direction(cell, weights)]])

    refused = {
        "this GRU has layer_norm": un.GRU(F, H, layer_norm=True),
        "this GRU has zoneout=0.1": un.GRU(F, H, zoneout=0.1),
        "without a projection, got proj_size=2": un.LSTM(F, H, proj_size=2),
        "is a Python callable": un.RNN(F, H, nonlinearity=torch.sin),
        "this LSTM has peephole": lstm(GeneralLSTMCell(), torch.randn(3 * H)),
        "this LSTM has is_coupled": lstm(GeneralLSTMCell(is_coupled=True)),
        "one activation for g and h, .* got Tanh and Relu": lstm(GeneralLSTMCell(readout=Activation("Relu"))),
        "Keras has no Activation.name='ScaledTanh'": un.RNN(F, H, nonlinearity=Activation("ScaledTanh", 2.0)),
        "expected an RNN, GRU, LSTM or CellLayer of unrolled.nn, got builtins.int": 3,
    }  # fmt: skip
    for sentence, layer in refused.items():
        with pytest.raises(ArgumentError, match=f"^to_keras.*: .*{sentence}"):
            to_keras(layer)


class _Raising:
    """An import that fails with the name of another module, as Keras does without its backend."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "keras":
            raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")


def test_missing_keras_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras not there at all, or there without a backend."""
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingDependencyError, match=r'not installed: pip install "unrolled\[keras\]"'):
        to_keras(un.GRU(F, H))
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(sys, "meta_path", [_Raising(), *sys.meta_path])
    with pytest.raises(
        MissingDependencyError, match=r"its backend tensorflow is not\. Set KERAS_BACKEND=torch"
    ):
        to_keras(un.GRU(F, H))


def test_importing_nn_loads_neither_keras_nor_onnx() -> None:
    """They take seconds to load, and only conversions need them."""
    code = "import sys, unrolled.nn; print(sorted({'keras', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
