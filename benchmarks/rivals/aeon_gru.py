"""aeon's RecurrentNetwork with a softmax on it, fitted by Keras as aeon fits its classifiers.

aeon has this network and no classifier on it; the last layer, the loss and Adam are those that its deep
classifiers have.
"""

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf
from aeon.networks import RecurrentNetwork

from benchmarks.rivals.job import Arrays, Job

VERSIONS = ("aeon", "keras", "tensorflow_cpu")

THREADS = int(os.environ["UNROLLED_BENCH_THREADS"])
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)


def fits(arrays: Arrays, hidden_size: int, epochs: int, batch_size: int, learning_rate: float) -> Job:
    """Whole fits on x (N, T, F), classes y (N,); what it answers to x after one of them."""
    x, classes = arrays["x"], np.eye(int(arrays["y"].max()) + 1)[arrays["y"].astype(np.int64)]

    def fitted() -> Any:
        tf.keras.utils.set_random_seed(0)
        network = RecurrentNetwork(rnn_type="gru", n_units=hidden_size)
        first, last = network.build_network(x.shape[1:])
        model = tf.keras.Model(first, tf.keras.layers.Dense(classes.shape[1], activation="softmax")(last))
        model.compile(tf.keras.optimizers.Adam(learning_rate), "categorical_crossentropy")
        model.fit(x, classes, batch_size=batch_size, epochs=epochs, verbose=0)
        return model

    def run(times: int) -> None:
        for _ in range(times):
            fitted()

    return Job(run, lambda: {"answers": fitted().predict(x, verbose=0).argmax(axis=1)})
