"""Sets of labelled sequences with their official splits, and a made-up one.

The files lie in classification/ in the folder UNROLLED_DATA, by default ../shared/data.
"""

from typing import Any

import numpy as np

from benchmarks.record import DATA, require_file
from unrolled.data.labelled.read import read_labelled


def official_parts(name: str) -> tuple[Any, Any, Any, Any]:
    """X and y of the training part, then of the test part."""
    folder, parts = DATA / "classification", []
    packed = folder / f"{name}.npz"
    if packed.exists():
        with np.load(packed) as held:
            return held["X_train"], held["y_train"], held["X_test"], held["y_test"]
    for part in ("TRAIN", "TEST"):
        path = folder / f"{name}_{part}.ts"
        if not path.exists():
            path = path.with_suffix(".ts.gz")
        read = read_labelled(require_file(path))
        parts += [read.sequences, read.labels]
    return parts[0], parts[1], parts[2], parts[3]


def two_shapes() -> tuple[Any, Any, Any, Any]:
    """Sines and sawteeth."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40)
    turns = np.linspace(0, 3, 50) + rng.uniform(size=(40, 1))
    X = np.where(y[:, None] == 1, np.sin(2 * np.pi * turns), 2 * (turns % 1) - 1)
    return X[:20], y[:20], X[20:], y[20:]
