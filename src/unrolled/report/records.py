"""What the page needs to know of a forecast and of the model behind it, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SeriesForecast:
    """One series and what comes after it.

    Args:
        id: its name.
        times: (T,) datetime64, or whole numbers.
        values: (T,) what was observed, NaN where nothing was.
        future_times: (H,) the steps ahead.
        point: (H,) the forecast, a median.
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
    """The forecasts of one model for one or many series.

    Args:
        model: the model's column name, such as "lstm".
        series: one entry a series.
        freq: a pandas alias of the step, None where nothing says when.
        log_axis: whether equal percentages should look equal.
        target: what the forecast quantity is called.
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
    """What was fitted, as pairs of a label and its words, with the training behind it.

    Args:
        facts: such as ("Window", "24 months"), in the order they are read.
        why: why the transform was chosen, a sentence.
        history: the training, a record of kind "history"; None for a model that was loaded.
        command: the shell line that makes this page again.
    """

    facts: tuple[tuple[str, str], ...]
    why: str = ""
    history: Any = None
    command: str = ""
