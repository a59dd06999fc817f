"""The sentence on order: errors of numbers, and forecasters that are not tested."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from unrolled.probe.order_result import OrderResult
from unrolled.probe.wording.order import order_sentence


def _record(
    outcome: Any, p_value: float | None, losses: tuple[float, float], copies: int = 199
) -> OrderResult:
    rows = [
        {"arrangement": name, "loss": loss, "accuracy": None, "error": loss**0.5, "flipped": None}
        for name, loss in zip(("original", "shuffled"), losses, strict=True)
    ]
    return OrderResult("", outcome, p_value, None, rows, {}, np.full(copies, losses[1]), 2, "number", 40)


_MODEL: Any = SimpleNamespace(name="the Net", task="number", per_step=False)


def test_an_error_of_numbers_stands_beside_its_p_value() -> None:
    """It is the root of the loss that is tested, of the median shuffle."""
    assert order_sentence(_record("yes", 0.025, (4.0, 9.0), copies=39), _MODEL) == (
        "Order matters to this model: the Net has an error of 2, and of 3 in the median of 39 shuffles, a "
        "difference that chance alone makes in 2 of 100 cases, the least that 39 shuffles can show."
    )
    assert "(a shuffle does as well in 60 of 100 cases)" in order_sentence(
        _record("no", 0.6, (4.0, 4.1)), _MODEL
    )


def test_a_forecaster_is_quoted_without_a_p_value() -> None:
    """Its windows overlap."""
    sentence = order_sentence(_record("not tested", None, (4.0, 9.0)), _MODEL)
    assert sentence.startswith("Whether order matters to this model is not tested, because")
    assert sentence.endswith("of 3 in the median of 199 shuffles.")
