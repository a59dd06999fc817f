"""Clips of digits: which way one moves, and whether the second of two is the larger.

SequenceClassifier on frames of 36 × 36 and 28 × 28 pixels, beside the same network on the middle frame, on
the mean of all frames and on shuffled frames, by `compare` on clips of digits that are in no clip of the
training. A digit that moves leaves the frame on one side and comes back on the other, so that no single
frame tells its way; of two digits a single frame tells one, and neither the mean nor shuffled frames tell
which was second. Settings were chosen on training digits alone; each test part is scored once.
Digits are read from mnist/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.clips [--toy]
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import unrolled as ur
from benchmarks.moving_mnist import Clips, made_up_digits
from benchmarks.record import DATA, RESULTS, Facts, main, print_now, require_file, resumed, table

SETTINGS: Facts = {"stem": False, "n_members": 1, "max_epochs": 12}
N_TRAIN, N_TEST = 1200, 500  # clips
STEPS, SIDE, PIXELS = 6, 36, 3  # frames, pixels of a side, and of a step
WAYS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}

Task = Callable[[Clips, NDArray[np.int64], int, int], tuple[Clips, list[str]]]


def direction(digits: Clips, _: NDArray[np.int64], n: int, seed: int) -> tuple[Clips, list[str]]:
    """Draw clips (n, T, 36, 36) of a digit that moves one of four ways, round the edges, and the way."""
    rng = np.random.default_rng(seed)
    clips, ways = np.zeros((n, STEPS, SIDE, SIDE), np.uint8), rng.choice(list(WAYS), n)
    height, width = digits.shape[1:]
    for clip, way in zip(clips, ways, strict=True):
        start, canvas = rng.integers(0, SIDE, 2), np.zeros((SIDE, SIDE), np.uint8)
        canvas[:height, :width] = digits[rng.integers(len(digits))]
        for t in range(STEPS):
            clip[t] = np.roll(canvas, tuple(start + t * PIXELS * np.array(WAYS[way])), axis=(0, 1))
    return clips, ways.tolist()


def larger(digits: Clips, numbers: NDArray[np.int64], n: int, seed: int) -> tuple[Clips, list[str]]:
    """Draw clips (n, T, 28, 28) of two digits, one after the other, and whether the second is larger."""
    rng = np.random.default_rng(seed)
    clips, labels = [], []
    for _ in range(n):
        first, second = rng.choice(np.unique(numbers), 2, replace=False)
        shown = [digits[rng.choice(np.flatnonzero(numbers == k))] for k in (first, second)]
        clips.append(np.repeat(np.stack(shown), STEPS // 2, axis=0))
        labels.append("larger" if second > first else "smaller")
    return np.stack(clips), labels


TASKS: dict[str, Task] = {"which way it moves": direction, "is the second larger": larger}


def run(toy: bool) -> Facts:
    kept_in = None if toy else RESULTS / "clips.partial.json"
    rows: list[Facts] = []
    for result in resumed(list(TASKS), partial(measure, toy=toy), kept_in):
        rows += result["rows"]
        print_now(table(result["rows"]))
        print_now(result["sentence"])
    return {
        "threads": torch.get_num_threads(),
        "measure": "accuracy on the test clips, 95 % interval; seconds of a fit",
        "settings": SETTINGS | {"clips": N_TRAIN},
        "rows": rows,
    }


def measure(name: str, *, toy: bool) -> Facts:
    """Compare on one task."""
    task = TASKS[name]
    (train, train_numbers), (test, test_numbers) = _made_up() if toy else _read()
    X, y = task(train, train_numbers, 24 if toy else N_TRAIN, 1)
    X_test, y_test = task(test, test_numbers, 12 if toy else N_TEST, 2)
    model = ur.SequenceClassifier(**SETTINGS | ({"hidden_size": 4, "max_epochs": 1} if toy else {}))
    result = ur.compare(model, X, y, test=(X_test, y_test))
    rows = [
        {
            "task": name,
            "model": row.name,
            "accuracy": round(float(row.accuracy or 0), 4),
            "interval": [round(end, 4) for end in row.interval],
            "fit_s": round(row.fit_seconds, 1),
        }
        for row in result.rows
    ]
    return {"rows": rows, "sentence": result.sentence}


def _read() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    with np.load(require_file(DATA / "mnist" / "mnist.npz")) as file:
        parts = [(file[f"x_{part}"], file[f"y_{part}"].astype(np.int64)) for part in ("train", "test")]
    return parts[0], parts[1]


def _made_up() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    train, test = made_up_digits()
    return (train, np.arange(len(train))), (test, np.arange(len(test)))


if __name__ == "__main__":
    main(run)
