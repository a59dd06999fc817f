"""flax.nnx.RNN over SimpleCell, GRUCell and OptimizedLSTMCell, the whole step in one `jit`.

Its gates have torch's order. Its GRU has no bias on W_hn h, so that torch's must be zero there.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.rivals.jax_scan import jitted
from benchmarks.rivals.job import Arrays, Job

VERSIONS = ("flax", "jax", "jaxlib")

CELLS = {"RNN": nnx.SimpleCell, "GRU": nnx.GRUCell, "LSTM": nnx.OptimizedLSTMCell}
SIDE = {"RNN": "dense_i", "GRU": "dense_i", "LSTM": "dense_h"}  # which of the two products has the bias


def training(arrays: Arrays, cell: str) -> Job:
    H, F = arrays["weight_hh"].shape[1], arrays["weight_ih"].shape[1]
    model = nnx.RNN(CELLS[cell](F, H, rngs=nnx.Rngs(0)), time_major=True, rngs=False)
    inner = model.cell
    inner.dense_i.kernel.value = jnp.asarray(arrays["weight_ih"].T)
    inner.dense_h.kernel.value = jnp.asarray(arrays["weight_hh"].T)
    getattr(inner, SIDE[cell]).bias.value = jnp.asarray(arrays["bias_ih"] + arrays["bias_hh"])
    start = inner.initialize_carry(arrays["x"].shape[1:], rngs=nnx.Rngs(0))  # zeros
    graph, weights, rest = nnx.split(model, nnx.Param, ...)

    def layer(weights: Any, x: jax.Array) -> jax.Array:
        return nnx.merge(graph, weights, rest)(x, initial_carry=start)

    def named(found: Any) -> Arrays:
        flat = {".".join(path): np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(found)}
        return {
            "weight_ih": flat["cell.dense_i.kernel"].T,
            "weight_hh": flat["cell.dense_h.kernel"].T,
            "bias_ih": flat[f"cell.{SIDE[cell]}.bias"],
        }

    return jitted(layer, weights, jnp.asarray(arrays["x"]), jnp.asarray(arrays["cotangent"]), named)
