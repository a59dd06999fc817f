"""Protocols of estimators: what `evaluate` and `probe` call, whatever class it comes from.

A third-party estimator that has these methods is backtested and probed like those of the package.
`isinstance` looks for the methods by name; a class has them too, so callers refuse classes first.

Shapes: N sequences, T steps of the longest, F inputs, K origins, h steps ahead, Q quantiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from unrolled.train.history import History

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from unrolled.data.sequences import Sequences
    from unrolled.models.forecasting.bounds import OutputBounds
    from unrolled.models.forecasting.windows import ForecastBatch


@runtime_checkable
class SupportsForecast(Protocol):
    """Estimator of series that forecasts from past origins, as `backtest` needs it.

    `backtest` copies it with `get_params`, and reads `transform_`, `season` and `window_` of the fitted copy
    for its baselines.

    >>> from unrolled import Forecaster, SequenceClassifier
    >>> isinstance(Forecaster(), SupportsForecast), isinstance(SequenceClassifier(), SupportsForecast)
    (True, False)
    """

    horizon: int
    cell: str

    def fit(self, series: Any) -> Self:
        """Learn from series: whatever `unrolled.read` takes."""

    def forecast_origins(
        self, series: Sequences, origins: NDArray[np.int64], *, level: float = 80
    ) -> dict[str, Any]:
        """Forecast from origins (N, K), each from the steps up to it alone.

        Returns `point`, `lo`, `hi` (N, K, h) and `quantiles` (N, K, h, Q).
        """


@runtime_checkable
class SupportsFitCheck(Protocol):
    """Estimator that says without training whether it can be fitted, so that `backtest` offers what works.

    >>> from unrolled import Forecaster, SequenceClassifier
    >>> isinstance(Forecaster(), SupportsFitCheck), isinstance(SequenceClassifier(), SupportsFitCheck)
    (True, False)
    """

    def check_fit(self, series: Any) -> None:
        """Pass if `fit` could begin on these series.

        Raises:
            ArgumentError, DataError: as `fit`.
        """


@runtime_checkable
class SupportsBounds(Protocol):
    """Fitted estimator that keeps its forecasts within bounds, which `backtest` names."""

    bounds_: OutputBounds


@runtime_checkable
class SupportsHistory(Protocol):
    """Fitted estimator that records its training, so that half of one is never judged as a whole one.

    >>> from unrolled import Forecaster
    >>> isinstance(Forecaster(horizon=2, max_steps=2, hidden_size=4).fit([1.0, 2.0] * 20), SupportsHistory)
    True
    """

    history_: History


def was_interrupted(model: object) -> bool:
    """Return whether Ctrl-C ended the training of a fitted model.

    >>> was_interrupted("a model without a history")
    False
    """
    if not isinstance(model, SupportsHistory):
        return False
    history: object = model.history_  # other packages have a `history_` of their own
    return isinstance(history, History) and history.stopped == "interrupted"


def end_if_interrupted(model: object) -> None:
    """Raise KeyboardInterrupt where Ctrl-C ended a training: half of one is neither judged nor saved.

    >>> end_if_interrupted("a model without a history")
    """
    if was_interrupted(model):
        raise KeyboardInterrupt


@runtime_checkable
class SupportsForecastWindows(Protocol):
    """Fitted estimator of series whose networks read windows, as the probes need it.

    Besides, the probes read `cell`, `device` and, once it is fitted, `networks_`.

    >>> from unrolled import Forecaster, SequenceClassifier
    >>> [isinstance(each, SupportsForecastWindows) for each in (Forecaster(), SequenceClassifier())]
    [True, False]
    """

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether `fit` was called."""

    def last_windows(self, series: Any = None, *, most: int = 256) -> ForecastBatch:
        """Return the newest windows of each series, at most so many, as the networks read them."""


@runtime_checkable
class SupportsTokenVectors(Protocol):
    """Fitted estimator of texts whose networks read vectors of words in place of them, as the probes need it.

    Besides, the probes read `cell` and, once it is fitted, `networks_` and `network_config_`.

    >>> from unrolled import SequenceClassifier, TextClassifier
    >>> [isinstance(each, SupportsTokenVectors) for each in (SequenceClassifier(), TextClassifier())]
    [False, True]
    """

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether `fit` was called."""

    def output_classes(self) -> NDArray[Any]:
        """Return the classes (K,) whose logits the networks put out."""

    def token_vectors(self, X: Any) -> tuple[list[Tensor], Tensor]:
        """Return the vectors (N, T, E) of each network, zero beyond a text's length, and lengths (N,)."""

    def token_texts(self, X: Any) -> list[NDArray[Any]]:
        """Return the words (T_i,) of each text."""

    def vector_outputs(self, network: Any, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits (N, K), or (N, T, K), of one of its networks for vectors (N, T, E)."""


@runtime_checkable
class SupportsTokenTargets(Protocol):
    """Fitted estimator whose networks predict the next token after each of a text: it needs no y.

    >>> from unrolled import LanguageModel, TextTagger
    >>> [isinstance(each, SupportsTokenTargets) for each in (LanguageModel(), TextTagger())]
    [True, False]
    """

    def token_targets(self, X: Any) -> Tensor:
        """Return the positions (N, T) of the next tokens among the classes, -100 beyond a text's length."""


@runtime_checkable
class SupportsSequenceTensors(Protocol):
    """Fitted estimator of whole sequences whose networks read padded tensors, as the probes need it.

    Besides, the probes read `cell` and, once it is fitted, `networks_` and `network_config_`.

    >>> from unrolled import Forecaster, SequenceClassifier
    >>> [isinstance(each, SupportsSequenceTensors) for each in (Forecaster(), SequenceClassifier())]
    [False, True]
    """

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether `fit` was called."""

    def output_classes(self) -> NDArray[Any] | None:
        """Return the classes (K,) whose logits the networks put out; None where they put out numbers."""

    def output_scale(self) -> tuple[float, float]:
        """Return the mean and the scale that turn the outputs of the networks into predictions."""

    def tensors(self, X: Any) -> tuple[Tensor, Tensor]:
        """Return scaled values (N, T, F), zero beyond a sequence's length, and lengths (N,)."""


@runtime_checkable
class SupportsFrameTimes(Protocol):
    """Fitted estimator of recordings, whose steps are frames so many seconds apart.

    Its networks read frames, its `fit` recordings: it is not retrained on what a probe has changed.
    """

    frame_s_: float
