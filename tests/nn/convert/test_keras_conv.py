"""ConvLSTM2D of Keras to ConvLSTM."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import unrolled.nn as un
from unrolled.errors import ArgumentError
from unrolled.nn.convert import from_keras

# Keras 3.15 turns its variables into arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

B, T, C, D, H, W = 2, 4, 3, 5, 6, 7


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Keras on torch, with a settings folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        import keras

        yield keras


def built(keras: Any, **options: Any) -> Any:
    """A ConvLSTM2D with random weights, biases too."""
    options = {"padding": "same", "return_sequences": True, "return_state": True, "kernel_size": 3} | options
    layer = keras.layers.ConvLSTM2D(D, **options)
    layer.build((None, T, H, W, C))
    rng = np.random.default_rng(5)
    layer.set_weights([rng.normal(size=w.shape).astype(w.dtype) / 4 for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize(
    "options", [{}, {"kernel_size": (5, 3)}, {"kernel_size": (2, 4)}, {"use_bias": False}]
)
def test_conv_lstm_equals_keras(keras: Any, options: dict[str, Any]) -> None:
    """Outputs of all steps and both parts of the last state, from Keras' weights."""
    layer = built(keras, **options)
    x = torch.randn(B, T, H, W, C, generator=torch.Generator().manual_seed(0))
    output, h_n, c_n = (one.detach().movedim(-1, -3) for one in layer(x.numpy()))
    converted = from_keras(layer)
    assert isinstance(converted, un.ConvLSTM)
    ours, (our_h, our_c) = converted(x.movedim(-1, -3))
    torch.testing.assert_close(ours, output, rtol=0, atol=1e-5)
    torch.testing.assert_close((our_h[0], our_c[0]), (h_n, c_n), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"padding": "valid"}, "padding='same', got 'valid'"),
        ({"strides": 2}, "strides"),
        ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation='sigmoid', got 'hard_sigmoid'"),
        ({"go_backwards": True}, "go_backwards=False, got True"),
    ],
)
def test_what_conv_lstm_does_not_have_is_refused(keras: Any, options: dict[str, Any], said: str) -> None:
    """The option, what it must be, and what came."""
    with pytest.raises(ArgumentError, match=said):
        from_keras(built(keras, **options))


def test_a_layer_that_is_not_built_is_refused(keras: Any) -> None:
    """It has no weights."""
    with pytest.raises(ArgumentError, match="no weights yet"):
        from_keras(keras.layers.ConvLSTM2D(D, 3, padding="same"))
