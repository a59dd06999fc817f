"""Sequential MNIST: 784 pixels one after the other, one number a step, and ten digits.

The usual settings of SequenceClassifier but for what the table names; the test part is seen once, at the
end. Beside it stand published figures: Bai et al. 2018 and Cooijmans et al. 2016, none of which is run here.
Images are read from mnist/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.sequential_mnist [--toy]
"""

import numpy as np
import torch
from numpy.typing import NDArray

import unrolled as ur
from benchmarks.record import DATA, Facts, main, print_now, require_file, table

SETTINGS: list[Facts] = [{"cell": "gru", "hidden_size": 128}]
PUBLISHED: list[Facts] = [
    {"model": "LSTM (Bai 2018)", "accuracy": 0.872},
    {"model": "GRU (Bai 2018)", "accuracy": 0.962},
    {"model": "LSTM, identity start (Cooijmans 2016)", "accuracy": 0.989},
]


def run(toy: bool) -> Facts:
    X, y, X_test, y_test = _made_up() if toy else _read()
    rows: list[Facts] = []
    for settings in SETTINGS:
        shortened = {"hidden_size": 8, "max_epochs": 1} if toy else {}
        model = ur.SequenceClassifier(**settings | shortened, verbose=not toy).fit(X, y)
        rows.append({
            "model": f"unrolled {settings['cell'].upper()}",
            "accuracy": round(float(model.score(X_test, y_test)), 4),
            "fit_s": round(model.seconds_, 1),
            "parameters": model.n_parameters_,
            "settings": settings,
            "stopping": model.stopping_reason_,
        })  # fmt: skip
        print_now(table([{name: rows[-1][name] for name in ("model", "accuracy", "fit_s", "parameters")}]))
    return {"threads": torch.get_num_threads(), "steps": X.shape[1], "rows": [*rows, *PUBLISHED]}


def _read() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    with np.load(require_file(DATA / "mnist" / "mnist.npz")) as file:
        parts = [file[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    X, y, X_test, y_test = parts
    return _pixels(X), y.astype(np.int64), _pixels(X_test), y_test.astype(np.int64)


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 784, 1) from 0 to 1."""
    return (images.reshape(len(images), -1, 1) / np.float32(255)).astype(np.float32)


def _made_up() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 784, 1), dtype=np.float32), rng.integers(0, 10, 40)
    y[:10] = np.arange(10)
    return X, y, X[:10], y[:10]


if __name__ == "__main__":
    main(run)
