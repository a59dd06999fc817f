"""Times, steps and model names in words, for the report and the command line."""

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
    "convgru": "ConvGRU",
    "convlstm": "ConvLSTM",
}


def level_percent(level: float) -> str:
    """Format the width of a band.

    >>> level_percent(80.0), level_percent(97.5)
    ('80 %', '97.5 %')
    """
    return f"{level:g} %"


def step_noun(freq: str | None) -> str:
    """Return the noun for one step; a step of several units is a "step".

    >>> step_noun("MS"), step_noun("W-SUN"), step_noun("15min"), step_noun(None)
    ('month', 'week', 'step', 'step')
    """
    word = unit_word(freq)
    return "step" if word[0].isdigit() else word


def time_words(time: Any, freq: str | None) -> str:
    """Format a time as precisely as its frequency needs.

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
    """Lay out a table of forecasts: time, lower bounds, median, upper bounds; return head and rows.

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
    """Return a model's display name; unknown names stay as they are.

    >>> model_name("RWD"), model_name("Theta")
    ('Drift', 'Theta')
    """
    return _MODELS.get(name, name)
