"""The figure of a recording: sound, state and decision on one axis of seconds."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from unrolled.report.figures.dispatch import figure


def make_trace(n: int, *, words: bool) -> Any:
    """A record as `trace` gives it, of n frames."""
    rng = np.random.default_rng(0)
    written = (SimpleNamespace(text="<b>yes", start_s=0.02, end_s=0.05),) if words else None
    decisions = rng.dirichlet(np.ones(4), n)
    return SimpleNamespace(
        kind="recording trace", name="a.wav", seconds=n / 100, answer="yes", sentence="a.wav: heard.",
        step_s=0.01, hertz=np.geomspace(50, 3900, 7), frames=rng.normal(-40, 9, (n, 7)), state_s=0.02,
        states=rng.normal(size=(n // 2, 5)), labels=("", "a", "b", " ") if words else ("w", "x", "y", "z"),
        decisions=decisions, written=written,
    )  # fmt: skip


def test_three_rows_share_the_seconds() -> None:
    """Two heat maps, and a line a class."""
    plot = figure(make_trace(50, words=False))
    assert [trace.type for trace in plot.data] == ["heatmap", "heatmap"] + ["scatter"] * 4
    assert plot.data[0].x[-1] == plot.data[2].x[-1]
    np.testing.assert_allclose([plot.data[0].x[0], plot.data[1].x[0]], [0.005, 0.01])
    assert plot.layout.yaxis.ticktext == ("200 Hz", "500 Hz", "1 kHz", "2 kHz")


def test_tokens_have_lines_and_words_stand_above() -> None:
    """None for the blank; a user's text is no markup."""
    plot = figure(make_trace(50, words=True))
    assert sorted(trace.name for trace in plot.data if trace.type == "scatter") == ["a", "b", "space"]
    assert [note.text for note in plot.layout.annotations] == ["&lt;b&gt;yes"]


def test_a_long_recording_is_averaged_to_what_a_screen_shows() -> None:
    """Its last part may be shorter, and the axis is the same."""
    trace = make_trace(2501, words=False)
    plot = figure(trace)
    z = np.array(plot.data[0].z)
    assert z.shape == (7, 501)
    np.testing.assert_allclose(z[:, 0], trace.frames[:5].mean(0))
    np.testing.assert_allclose(z[:, -1], trace.frames[2500])
    assert 24.9 < plot.data[0].x[-1] < 25.1
