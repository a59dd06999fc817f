"""Frame of the scores of all candidates of a comparison, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unrolled.data.io.frames import to_frame


def score_frame(
    rows: Sequence[Any], metrics: Sequence[str], level: float, *, texts: Sequence[str] = ("name", "note"),
    backend: str = "pandas",
) -> Any:  # fmt: skip
    """Return rows of scores as a frame; the interval's ends are called as in `accuracy-lo-95`.

    Args:
        rows: records with these texts and metrics, `interval`, `p_value`, `fit_seconds`, `predict_seconds`.
        metrics: the first is the one with an interval.
        level: of the interval, in per cent.
        texts: fields in front of the numbers.
        backend: library of the frame.
    """
    columns: dict[str, Any] = {
        name: np.array([getattr(row, name) for row in rows], dtype=object) for name in texts
    }
    numbers = {name: [getattr(row, name) for row in rows] for name in metrics}
    for k, side in enumerate(("lo", "hi")):
        numbers[f"{metrics[0]}-{side}-{level:g}"] = [row.interval[k] for row in rows]
    for name in ("p_value", "fit_seconds", "predict_seconds"):
        numbers[name] = [getattr(row, name) for row in rows]
    columns |= {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}
    return to_frame(columns, backend)
