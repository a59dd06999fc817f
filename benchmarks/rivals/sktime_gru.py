"""sktime's GRUClassifier: torch's GRU, a linear layer on its last state, Adam, cross-entropy."""

from typing import Any

import numpy as np
import torch
from sktime.classification.deep_learning.gru import GRUClassifier

from benchmarks.rivals.job import Arrays, Job

VERSIONS = ("sktime", "torch")


def fits(arrays: Arrays, hidden_size: int, epochs: int, batch_size: int, learning_rate: float) -> Job:
    """Whole fits on x (N, T, F), classes y (N,); what it answers to x after one of them."""
    x, y = arrays["x"].swapaxes(1, 2), arrays["y"].astype(np.int64)

    def fitted() -> Any:
        torch.manual_seed(0)
        return GRUClassifier(
            hidden_dim=hidden_size, n_layers=1, num_epochs=epochs, batch_size=batch_size, lr=learning_rate,
            batch_first=True,  # its default recurs over the batch
            random_state=0,
        ).fit(x, y)  # fmt: skip

    def run(times: int) -> None:
        for _ in range(times):
            fitted()

    return Job(run, lambda: {"answers": np.asarray(fitted().predict(x))})
