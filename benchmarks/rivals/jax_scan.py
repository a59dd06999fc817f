"""jax.lax.scan over a cell of one's own; the sums over the inputs are made for all steps at once, before.

As fast as one writes it by hand: one `jit` holds the whole step, only what depends on the last state is
inside the scan.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

from benchmarks.rivals.job import Arrays, Job

VERSIONS = ("jax", "jaxlib")

Weights = dict[str, jax.Array]
State = tuple[jax.Array, jax.Array]

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def training(arrays: Arrays, cell: str) -> Job:
    given = {name: jnp.asarray(array) for name, array in arrays.items()}
    weights, x, cotangent = {name: given[name] for name in NAMES}, given["x"], given["cotangent"]
    return jitted(partial(_layer, cell), weights, x, cotangent, dict)


def jitted(
    layer: Callable[[Any, jax.Array], jax.Array],
    weights: Any,
    x: jax.Array,
    g: jax.Array,
    named: Callable[[Any], Arrays],
) -> Job:
    """The gradients of all weights from that of the output, compiled as one; `named` tells which is which."""

    @jax.jit
    def gradients(weights: Any, x: jax.Array, g: jax.Array) -> Any:
        return jax.vjp(lambda w: layer(w, x), weights)[1](g)[0]

    def answers() -> Arrays:
        return {**named(gradients(weights, x, g)), "output": np.asarray(jax.jit(layer)(weights, x))}

    def run(times: int) -> None:
        for _ in range(times):
            jax.block_until_ready(gradients(weights, x, g))

    return Job(run, answers)


def _layer(cell: str, weights: Weights, x: jax.Array) -> jax.Array:
    """(T, B, H) every output, from a state of zeros."""
    bias = weights["bias_ih"] if cell == "GRU" else weights["bias_ih"] + weights["bias_hh"]
    sums = x @ weights["weight_ih"].T + bias  # (T, B, G * H)
    zeros = jnp.zeros((x.shape[1], weights["weight_hh"].shape[1]), x.dtype)
    start = (zeros, zeros) if cell == "LSTM" else zeros
    step = partial(_STEPS[cell], weights)
    return lax.scan(step, start, sums)[1]


def _rnn(weights: Weights, h: jax.Array, sums: jax.Array) -> tuple[jax.Array, jax.Array]:
    h = jnp.tanh(sums + h @ weights["weight_hh"].T)
    return h, h


def _gru(weights: Weights, h: jax.Array, sums: jax.Array) -> tuple[jax.Array, jax.Array]:
    of_x = jnp.split(sums, 3, axis=1)
    of_h = jnp.split(h @ weights["weight_hh"].T + weights["bias_hh"], 3, axis=1)
    r, z = nn.sigmoid(of_x[0] + of_h[0]), nn.sigmoid(of_x[1] + of_h[1])
    n = jnp.tanh(of_x[2] + r * of_h[2])
    h = (1 - z) * n + z * h
    return h, h


def _lstm(weights: Weights, state: State, sums: jax.Array) -> tuple[State, jax.Array]:
    h, c = state
    i, f, g, o = jnp.split(sums + h @ weights["weight_hh"].T, 4, axis=1)
    c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
    h = nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


_STEPS: dict[str, Callable[..., Any]] = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}
