"""Fits of small sets, where a step's bookkeeping weighs more than its arithmetic.

The second lesson's toy, two sequences of five steps: with the defaults (4 networks of 400 steps), and as the
lesson writes it (one RNN of 8 units, 200 steps) beside the lesson's own loop in plain torch. Then made-up
sets of 20 and 28 sequences with the defaults. `autograd` is the same fit where autograd records every
operator of torch; both train from the same weights, on the same batches, with the same dropout, and must end
with the same loss on the first steps.

    python -m benchmarks.small_fits [--toy]
"""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import THREADS, limit_threads
from benchmarks.timing import interleaved
from unrolled import SequenceClassifier
from unrolled.models.sequence.network import SequenceNetwork

TOY_X, TOY_Y = [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], [1, 0]
LESSON = {
    "cell": "rnn", "hidden_size": 8, "stem": False, "pooling": "last", "dropout": 0.0, "n_members": 1,
    "max_epochs": 200, "learning_rate": 0.01,
}  # fmt: skip
SETS = {"20 of 84 steps": (20, 84, 1), "28 of 286 steps": (28, 286, 1)}
CLOSE = 1e-3  # losses after two epochs, as a share: rounding, once multiplied by each step's division
REPEATS = 3


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    small = {"hidden_size": 4, "n_members": 1, "max_epochs": 2} if toy else {}
    rows = [
        _row("toy, defaults", TOY_X, TOY_Y, small, toy=toy),
        _row("toy, as the lesson has it", TOY_X, TOY_Y, LESSON | small, toy=toy, loop=_lesson_loop),
    ]
    for name, size in {"6 of 9 steps": (6, 9, 1)}.items() if toy else SETS.items():
        x, y = curves(*size)
        rows.append(_row(name, x, y, small, toy=toy))
    print_now(table(rows))
    return {"threads": THREADS, "rows": rows}


def _row(
    task: str, x: Any, y: Any, settings: dict[str, Any], *, toy: bool, loop: Callable[[], Any] | None = None
) -> Facts:
    """Time one fit beside a loop in plain torch, or beside the same fit on autograd."""
    model = SequenceClassifier(verbose=False, **settings)

    def on_autograd() -> SequenceClassifier:
        with patch.object(SequenceNetwork, "trains_without_autograd", lambda *_: False):
            return model.fit(x, y)

    rival = "torch" if loop else "autograd"
    first = {"max_epochs": 2, "n_members": 1}
    short = SequenceClassifier(verbose=False, **settings | first)
    losses = [short.fit(x, y).history_.records[-1].train_loss]
    with patch.object(SequenceNetwork, "trains_without_autograd", lambda *_: False):
        losses.append(short.fit(x, y).history_.records[-1].train_loss)
    assert abs(losses[0] - losses[1]) <= CLOSE * abs(losses[1]), losses
    timing = interleaved(
        lambda: model.fit(x, y),
        loop or on_autograd,
        repeats=REPEATS if len(x) == len(TOY_X) and not toy else 1,
    )
    return {
        "task": task, "steps": model.history_.records[-1].step * len(model.networks_),
        "rival": rival, **timing, "accuracy": round(float(model.score(x, y)), 3),
    }  # fmt: skip


def _lesson_loop() -> nn.Module:
    """The second lesson's loop, as short as it is there."""
    torch.manual_seed(0)
    x, y = torch.tensor(TOY_X, dtype=torch.float32)[..., None], torch.tensor(TOY_Y)
    core, head = nn.RNN(1, 8, batch_first=True), nn.Linear(8, 2)
    optimizer = torch.optim.Adam([*core.parameters(), *head.parameters()], lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(core(x)[0][:, -1]), y).backward()
        optimizer.step()
    return head


def curves(n: int, steps: int, features: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Noisy waves (n, steps, features) of two frequencies."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    phase = rng.uniform(0, 2 * np.pi, size=(n, 1, features))
    x = np.sin((2 + y[:, None, None]) * np.linspace(0, 9, steps)[:, None] + phase)
    return (x + 0.3 * rng.normal(size=x.shape)).astype(np.float32), y


if __name__ == "__main__":
    main(run)
