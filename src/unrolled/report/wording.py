"""Times, steps and names of models as a person writes them, for the report and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.data.calendar.offsets import unit_word
from unrolled.formatting import number_column

if TYPE_CHECKING:
    from unrolled.report.records import SeriesForecast

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_MODELS = {
    "Naive": "Last value",
    "RWD": "Drift",
    "AR1": "AR(1)",
    "SeasonalNaive": "Last season's value",
    "feedforward": "Feed-forward net",
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "RNN",
}


_TRANSFORMS = {
    "scale": "values on a common scale",
    "minmax": "values between their lowest and highest",
    "log": "logarithms",
    "difference": "changes",
    "log-difference": "changes of the logarithm",
    "seasonal-difference": "changes over a season",
    "log-seasonal-difference": "changes of the logarithm over a season",
}


def level_percent(level: float) -> str:
    """Format the width of a band.

    >>> level_percent(80.0), level_percent(97.5)
    ('80 %', '97.5 %')
    """
    return f"{level:g} %"


def step_noun(freq: str | None) -> str:
    """Noun for one step; a step of several units is a "step".

    >>> step_noun("MS"), step_noun("W-SUN"), step_noun("15min"), step_noun(None)
    ('month', 'week', 'step', 'step')
    """
    word = unit_word(freq)
    return "step" if word[0].isdigit() else word


def step_quantity(count: int, freq: str | None) -> str:
    """Format a number of steps with their unit.

    >>> step_quantity(12, "MS"), step_quantity(1, "D"), step_quantity(4, "15min")
    ('12 months', '1 day', '4 steps of 15 minutes')
    """
    word = unit_word(freq)
    plural = "" if count == 1 else "s"
    return f"{count:,} step{plural} of {word}" if word[0].isdigit() else f"{count:,} {word}{plural}"


def time_words(time: Any, freq: str | None) -> str:
    """One time of an axis, as precisely as its frequency needs.

    >>> time_words(np.datetime64("2015-06-01"), "MS"), time_words(7, "1")
    ('June 2015', '7')
    >>> time_words(np.datetime64("2015-06-01T14:00"), "h")
    '1 June 2015, 14:00'
    """
    time = np.asarray(time)[()]
    if not isinstance(time, np.datetime64):
        return f"{int(time)}" if isinstance(time, int | np.integer) else str(time)
    if np.isnat(time):
        return "unknown"
    text = np.datetime_as_string(time, unit="s")
    year, month, day = text[:10].split("-")[-3:]
    kind = step_noun(freq)
    if kind == "year":
        return year
    if kind == "quarter":
        return f"quarter {(int(month) - 1) // 3 + 1} of {year}"
    if kind == "month":
        return f"{_MONTHS[int(month) - 1]} {year}"
    date = f"{int(day)} {_MONTHS[int(month) - 1]} {year}"
    clock = text[11:16] if text.endswith(":00") else text[11:]
    return date if clock == "00:00" and kind not in {"hour", "minute", "second"} else f"{date}, {clock}"


def forecast_table(one: SeriesForecast, freq: str | None) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of a table of forecasts: when, low ends, the middle, high ends.

    >>> from unrolled.report.records import SeriesForecast
    >>> past, ahead = np.arange(2), np.array([2])
    >>> band = {80: (np.array([2.5]), np.array([3.5]))}
    >>> forecast_table(SeriesForecast("a", past, past + 1.0, ahead, np.array([3.0]), band), None)
    (['Step', 'Low, 80 %', 'Middle', 'High, 80 %'], [['2', '2.500', '3.000', '3.500']])
    """
    levels = sorted(one.bands)
    columns = [one.bands[level][0] for level in reversed(levels)]
    columns += [one.point, *(one.bands[level][1] for level in levels)]
    heads = [
        step_noun(freq).capitalize(),
        *(f"Low, {level_percent(level)}" for level in reversed(levels)),
        "Middle",
    ]
    heads += [f"High, {level_percent(level)}" for level in levels]
    texts = np.array(number_column(np.concatenate(columns).tolist())).reshape(len(columns), -1)
    rows = zip((time_words(time, freq) for time in one.future_times), *texts.tolist(), strict=True)
    return heads, [list(row) for row in rows]


def model_name(name: str) -> str:
    """A model's column name as a reader would say it; unknown names stay as they are.

    >>> model_name("RWD"), model_name("Theta")
    ('Drift', 'Theta')
    """
    return _MODELS.get(name, name)


def transform_name(name: str) -> str:
    """Describe what a network sees under a transform.

    >>> transform_name("log-difference")
    'changes of the logarithm'
    """
    return _TRANSFORMS.get(name, name)
