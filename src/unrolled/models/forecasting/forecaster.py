"""Forecaster: one recurrent network for one series or thousands, from a frame to calibrated quantiles."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.future import append_future
from unrolled.data.gaps import FILL_METHODS
from unrolled.data.io.frames import id_columns_of, to_frame
from unrolled.data.parse.categories import warn_of_later
from unrolled.data.preprocess.transforms import TRANSFORMS
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.forecasting.bounds import BoundsPair, OutputBounds, whole_numbers
from unrolled.models.forecasting.calibration import interpolate_quantile, rescale_quantiles
from unrolled.models.forecasting.checks import check_output_names, check_series, match_fitted
from unrolled.models.forecasting.data import ForecastData, forecast_times, prepare
from unrolled.models.forecasting.encoder import SeriesEncoder
from unrolled.models.forecasting.facts import card_footer, forecaster_facts
from unrolled.models.forecasting.network import (
    QUANTILES,
    ForecastNetwork,
    ForecastNetworkConfig,
    predict_quantiles,
)
from unrolled.models.forecasting.stream import ForecastStates
from unrolled.models.forecasting.training import fit_forecast_networks, forecast_training_config
from unrolled.models.forecasting.windows import EncodedSeries, ForecastBatch, Windows
from unrolled.models.parameters import Boolean, Choice, FloatRange, IntRange, RandomSource, UnusedBeside
from unrolled.models.persistence import ARRAY, PLAIN, SERIES, record_field
from unrolled.models.recurrent_core import CELLS
from unrolled.models.summary import Fact
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.train.config import Callback, Monitor, TrainingConfig
from unrolled.train.ensemble import report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import check_float, check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Forecaster(NetworkEstimator):
    """Forecaster of every step of a horizon, with calibrated bands, from the state after the newest step.

    One network is trained on all series together; each series keeps its own transform and scale. It is
    trained twice: first without the latest part of every series, to choose the number of steps and to
    calibrate the bands on that part; then anew on all steps, for that many.

    Args:
        horizon: steps ahead.
        cell: "lstm", "gru" or "rnn"; "feedforward" reads the same window without recurrence.
        hidden_size: units of the core and of the readout.
        num_layers: recurrent layers, one on the other.
        activation: of "rnn": tanh, relu, leaky_relu, prelu, sigmoid, identity, softsign, elu, hardtanh.
        dropout: between layers and before the readout, from 0 to below 1.
        window: steps the network reads; None for ten seasons, from 48 to 256, or what there is.
        transform: "auto", or one of `unrolled.data.preprocess.transforms.TRANSFORMS`.
        season: steps in a season, whose anchors and calendar the network then sees; 1 for none; None for
            what the frequency suggests, if more than a fifth of the series show it.
        bounds: lowest and highest forecast, such as (0, None); False or (None, None) for none; None for 0
            as the lowest where values reach it and never pass it, and the largest value as the highest where
            it recurs often. Medians, bands and quantiles keep them.
        integer: round forecasts to whole numbers.
        missing: how gaps are filled: "mask" repeats the last value, says where and since when, and learns no
            filled value; "forward", "linear" as `unrolled.read(fill=)`; None refuses them.
        n_members: networks with different seeds, whose quantiles are averaged.
        max_steps: steps of the optimizer at most, over which the learning rate falls to 0; None for twelve
            times `val_check_steps`.
        val_check_steps: steps between two checks of the validation loss; None for a quarter of the root of
            the number of windows, from 8 to 160.
        patience: checks without a lower validation loss before the training stops early; None for eight.
        batch_size: windows a step; None for 64, fewer if there are few windows.
        learning_rate: the peak of its one cycle.
        validation_fraction: the latest part of each series that the first training does not see; 0 trains
            once, for all steps, and leaves the bands as they were trained.
        random_state: seed of weights, shuffling and dropout.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds.

    After `fit`: `history_` (of the training that was validated), `transform_`, `transform_reason_`,
    `window_`, `season_`, `bounds_` (`bounds_.note` says which, and why), `networks_`, `network_config_`,
    `n_parameters_` (of one network), `seconds_`.

    >>> rng = np.random.default_rng(0)
    >>> walk = np.exp(np.cumsum(rng.normal(0.01, 0.05, size=120)))
    >>> model = Forecaster(horizon=3, hidden_size=8, max_steps=16).fit(walk)
    >>> list(model.predict().columns)
    ['unique_id', 'ds', 'lstm', 'lstm-lo-80', 'lstm-hi-80']
    >>> model.predict(horizon=2)["ds"].tolist()  # steps are counted where there are no dates
    [120, 121]
    """

    _network_class, _config_class = ForecastNetwork, ForecastNetworkConfig
    _stream_states = ForecastStates
    _learned: ClassVar = {
        "bounds_": record_field(OutputBounds),
        "season_": PLAIN,
        "transform_": PLAIN,
        "transform_reason_": PLAIN,
        "window_": PLAIN,
        "_encoder": record_field(SeriesEncoder),
        "_factors": ARRAY,
        "_series": SERIES,
    }
    _unused = (
        UnusedBeside(
            ("activation",), "cell", ("gru", "lstm", "feedforward"),
            "has its own; only cell='rnn' takes another than 'tanh'",
        ),
        UnusedBeside(("patience",), "validation_fraction", (0,), "holds nothing out"),
    )  # fmt: skip

    horizon: Annotated[int, IntRange(least=1)]
    cell: Annotated[str, Choice(CELLS)]
    hidden_size: Annotated[int, IntRange(least=1, most=16_384)]  # beyond, weights take gigabytes
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    activation: Annotated[str, Choice(NONLINEARITIES)]
    window: Annotated[int | None, IntRange(least=2)]
    transform: Annotated[str, Choice(("auto", *TRANSFORMS))]
    season: Annotated[int | None, IntRange(least=1)]
    bounds: Annotated[tuple[float | None, float | None] | bool | None, BoundsPair()]
    integer: Annotated[bool, Boolean()]
    missing: Annotated[str | None, Choice(FILL_METHODS)]
    n_members: Annotated[int, IntRange(least=1)]
    max_steps: Annotated[int | None, IntRange(least=1)]
    val_check_steps: Annotated[int | None, IntRange(least=1)]
    validation_fraction: Annotated[float, FloatRange(least=0, most=0.5)]

    bounds_: OutputBounds
    season_: int
    transform_: str
    transform_reason_: str
    window_: int
    _encoder: SeriesEncoder
    _factors: Floats
    _series: Sequences

    def __init__(
        self,
        horizon: int = 12,
        *,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        activation: str = "tanh",
        dropout: float = 0.0,
        window: int | None = None,
        transform: str = "auto",
        season: int | None = None,
        bounds: tuple[float | None, float | None] | bool | None = None,
        integer: bool = False,
        n_members: int = 1,
        max_steps: int | None = None,
        val_check_steps: int | None = None,
        patience: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 3e-3,
        validation_fraction: float = 0.1,
        missing: str | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    @shared_processors()
    def fit(
        self, series: Any, y: None = None, *, checkpoint: str | Path | None = None,  # noqa: ARG002
        callbacks: Sequence[Callback] = (),
    ) -> Self:  # fmt: skip
        """Learn from a file, a frame or a `Sequences`.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            series: whatever `unrolled.read` takes.
            y: not used; pipelines of scikit-learn pass it.
            checkpoint: a folder that holds the training after each check. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every check with a dict: stage, member, n_members, step,
                max_steps, epoch, train_loss, validation_loss, learning_rate, seconds. An error in one ends
                the fit and leaves the model as it was.

        Raises:
            ArgumentError: arguments are out of range; each is named on a line of its own.
            DataError: the series has gaps, missing values or too few steps, never changes, or passes a bound.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        start_s = time.perf_counter()
        series, bounds, data = self._prepare(series)
        warn_of_later(series)
        with self._name_remedies():
            fitted = fit_forecast_networks(
                data,
                self._network_config(data.windows),
                self._training_config,
                n_members=self.n_members,
                device=self.device,
                monitor=monitor,
            )
        report_interruption(fitted.ensemble)
        learned = {
            "bounds_": bounds,
            "history_": fitted.ensemble.history,
            "season_": data.season,
            "seconds_": time.perf_counter() - start_s,
            "transform_": data.encoder.common,
            "transform_reason_": data.encoder.reason,
            "window_": data.window,
            "_encoder": data.encoder,
            "_factors": fitted.factors,
            "_series": series,
        }
        self._set_learned(fitted.ensemble.networks, learned)
        return self

    def predict(
        self,
        series: Any = None,
        *,
        horizon: int | None = None,
        future: Any = None,
        level: float | Sequence[float] = (80,),
    ) -> Any:
        """Forecast what follows each series.

        Args:
            series: series to go on from, whose columns have the roles of those fitted on; None for those.
            horizon: steps ahead, at most as many as fitted.
            future: a frame, or the path of a file, with id, time and every known-future column over the whole
                fitted horizon.
            level: widths of the bands in per cent, above 0, at most 99.99. Beyond 95 the tails are those of
                a normal distribution.

        Returns:
            A frame of the kind that was given: id, time, the median, and the two ends of each band.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: the horizon is 0 or beyond the fitted one, or a level is out of range.
            DataError: the series is not like the fitted ones, or a known-future value is missing.
        """
        self._require_fitted()
        fitted, cell = self.network_config_.horizon, self.network_config_.cell
        steps = fitted if horizon is None else check_int("horizon", horizon, least=1, most=fitted)
        widths: Any = level if np.ndim(level) else [level]
        levels = dict.fromkeys(f"{check_float('level', width, above=0, most=99.99):g}" for width in widths)
        data = self._series if series is None else match_fitted(series, self._series, missing=self.missing)
        check_output_names(
            data, [cell, *(f"{cell}-{side}-{width}" for width in levels for side in ("lo", "hi"))]
        )
        lengths = data.observed
        self.bounds_.check(data)
        data = append_future(data, future, lengths, fitted)
        shares = {cell: 0.5}
        for width in levels:
            shares[f"{cell}-lo-{width}"] = 0.5 - float(width) / 200
            shares[f"{cell}-hi-{width}"] = 0.5 + float(width) / 200
        _, forecasts = self._forecast(data, (lengths - 1)[:, None], shares)
        frame = id_columns_of(data, np.repeat(np.arange(len(data)), steps))
        frame[data.names.time] = np.concatenate(
            [forecast_times(data, k, int(n), steps) for k, n in enumerate(lengths)]
        )
        for name, columns in forecasts.items():
            column = columns[:, 0, :steps].ravel()
            frame[name] = whole_numbers(column) if self.integer else column
        return to_frame(frame, data.backend)

    def forecast_origins(self, series: Sequences, origins: Ints, *, level: float = 80) -> dict[str, Any]:
        """Forecast from many origins at once, each from the steps up to it alone.

        Args:
            series: N sequences.
            origins: (N, K) positions of the last step that each forecast may know.
            level: width of the band in per cent.

        Returns:
            `point`, `lo`, `hi`: (N, K, h); `quantiles`: (N, K, h, Q) at
                `unrolled.models.forecasting.network.QUANTILES`.
        """
        self._require_fitted()
        shares = {"point": 0.5, "lo": 0.5 - level / 200, "hi": 0.5 + level / 200}
        quantiles, forecasts = self._forecast(series, origins, shares)
        return forecasts | {"quantiles": quantiles}

    def last_windows(self, series: Any = None, *, most: int = 256) -> ForecastBatch:
        """Return the windows before the latest origins whose next step is known, as the networks read them.

        Args:
            series: series like the fitted ones; None for those.
            most: windows of each series, at most.
        """
        self._require_fitted()
        data = self._series if series is None else match_fitted(series, self._series, missing=self.missing)
        horizon = self.network_config_.horizon
        windows = self._encoder.windows(self._encoder.encode(data, horizon), self.window_, horizon)
        steps = [np.arange(max(int(n) - 1 - most, 0), int(n) - 1) for n in data.observed]
        return windows.batch(np.concatenate([windows.rows(k, origins) for k, origins in enumerate(steps)]))

    @property
    def series_(self) -> Sequences:
        """Series that were fitted on."""
        self._require_fitted()
        return self._series

    def score(self, series: Any = None, y: None = None) -> float:  # noqa: ARG002 (scikit-learn passes both)
        """Refuse: a forecast has no score by itself.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(
            "Forecaster.score: a forecast has no score of its own, only one beside those of simple forecasts "
            "from the same origins. Call unrolled.backtest(model, series)."
        )

    def check_fit(self, series: Any) -> None:
        """Pass if `fit` could begin on these series, or raise what it would; nothing is trained."""
        self.check_parameters()
        self._prepare(series)

    def __sklearn_tags__(self) -> Any:
        """Describe an estimator of series to scikit-learn: rows of an array are series, not samples."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, False
        tags.input_tags.allow_nan = self.missing is not None
        return tags

    def _prepare(self, series: Any) -> tuple[Sequences, OutputBounds, ForecastData]:
        series = check_series(series, missing=self.missing)
        check_output_names(series, [self.cell])
        bounds = OutputBounds.of(self.bounds, series)
        return series, bounds, prepare(
            series, horizon=self.horizon, window=self.window, season=self.season, transform=self.transform,
            validation_fraction=self.validation_fraction,
        )  # fmt: skip

    def _facts(self) -> tuple[Fact, ...]:
        return forecaster_facts(
            self.network_config_, self._series, self.history_,
            window=self.window_, transform=self.transform_, bounds_note=self.bounds_.note,
        )  # fmt: skip

    def _card_footer(self) -> str:
        return card_footer(self.transform_reason_)

    def _forecast(
        self, series: Sequences, origins: Ints, shares: Mapping[str, float]
    ) -> tuple[Floats, dict[str, Floats]]:
        """Quantiles (N, K, h, Q), and those of the named shares (N, K, h), all within the bounds."""
        encoded = self._encoder.encode(series, self.network_config_.horizon)
        is_log = [one.transformed.transform.log for one in encoded]
        limits = self.bounds_.limits(series, origins, is_log=is_log, integer=bool(self.integer))
        raw = self._quantiles(encoded, origins)
        named = {name: interpolate_quantile(raw, QUANTILES, share) for name, share in shares.items()}
        return limits.apply(raw), {name: limits.apply(forecast) for name, forecast in named.items()}

    def _quantiles(self, encoded: list[EncodedSeries], origins: Ints) -> Floats:
        """Calibrated quantiles (N, K, h, Q), as values of the series."""
        horizon = self.network_config_.horizon
        windows = self._encoder.windows(encoded, self.window_, horizon)
        rows = np.concatenate([windows.rows(k, steps) for k, steps in enumerate(origins)])
        raw = predict_quantiles(self.networks_, windows, rows, self.device)
        predictions = rescale_quantiles(raw, self._factors).reshape(*origins.shape, horizon, len(QUANTILES))
        pairs = zip(encoded, origins, predictions, strict=True)
        return np.stack([one.transformed.levels(steps, quantiles) for one, steps, quantiles in pairs])

    def _network_config(self, windows: Windows) -> ForecastNetworkConfig:
        return ForecastNetworkConfig(
            cell=self.cell,
            inputs=windows.inputs.shape[1],
            window=windows.window,
            recent=windows.recent,
            horizon=self.horizon,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            activation=self.activation,
            dropout=float(self.dropout),
            anchors=windows.anchors,
            ahead=windows.ahead,
        )

    def _training_config(self, n_windows: int) -> TrainingConfig:
        return forecast_training_config(
            n_windows, self.cell, self.horizon, max_steps=self.max_steps, patience=self.patience,
            val_check_steps=self.val_check_steps, batch_size=self.batch_size,
            learning_rate=self.learning_rate, seed=self._draw_seed(),
        )  # fmt: skip
