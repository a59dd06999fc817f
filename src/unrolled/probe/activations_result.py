"""Records of the activations probe: trainings with one activation, and with each of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.formatting import aligned_table, number, percent
from unrolled.probe.wording.scores import Task, score_name
from unrolled.record import Record

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ActivationRuns:
    """Trainings with one activation.

    Args:
        name: name of the activation.
        losses: (S, E) training loss of each epoch; NaN after a training that broke down.
        diverged: (S,) true where the loss was no longer finite, or ended above its start.
        scores: (S,) held-out accuracy, or error of numbers; NaN where the training broke down.
        growth_before: (S,) factor by which a gradient grows a step back, before training.
        growth_after: (S,) the factor after training; NaN where it broke down.
        seconds: mean time of one training.
    """

    name: str
    losses: Floats
    diverged: NDArray[np.bool_]
    scores: Floats
    growth_before: Floats
    growth_after: Floats
    seconds: float

    @property
    def diverged_share(self) -> float:
        """Share of seeds that diverged."""
        return float(self.diverged.mean())

    @property
    def score(self) -> float:
        """Mean score of the seeds that did not break down; NaN where all did."""
        return _mean(self.scores)


@dataclass(frozen=True, eq=False)
class ActivationsResult(Record):
    """Trainings with each activation, and the best of them.

    Args:
        sentence: the result for a person.
        rows: one for each activation, in the given order.
        task: "class" or "number".
        best: activation with the best mean score, among those that diverged least.
        held_out: number of held-out sequences; 0 if they were too few, and all sequences were both trained on
            and scored.
        sequences: N.
        epochs: E.
    """

    kind: ClassVar[str] = "activations"

    sentence: str
    rows: tuple[ActivationRuns, ...]
    task: Task
    best: str
    held_out: int
    sequences: int
    epochs: int

    def to_frame(self) -> Any:
        """Return a pandas frame, one row an activation: means over the seeds."""
        columns = {
            "activation": np.array([row.name for row in self.rows]),
            score_name(self.task): np.array([row.score for row in self.rows]),
            "diverged": np.array([row.diverged_share for row in self.rows]),
            "loss": np.array([_mean(row.losses[:, -1]) for row in self.rows]),
            "growth_before": np.array([_mean(row.growth_before) for row in self.rows]),
            "growth_after": np.array([_mean(row.growth_after) for row in self.rows]),
            "seconds": np.array([row.seconds for row in self.rows]),
        }
        return to_frame(columns, "pandas")

    def __str__(self) -> str:
        score = score_name(self.task)
        rows = [["activation", score, "last loss", "diverged", "gradient growth: before", "after training"]]
        for row in self.rows:
            scores = (row.score, _mean(row.losses[:, -1]))
            growths = (_mean(row.growth_before), _mean(row.growth_after))
            cells = [*(number(value, 3) for value in scores), percent(row.diverged_share)]
            rows.append([row.name, *cells, *(number(value, 3) for value in growths)])
        return f"{aligned_table(rows)}\n\n{self.sentence}"


def _mean(values: Floats) -> float:
    """Average the finite values; NaN where there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
