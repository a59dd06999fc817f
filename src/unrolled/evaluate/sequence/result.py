"""Record of a comparison: the scores of all candidates on the same sequences, and the verdict."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.evaluate.outcome import Outcome
from unrolled.evaluate.score_frame import score_frame
from unrolled.evaluate.sequence.scores import format_metric
from unrolled.evaluate.sequence.split import Task
from unrolled.formatting import aligned_table, interval_text, number, p_value_text
from unrolled.record import Record

Array = NDArray[Any]


@dataclass(frozen=True)
class ComparisonRow:
    """Scores of one candidate.

    Args:
        name: "gru", "MiniRocket", ...
        note: description of a baseline; empty for the network.
        accuracy: share of the tested sequences that it is right on; None where numbers are learned.
        rmse: root of its mean squared error; None where classes are learned. So are mae and r2.
        mae: its mean absolute error.
        r2: 1 less its squared error over that of the mean; None as well where y never changes.
        interval: confidence interval of the accuracy, or of the RMSE, at the comparison's level.
        p_value: probability of a difference from the network this large, in this direction, if there were
            none; None for the network.
        fit_seconds: of one fit; the mean of the folds.
        predict_seconds: of the test data; the mean of the folds.
        balanced_accuracy: mean share of right answers of a class, each class counted alike; None where
            classes are even, or numbers are learned. So are the following.
        rare_recall: share of right answers on the rarest class.
        auc: area under the ROC curve, of several classes the mean of each against the rest; None as well
            where a class is not tested.
        log_loss: mean log loss of the probabilities, a tenth of them mixed with the classes' frequencies.
    """

    name: str
    note: str
    accuracy: float | None
    rmse: float | None
    mae: float | None
    r2: float | None
    interval: tuple[float, float]
    p_value: float | None
    fit_seconds: float
    predict_seconds: float
    balanced_accuracy: float | None = None
    rare_recall: float | None = None
    auc: float | None = None
    log_loss: float | None = None


@dataclass(frozen=True, eq=False)
class Comparison(Record):
    """Scores of all candidates on the same sequences, and the verdict.

    Args:
        rows: the network first, then its baselines from the best on.
        sentence: for a person.
        outcome: "better", "worse", "no difference" or "too few to tell": the network beside the best of
            its baselines.
        p_value: of that; None where there are too few.
        best_baseline: name of the one with the highest accuracy, the lowest RMSE, or where classes are uneven
            the lowest log loss.
        task: "labels" or "numbers".
        n_sequences: tested.
        groups: how many groups they are in; None without groups.
        folds: of the cross-validation; None where a test set was given.
        level: of the confidence intervals, in per cent.
        remarks: what to know when reading the table, a sentence each.
        columns: a row a tested sequence: y, and each candidate's prediction.
        backend: library of the frame that X was.
        unit: what is counted: "sequences", "clips", "texts", "words" or "recordings".
    """

    kind: ClassVar[str] = "comparison"
    _not_in_dict = frozenset({"columns", "backend"})

    rows: tuple[ComparisonRow, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    task: Task
    n_sequences: int
    groups: int | None
    folds: int | None
    level: float
    remarks: tuple[str, ...]
    columns: dict[str, Array]
    backend: str = "pandas"
    unit: str = "sequences"

    @property
    def predictions(self) -> Any:
        """Frame of y and each candidate's prediction, a row a tested sequence in the order of X."""
        return to_frame(self.columns, self.backend)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores; the first is the one with an interval."""
        if self.task == "numbers":
            return ("rmse", "mae", "r2")
        uneven = ("balanced_accuracy", "rare_recall", "auc", "log_loss")
        return ("accuracy", *(uneven if self.rows[0].log_loss is not None else ()))

    def to_frame(self) -> Any:
        """Return the rows as a frame; the interval's ends are called as in `accuracy-lo-95`."""
        return score_frame(self.rows, self.metrics, self.level, backend=self.backend)

    def __str__(self) -> str:
        main, *others = self.metrics
        titles = [name.replace("_", " ") for name in others]
        lines = [["model", main, f"{self.level:g} % interval", *titles, "p", "fit s", "predict s"]]
        for row in self.rows:
            score, *other_scores = (format_metric(name, getattr(row, name)) for name in self.metrics)
            interval = interval_text(row.interval, lambda end: format_metric(main, end))
            seconds = (number(value, 3) for value in (row.fit_seconds, row.predict_seconds))
            lines.append([row.name, score, interval, *other_scores, p_value_text(row.p_value), *seconds])
        return "\n".join([aligned_table(lines), "", textwrap.fill(self.sentence, 100), *self.remarks])
