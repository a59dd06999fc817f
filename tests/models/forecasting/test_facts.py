"""Facts about a fitted Forecaster."""

from pathlib import Path

import numpy as np

from unrolled import Forecaster


def test_the_summary_and_the_card_say_what_was_fitted() -> None:
    """Network, window, horizon, transform, bounds and training; the footer has the transform's reason."""
    y = np.abs(np.random.default_rng(0).normal(size=60)).round(1)
    model = Forecaster(horizon=3, hidden_size=4, max_steps=8, bounds=(0, 9)).fit(y)
    summary = str(model.summary())
    for words in ("3 steps", "1 series, 60 steps, frequency none", "Bounds", model.transform_):
        assert words in summary
    model.save("model")
    card = Path("model/README.md").read_text()
    assert f"The transform was chosen because: {model.transform_reason_}." in card
