"""Encoder of series: transforms and scales, learned at fit time and fixed from then on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import future_times
from unrolled.data.gap_columns import observed_targets
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.preprocess.time_features import cycle_features
from unrolled.data.preprocess.transforms import LEAST_RANGE, Scale, Transform, Transformed, choose_transform
from unrolled.data.sequences import Role, Sequences
from unrolled.errors import DataError
from unrolled.models.forecasting.windows import EncodedSeries, Windows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SeriesEncoder:
    """Transform of each series and scale of each input, learned from the fitted series.

    All series share what is subtracted (differences, seasonal differences, levels) and whether it is done
    on logarithms, since one network reads them all and weighs them by how far they move; only a series
    with values at or below 0 is read as it is among logarithms. Scales are each series' own.

    Args:
        transforms: the transform of each series by id.
        common: the transform of a series that was not there when the model was fitted, but for its log.
        reason: why these, half a sentence.
        scales: what `Transform.learn` said of each series.
        usual_move, usual_share: medians over the series.
        covariates: the scaler of each covariate.
        season: steps in a season.
        freq: the series' common step.
    """

    transforms: Mapping[str, str]
    common: str
    reason: str
    scales: Mapping[str, Scale]
    usual_move: float
    usual_share: float
    covariates: Mapping[str, StandardScaler]
    season: int
    freq: str | None

    @classmethod
    def learn(cls, series: Sequences, transform: str, season: int) -> SeriesEncoder:
        """Choose the transforms and measure the scales.

        Raises:
            DataError: the transform takes logarithms, and a value is not above 0.
        """
        targets = {i: _target(series, k) for k, i in enumerate(series.ids)}
        if transform == "auto":
            names, common, reason = _choose(targets, season)
        else:
            names, common, reason = dict.fromkeys(targets, transform), transform, "as asked"
        encoder = cls(names, common, reason, {}, 1.0, 1.0, {}, season, series.freq)
        return encoder.measured_on(series)

    def measured_on(self, series: Sequences) -> SeriesEncoder:
        """Keep the transforms and measure every scale on these steps.

        So a validation fit never knows the size of what validates it.
        """
        scales, rules, targets = {}, {}, {}
        for k, i in enumerate(series.ids):
            targets[i] = _target(series, k)
            rules[i] = Transform(self.transforms[i], self.season)
            scales[i] = rules[i].learn(targets[i], f"series '{i}'")
        move = float(np.median([s.move for s in scales.values() if s.move > 0] or [1.0]))
        shares = [rules[i].apply(targets[i], scales[i]._replace(move=move)).share[-1] for i in scales]
        covariates = {}
        for k, (name, role) in enumerate(zip(series.columns, series.roles, strict=True)):
            if role is not Role.TARGET:
                for key, column in _columns_of_labels(series, k).items():
                    covariates[key] = (
                        _label_scaler(column) if name in series.labels else StandardScaler.fit(column)
                    )
        return replace(
            self, scales=scales, usual_move=move, usual_share=float(np.median(shares)), covariates=covariates
        )

    def encode(self, series: Sequences, horizon: int) -> list[EncodedSeries]:
        """Encode each series as the network reads it, with the future inputs that are given.

        Raises:
            DataError: a covariate is missing, or log meets a value not above 0.
        """
        lengths = series.observed
        columns = {role: self._standardised(series, role) for role in Role if role is not Role.TARGET}
        is_observed = observed_targets(series)
        encoded = []
        for k, i in enumerate(series.ids):
            start, stop = int(series.offsets[k]), int(series.offsets[k + 1])
            y = series.target[start : start + lengths[k]]
            transformed = self._transformed(i, y)
            rows = slice(start, start + int(lengths[k]))
            past = [columns[Role.PAST][rows], columns[Role.STATIC][rows]]
            if self.season > 1:
                past.append(seasonal_moves(transformed, self.season))
            future = columns[Role.FUTURE][start : min(stop, rows.stop + horizon)]
            ahead = self._cycles(series, rows, horizon)
            together = np.zeros((max(len(future), len(ahead)), future.shape[1] + ahead.shape[1]))
            together[: len(future), : future.shape[1]] = future
            together[: len(ahead), future.shape[1] :] = ahead
            encoded.append(EncodedSeries(transformed, np.column_stack(past), together, is_observed[rows]))
        return encoded

    def windows(self, encoded: list[EncodedSeries], window: int, horizon: int) -> Windows:
        """Return all windows of these series."""
        return Windows(
            encoded, window=window, horizon=horizon, season=self.season, usual_share=self.usual_share
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        covariates = {name: scaler.to_dict() for name, scaler in self.covariates.items()}
        return asdict(replace(self, covariates={})) | {"covariates": covariates}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> SeriesEncoder:
        """Return the encoder that `to_dict` wrote."""
        scales = {i: Scale(*numbers) for i, numbers in record["scales"].items()}
        covariates = {name: StandardScaler.from_dict(part) for name, part in record["covariates"].items()}
        return cls(**{**record, "scales": scales, "covariates": covariates})

    def rule_of(self, series_id: str, *, is_positive: bool) -> tuple[Transform, Scale]:
        """Return the transform and the scale of a series.

        Args:
            series_id: one that was not fitted on has the common transform and the usual scale.
            is_positive: whether all its values are above 0.

        Raises:
            DataError: it was not fitted on, and the transform knows the ranges of fitted series only.
        """
        name = self.transforms.get(series_id) or _with_log(
            self.common, log=self.common.startswith("log") and is_positive
        )
        scale = self.scales.get(series_id)
        if scale is None:
            if name == "minmax":
                raise DataError(
                    f"series '{series_id}': transform 'minmax' only knows the ranges of the series it was "
                    "fitted on, and this is none of them. Fit with another transform."
                )
            scale = Scale(self.usual_move, 0.0, 1.0)
        return Transform(name, self.season), scale._replace(move=self.usual_move)

    def _transformed(self, series_id: str, y: Floats) -> Transformed:
        rule, scale = self.rule_of(series_id, is_positive=bool(y.min() > 0))
        return rule.apply(y, scale, f"series '{series_id}'")

    def _standardised(self, series: Sequences, role: Role) -> Floats:
        """Standardise the columns (ΣT, ·) of this role by mean and deviation of the fitted data."""
        columns = [
            column for k in series.columns_of(role) for column in _columns_of_labels(series, k).items()
        ]
        scaled = [self.covariates[name].transform(column) for name, column in columns]
        return np.nan_to_num(np.column_stack(scaled)) if scaled else np.empty((len(series.values), 0))

    def _cycles(self, series: Sequences, rows: slice, horizon: int) -> Floats:
        if series.times is None or self.freq is None or self.season == 1:
            return np.empty((rows.stop - rows.start, 0))
        times = series.times[rows]
        return cycle_features(np.concatenate([times, future_times(times[-1], self.freq, horizon)]), self.freq)


def _columns_of_labels(series: Sequences, k: int) -> dict[str, Floats]:
    """Expand a column of labels to one of zeros and ones for each; a column of numbers is itself."""
    name, values = series.columns[k], series.values[:, k]
    if name not in series.labels:
        return {name: values}
    return {
        f"{name}={label}": (values == code).astype(np.float64)
        for code, label in enumerate(series.labels[name])
    }


def _label_scaler(column: Floats) -> StandardScaler:
    """Scale a column of zeros and ones; one that does not change is zero, whatever comes later."""
    scaler = StandardScaler.fit(column)
    return scaler if np.ptp(column) > 0 else scaler._replace(scale=np.array(np.inf))


def _target(series: Sequences, k: int) -> Floats:
    y: Floats = series[k].target
    return y[~np.isnan(y)]


def _choose(targets: Mapping[str, Floats], season: int) -> tuple[dict[str, str], str, str]:
    """Return the transform of each series, that of new series, and the reason."""
    chosen = {i: choose_transform(y, season) for i, y in targets.items()}
    if len(chosen) == 1:
        ((i, (name, reason)),) = chosen.items()
        return {i: name}, name, reason
    votes = Counter(_with_log(name, log=False) for name, _ in chosen.values())
    common = votes.most_common(1)[0][0]
    # A series that hardly changes its level cannot tell percentages from amounts: it has no vote.
    voters = [i for i, y in targets.items() if y.min() > 0 and y.max() >= LEAST_RANGE * y.min()]
    logs = sum(chosen[i][0].startswith("log") for i in voters)
    log = 2 * logs > len(voters)
    names = {i: _with_log(common, log=log and bool(y.min() > 0)) for i, y in targets.items()}
    reason = (
        f"{common} suits {votes[common]} of {len(targets)} series; of the {len(voters)} whose level moves "
        f"enough to tell, {logs} change in proportion to it"
    )
    return names, _with_log(common, log=log), reason


def _with_log(common: str, *, log: bool) -> str:
    base = common.removeprefix("log-").replace("log", "scale")
    if not log or base not in {"scale", "difference", "seasonal-difference"}:
        return base
    return "log" if base == "scale" else f"log-{base}"


def seasonal_moves(transformed: Transformed, season: int) -> Floats:
    """Compute the change over a season (T,), in units of each step; 0 in the first season."""
    g = transformed.working
    moves = np.zeros(len(g))
    moves[season:] = (g[season:] - g[:-season]) / transformed.unit[season:]
    return moves
