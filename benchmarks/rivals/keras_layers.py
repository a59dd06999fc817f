"""Keras' SimpleRNN, GRU (reset_after, its default) and LSTM, for either backend.

Its kernels are torch's transposed; its LSTM has torch's order of gates, its GRU has z before r. SimpleRNN and
LSTM have one bias, the sum of torch's two; the GRU has both. Batch comes first.
"""

from typing import Any

import keras
import numpy as np

from benchmarks.rivals.job import Array, Arrays, Job, reordered

LAYERS = {"RNN": keras.layers.SimpleRNN, "GRU": keras.layers.GRU, "LSTM": keras.layers.LSTM}
ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 1, 2, 3)}  # and back: each undoes itself


def layer(arrays: Arrays, cell: str) -> Any:
    """A layer with these weights."""
    made = LAYERS[cell](arrays["weight_hh"].shape[1], return_sequences=True)
    made.build((None, None, arrays["weight_ih"].shape[1]))
    taken = {name: reordered(arrays[name], ORDER[cell]) for name in arrays if name not in {"x", "cotangent"}}
    biases = taken["bias_ih"], taken["bias_hh"]
    bias = np.stack(biases) if cell == "GRU" else sum(biases)
    made.set_weights([taken["weight_ih"].T, taken["weight_hh"].T, bias])
    return made


def batch_first(array: Array) -> Array:
    return np.ascontiguousarray(array.swapaxes(0, 1))


def answers(cell: str, output: Any, gradients: list[Any]) -> Arrays:
    """The output (B, T, H) and the gradients of Keras' weights, as torch has them."""
    kernel, recurrent, bias = (np.asarray(gradient) for gradient in gradients)
    named = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
    named |= dict(zip(("bias_ih", "bias_hh"), np.atleast_2d(bias), strict=cell == "GRU"))
    found = {name: reordered(array, ORDER[cell]) for name, array in named.items()}
    return {**found, "output": np.asarray(output).swapaxes(0, 1)}


def epoch(arrays: Arrays, jit: bool | str = "auto") -> Job:
    """Epochs of `fit` on windows x (N, T, 1), targets y (N, 1): SimpleRNN, Dense(1), Adam, squared error.

    Its answers are the weights after one epoch of gradient descent, not shuffled, named as torch's.
    """

    def compiled(optimizer: Any) -> Any:
        recurrent = LAYERS["RNN"](arrays["weight_hh"].shape[1])
        model = keras.Sequential([keras.Input(arrays["x"].shape[1:]), recurrent, keras.layers.Dense(1)])
        model.compile(optimizer=optimizer, loss="mse", jit_compile=jit)
        bias = arrays["bias_ih"] + arrays["bias_hh"]
        last = arrays["readout"].T, arrays["readout_bias"]
        model.set_weights([arrays["weight_ih"].T, arrays["weight_hh"].T, bias, *last])
        return model

    def fit(model: Any, epochs: int, *, shuffle: bool) -> None:
        model.fit(arrays["x"], arrays["y"], batch_size=32, epochs=epochs, shuffle=shuffle, verbose=0)

    def answered() -> Arrays:
        plain = compiled(keras.optimizers.SGD(0.1))
        fit(plain, 1, shuffle=False)
        kernel, recurrent, _, last, bias = plain.get_weights()
        return {"weight_ih": kernel.T, "weight_hh": recurrent.T, "readout": last.T, "readout_bias": bias}

    model = compiled("adam")
    return Job(lambda epochs: fit(model, epochs, shuffle=True), answered)
