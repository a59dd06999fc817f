"""Frames of the scores of a comparison."""

from types import SimpleNamespace

import polars as pl

from unrolled.evaluate.score_frame import score_frame


def test_a_row_has_its_scores_its_interval_and_its_times() -> None:
    """A p-value that is not there is NaN, in any library."""
    times = {"fit_seconds": 3.0, "predict_seconds": 1.0}
    rows = [
        SimpleNamespace(name="gru", bleu=30.0, chrf=50.0, interval=(28.0, 33.0), p_value=None, **times),
        SimpleNamespace(name="copy", bleu=2.0, chrf=9.0, interval=(1.0, 4.0), p_value=0.25, **times),
    ]
    frame = score_frame(rows, ("bleu", "chrf"), 90, texts=("name",), backend="polars")
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == [
        "name", "bleu", "chrf", "bleu-lo-90", "bleu-hi-90", "p_value", "fit_seconds", "predict_seconds",
    ]  # fmt: skip
    assert frame.row(1) == ("copy", 2.0, 9.0, 1.0, 4.0, 0.25, 3.0, 1.0)
    assert frame["p_value"].is_nan().to_list() == [True, False]
