"""Numbers, dates and spans as a person writes them, for the page and the command line alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.data.calendar.offsets import unit_word

if TYPE_CHECKING:
    from unrolled.report.records import SeriesForecast

_SMALL, _LARGE = 1e-4, 1e15  # what lies beyond is told with an exponent
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_MODELS = {
    "Naive": "Last value",
    "RWD": "Drift",
    "AR1": "AR(1)",
    "SeasonalNaive": "Last season's value",
    "FeedForward": "Feed-forward net",
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


def number(value: float, significant: int = 4) -> str:
    """A number with thousands separated, rounded to so many digits but never within its whole part.

    >>> number(7412.55), number(16.884), number(0.001234), number(-3.0), number(float("nan"))
    ('7,413', '16.88', '0.001234', '−3', 'unknown')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "infinite" if value > 0 else "−infinite"
    size = abs(value)
    if size >= _LARGE or 0 < size < _SMALL:
        return f"{value:.{significant - 1}e}".replace("-", "−")
    places = 0 if size == 0 else significant - 1 - math.floor(math.log10(size))
    text = f"{value:,.{max(places, 0)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def column(values: Sequence[float], significant: int = 4) -> list[str]:
    """Numbers for one column of a table: all with the same number of places, or all with an exponent.

    >>> column([1012.25, 998.4, float("nan")]), column([2.5e17, -1.0]), column([0.0, 0.000025])
    (['1,012', '998', '–'], ['2.500e+17', '−1.000e+00'], ['0.000e+00', '2.500e−05'])
    """
    sizes = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if sizes and not _SMALL <= max(sizes) < _LARGE:
        texts = [f"{v:.{significant - 1}e}".replace("-", "−") for v in map(float, values)]
        return [text if math.isfinite(v) else "–" for text, v in zip(texts, values, strict=True)]
    places = max(significant - 1 - math.floor(math.log10(max(sizes))), 0) if sizes else 0
    return [
        f"{v:,.{min(places, 9)}f}".replace("-", "−") if math.isfinite(v) else "–" for v in map(float, values)
    ]


def percent(share: float, places: int = 0, *, signed: bool = False) -> str:
    """A share as a percentage, with a space that no line breaks at.

    >>> percent(0.8).split(), percent(0.0073, 2, signed=True).split()
    (['80', '%'], ['+0.73', '%'])
    """
    if not math.isfinite(share):
        return "unknown"
    return f"{100 * share:{'+' if signed else ''},.{places}f}\u00a0%".replace("-", "−")


def width(level: float) -> str:
    """The width of a band, as it was asked for.

    >>> width(80.0).split(), width(97.5).split()
    (['80', '%'], ['97.5', '%'])
    """
    return f"{level:g}\u00a0%"


def duration(seconds: float) -> str:
    """A time that passed.

    >>> duration(0.042), duration(8.31), duration(75), duration(7300), duration(0.0001)
    ('0.04 s', '8.3 s', '1 min 15 s', '2 h 1 min', '<0.01 s')
    """
    if seconds < 0.005:
        return "<0.01 s"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def unit(freq: str | None) -> str:
    """What one step is called; a step of several units is a step.

    >>> unit("MS"), unit("W-SUN"), unit("15min"), unit(None)
    ('month', 'week', 'step', 'step')
    """
    word = unit_word(freq)
    return "step" if word[0].isdigit() else word


def steps(count: int, freq: str | None) -> str:
    """So many steps, in words.

    >>> steps(12, "MS"), steps(1, "D"), steps(4, "15min")
    ('12 months', '1 day', '4 steps of 15 minutes')
    """
    word = unit_word(freq)
    plural = "" if count == 1 else "s"
    return f"{count:,} step{plural} of {word}" if word[0].isdigit() else f"{count:,} {word}{plural}"


def moment(time: Any, freq: str | None) -> str:
    """One time of an axis, as precisely as its frequency needs.

    >>> moment(np.datetime64("2015-06-01"), "MS"), moment(7, "1")
    ('June 2015', '7')
    >>> moment(np.datetime64("2015-06-01T14:00"), "h")
    '1 June 2015, 14:00'
    """
    time = np.asarray(time)[()]
    if not isinstance(time, np.datetime64):
        return f"{int(time)}" if isinstance(time, int | np.integer) else str(time)
    if np.isnat(time):
        return "unknown"
    text = np.datetime_as_string(time, unit="s")
    year, month, day = text[:10].split("-")[-3:]
    kind = unit(freq)
    if kind == "year":
        return year
    if kind == "quarter":
        return f"quarter {(int(month) - 1) // 3 + 1} of {year}"
    if kind == "month":
        return f"{_MONTHS[int(month) - 1]} {year}"
    date = f"{int(day)} {_MONTHS[int(month) - 1]} {year}"
    clock = text[11:16] if text.endswith(":00") else text[11:]
    return date if clock == "00:00" and kind not in {"hour", "minute", "second"} else f"{date}, {clock}"


def forecast_rows(one: SeriesForecast, freq: str | None) -> tuple[list[str], list[list[str]]]:
    r"""The head and the rows of a table of forecasts: when, low ends, the middle, high ends.

    >>> from unrolled.report.records import SeriesForecast
    >>> past, ahead = np.arange(2), np.array([2])
    >>> band = {80: (np.array([2.5]), np.array([3.5]))}
    >>> forecast_rows(SeriesForecast("a", past, past + 1.0, ahead, np.array([3.0]), band), None)
    (['Step', 'Low, 80\xa0%', 'Middle', 'High, 80\xa0%'], [['2', '2.500', '3.000', '3.500']])
    """
    levels = sorted(one.bands)
    columns = [one.bands[level][0] for level in reversed(levels)]
    columns += [one.point, *(one.bands[level][1] for level in levels)]
    heads = [unit(freq).capitalize(), *(f"Low, {width(level)}" for level in reversed(levels)), "Middle"]
    heads += [f"High, {width(level)}" for level in levels]
    texts = np.array(column(np.concatenate(columns).tolist())).reshape(len(columns), -1)
    rows = zip((moment(time, freq) for time in one.future_times), *texts.tolist(), strict=True)
    return heads, [list(row) for row in rows]


def model_name(name: str) -> str:
    """A model's column name as a reader would say it; unknown names stay as they are.

    >>> model_name("RWD"), model_name("Theta")
    ('Drift', 'Theta')
    """
    return _MODELS.get(name, name)


def transform_name(name: str) -> str:
    """What a network sees under a transform.

    >>> transform_name("log-difference")
    'changes of the logarithm'
    """
    return _TRANSFORMS.get(name, name)


def joined(words: Sequence[str]) -> str:
    """A list as it is spoken.

    >>> joined(["a"]), joined(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def sentence(text: str) -> str:
    """A note as a sentence: capital first, full stop last.

    >>> sentence("rows were sorted by date")
    'Rows were sorted by date.'
    """
    text = text.strip()
    return text if not text else text[0].upper() + text[1:] + ("" if re.search(r"[.!?]$", text) else ".")
