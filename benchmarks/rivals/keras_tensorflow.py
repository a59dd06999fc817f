"""Keras on TensorFlow: a training step compiled by XLA; `fit` as Keras compiles it by itself, and by XLA."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf

from benchmarks.rivals import keras_layers
from benchmarks.rivals.job import Arrays, Job

VERSIONS = ("keras", "tensorflow_cpu")

THREADS = int(os.environ["UNROLLED_BENCH_THREADS"])
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)

epoch = keras_layers.epoch


def training(arrays: Arrays, cell: str) -> Job:
    layer = keras_layers.layer(arrays, cell)
    weights = [weight.value for weight in layer.trainable_weights]
    x, g = (tf.constant(keras_layers.batch_first(arrays[name])) for name in ("x", "cotangent"))

    @tf.function(jit_compile=True)
    def gradients(x: tf.Tensor, g: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            output = layer(x, training=True)
        return tape.gradient(output, weights, output_gradients=g)

    def run(times: int) -> None:
        for _ in range(times):
            gradients(x, g)[0].numpy()  # waits for it

    def answers() -> Arrays:
        output = tf.function(layer, jit_compile=True)(x)
        return keras_layers.answers(cell, np.asarray(output), gradients(x, g))

    return Job(run, answers)
