"""Keras on JAX: a training step in one `jit`, and `fit`, which compiles the step itself."""

import os

os.environ["KERAS_BACKEND"] = "jax"

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.rivals import keras_layers
from benchmarks.rivals.jax_scan import jitted
from benchmarks.rivals.job import Arrays, Job

VERSIONS = ("keras", "jax", "jaxlib")

epoch = keras_layers.epoch


def training(arrays: Arrays, cell: str) -> Job:
    layer = keras_layers.layer(arrays, cell)
    weights = [weight.value for weight in layer.trainable_variables]
    rest = [weight.value for weight in layer.non_trainable_variables]
    x, g = (jnp.asarray(keras_layers.batch_first(arrays[name])) for name in ("x", "cotangent"))

    def run(weights: Any, x: jax.Array) -> jax.Array:
        return layer.stateless_call(weights, rest, x, training=True)[0]

    job = jitted(run, weights, x, g, lambda found: dict(zip("012", found, strict=True)))

    def answers() -> Arrays:
        found = job.answers()
        return keras_layers.answers(cell, found["output"], [found[k] for k in "012"])

    return Job(job.run, answers)
