"""Input records of pages and figures: series with forecasts, model cards, labelled data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SeriesForecast:
    """Series with its forecast.

    Args:
        id: its name.
        times: (T,) datetime64, or whole numbers.
        values: (T,) observed values, NaN where missing.
        future_times: (H,) the steps ahead.
        point: (H,) the median of the forecast.
        bands: for each level in per cent, the (H,) lower and upper bound.
    """

    id: str
    times: NDArray[Any]
    values: NDArray[np.float64]
    future_times: NDArray[Any]
    point: NDArray[np.float64]
    bands: Mapping[float, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of one model for one or many series.

    Args:
        model: the model's column name, such as "lstm".
        series: one entry a series.
        freq: a pandas alias of the step; None without times.
        log_axis: whether the axis of values is logarithmic.
        target: name of the forecast column.
    """

    kind: ClassVar[str] = "forecast"

    model: str
    series: tuple[SeriesForecast, ...]
    freq: str | None = None
    log_axis: bool = False
    target: str = "y"

    @property
    def horizon(self) -> int:
        """Steps ahead."""
        return len(self.series[0].point)

    def __post_init__(self) -> None:
        assert self.series, "a forecast of no series"


@dataclass(frozen=True)
class ModelCard:
    """Facts on a fitted model, and the history of its training.

    Args:
        facts: pairs of label and text, such as ("Window", "24 months").
        why: why the transform was chosen, a sentence.
        history: the training, a record of kind "history"; None for a model that was loaded.
        command: the shell line that makes this page again.
        held_out: the validation set, in words.
    """

    facts: tuple[tuple[str, str], ...]
    why: str = ""
    history: Any = None
    command: str = ""
    held_out: str = "the latest part of the data"


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Sequences with the class of each.

    Args:
        source: the file they come from.
        values: N arrays (T_i, F).
        labels: (N,) the class of each, as text.
        columns: F names.
        notes: what reading changed, a sentence each.
    """

    source: str
    values: Sequence[NDArray[np.float64]]
    labels: NDArray[np.str_]
    columns: Sequence[str]
    notes: Sequence[str] = ()

    @property
    def classes(self) -> list[str]:
        """Distinct classes, sorted by `label_sort_key`."""
        return sorted(set(self.labels.tolist()), key=label_sort_key)


@dataclass(frozen=True, eq=False)
class TextData:
    """Texts with the class of each.

    Args:
        source: the file they come from.
        texts: N strings.
        labels: (N,) the class of each, as text.
        notes: what reading changed, a sentence each.
    """

    source: str
    texts: Sequence[str]
    labels: NDArray[np.str_]
    notes: Sequence[str] = ()

    @property
    def classes(self) -> list[str]:
        """Distinct classes, sorted by `label_sort_key`."""
        return sorted(set(self.labels.tolist()), key=label_sort_key)


@dataclass(frozen=True, eq=False)
class LabelPredictions:
    """Predicted and true classes of sequences that the model was not fitted on.

    Args:
        truth: (N,) the class of each, as text.
        predicted: (N,) the class that the model predicts.
    """

    truth: NDArray[np.str_]
    predicted: NDArray[np.str_]

    @property
    def classes(self) -> list[str]:
        """Every class that is true or predicted, sorted by `label_sort_key`."""
        return sorted({*self.truth.tolist(), *self.predicted.tolist()}, key=label_sort_key)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Confusion matrix (K, K): rows the truth, columns the prediction.

        >>> LabelPredictions(np.array(["a", "b", "b"]), np.array(["a", "a", "b"])).counts.tolist()
        [[1, 0], [1, 1]]
        """
        place = {name: k for k, name in enumerate(self.classes)}
        counts = np.zeros((len(place), len(place)), dtype=np.int64)
        rows, columns = ([place[name] for name in names] for names in (self.truth, self.predicted))
        np.add.at(counts, (rows, columns), 1)
        return counts


def label_sort_key(name: str) -> tuple[float, str]:
    """Return the sort key of a class name: numbers by size, then words by the alphabet.

    >>> sorted(["10", "b", "9", "a"], key=label_sort_key)
    ['9', '10', 'a', 'b']
    """
    try:
        return float(name), name
    except ValueError:
        return math.inf, name
