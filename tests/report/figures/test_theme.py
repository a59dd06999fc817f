"""The look that figures share, and how much of a series they draw."""

import numpy as np
import pytest

from unrolled.report.figures.theme import (
    BASELINE,
    INK,
    MUTED,
    NETWORK,
    axis_times,
    downsampled,
    escaped,
    log_ticks,
)


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [INK, MUTED, NETWORK, BASELINE])
def test_every_colour_of_text_can_be_read(colour: str) -> None:
    """WCAG AA: at least 4.5 to 1 on white, and on the tinted box of the verdict."""
    for paper in ("#ffffff", "#f7f6f2"):
        assert (_luminance(paper) + 0.05) / (_luminance(colour) + 0.05) >= 4.5


def test_a_long_series_is_thinned_without_losing_a_peak() -> None:
    """Both extremes and both ends are drawn, in order, and no more points than were asked for."""
    values = np.random.default_rng(0).normal(size=100_003)
    values[77_777], values[5] = 40.0, -40.0
    kept = downsampled(values, most=1000)
    assert len(kept) <= 1002
    assert {0, 5, 77_777, 100_002} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()


def test_a_short_series_and_missing_values_are_drawn_whole() -> None:
    """Nothing is thinned below the limit; stretches of NaN do not stop the search for extremes."""
    assert downsampled(np.arange(7.0)).tolist() == list(range(7))
    values = np.where(np.arange(10_000) < 5000, np.nan, 1.0)
    values[7000] = 9.0
    assert 7000 in downsampled(values, most=100)


@pytest.mark.parametrize(
    ("low", "high"), [(16.9, 2107), (1, 1e9), (0.91, 1.13), (1e-9, 1e9), (1650, 2380), (3, 3.001)]
)
def test_a_log_axis_has_a_few_round_ticks_within_its_bounds(low: float, high: float) -> None:
    """From three to nine, rising, whatever the span."""
    ticks = log_ticks(low, high)
    assert 3 <= len(ticks) <= 9
    assert ticks == sorted(ticks)
    assert low <= ticks[0] <= ticks[-1] <= high * (1 + 1e-12)


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-3, 5), (2, 2), (1, float("inf"))])
def test_no_ticks_where_there_is_no_log_axis(low: float, high: float) -> None:
    """Zero, negative or no span at all: plotly chooses."""
    assert log_ticks(low, high) == []


def test_times_are_as_short_as_they_can_be() -> None:
    """Midnights are dates, clocks stay, whole numbers stay numbers."""
    days = np.array(["2015-06-01", "2015-07-01"], dtype="datetime64[ns]")
    assert axis_times(days) == ["2015-06-01", "2015-07-01"]
    assert axis_times(days + np.timedelta64(90, "m"))[0] == "2015-06-01T01:30:00"
    assert axis_times(np.array([3, 4])) == [3, 4]


def test_a_users_word_holds_no_markup() -> None:
    """Plotly reads <b> and %{x} in any text."""
    assert escaped("<b>%{x}</b> & co") == "&lt;b&gt;% {x}&lt;/b&gt; &amp; co"
