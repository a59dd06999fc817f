"""Records of the order probe: scores of a model on its steps in other orders, and of retrained models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.formatting import aligned_table, number, percent
from unrolled.probe.wording.scores import Task, score_name
from unrolled.record import Record

Floats = NDArray[np.float64]
Outcome = Literal["yes", "no", "too few to tell", "not tested"]


@dataclass(frozen=True)
class RetrainResult:
    """Losses of models retrained on the original and on shuffled sequences, by cross-validation.

    Args:
        outcome: whether the data reward order: "yes" where `p_value` is at most 0.05, "no", or "too few to
            tell".
        p_value: probability that models trained on the original are at least this much better if the order
            tells nothing; None where there are too few sequences.
        original: mean held-out loss of models trained and scored on the original sequences, as it is tested:
            the mean over the folds, bounded for labels (see `unrolled.probe.measure.retrain`).
        shuffled: the same of models trained and scored on shuffled steps.
        accuracies: held-out accuracies of both; None for numbers.
        sequences: number of held-out sequences.
    """

    outcome: Outcome
    p_value: float | None
    original: float | None
    shuffled: float | None
    accuracies: tuple[float, float] | None
    sequences: int


@dataclass(frozen=True, eq=False)
class OrderResult(Record):
    """Scores of a model on the steps in their order and in other orders.

    Args:
        sentence: the result for a person.
        outcome: whether this model uses the order: "yes" where `p_value` is at most 0.05, "no", "too few to
            tell" where shuffling changes hardly anything, "not tested" for a Forecaster.
        p_value: probability of a loss this low if the order tells nothing; None for a Forecaster.
        retrained: whether the data reward order; None without `retrain`.
        table: a row for each arrangement ("original", "reversed", "shuffled", "blocks shuffled"; the last two
            are means over all copies): loss; accuracy; error, for numbers; flipped, the share of predictions
            that differ from those on the original.
        predictions: predictions by arrangement; of shuffled ones those on the first copy.
        shuffled_losses: (R,) mean loss on each shuffled copy.
        block: steps in a block.
        task: "class" or "number".
        sequences: number of sequences that were shuffled.
    """

    kind: ClassVar[str] = "order"

    sentence: str
    outcome: Outcome
    p_value: float | None
    retrained: RetrainResult | None
    table: list[dict[str, Any]]
    predictions: dict[str, NDArray[Any]]
    shuffled_losses: Floats
    block: int
    task: Task
    sequences: int

    def to_frame(self) -> Any:
        """Return the table as a pandas frame."""
        columns = {name: np.array([row[name] for row in self.table]) for name in self.table[0]}
        return to_frame(columns, "pandas")

    def __str__(self) -> str:
        score = score_name(self.task)
        rows = [["order of steps", score, "loss", "predictions changed"]]
        for row in self.table:
            changed = percent(row["flipped"]) if self.task == "class" else "-"
            rows.append([row["arrangement"], number(row[score], 3), number(row["loss"], 3), changed])
        return f"{aligned_table(rows)}\n\n{self.sentence}"
