"""Check the sentence of a probe against the numbers of its own record.

Every conclusion that a sentence can draw is a row here: the words, and what the record must hold for them. A
record whose sentence says otherwise is a bug of ours and is not returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Claim = tuple[str, Callable[[Any], bool]]  # words, and whether a record bears them out
R = TypeVar("R")

_SIGNIFICANT = 0.05
_SAME_LOSS = 1e-4  # relative difference that comes of the order of sums in float32


def _order_row(record: Any, name: str) -> dict[str, Any]:
    return next(row for row in record.table if row["arrangement"] == name)


def is_right_more_often(record: Any) -> bool:
    """Tell whether the steps in order give more right answers than shuffled ones; true for numbers."""
    if record.task == "number":
        return True
    return bool(_order_row(record, "original")["accuracy"] > _order_row(record, "shuffled")["accuracy"])


def ignores_order(record: Any) -> bool:
    """Tell whether no shuffle changes the predictions or their loss."""
    original, shuffled = _order_row(record, "original")["loss"], record.shuffled_losses
    return not _order_row(record, "shuffled")["flipped"] and bool(
        np.allclose(shuffled, original, rtol=_SAME_LOSS, atol=0.0)
    )


def _gains_from_order(record: Any) -> bool:
    original = _order_row(record, "original")["loss"]
    return bool(record.p_value <= _SIGNIFICANT and original < np.median(record.shuffled_losses))


def is_rewarded_more_often(retrained: Any) -> bool:
    """Tell whether models retrained on the order are right more often; true for numbers."""
    return bool(retrained.accuracies is None or retrained.accuracies[0] > retrained.accuracies[1])


def _data_reward_order(retrained: Any) -> bool:
    return bool(retrained.p_value <= _SIGNIFICANT and retrained.original < retrained.shuffled)


def differs_in_answers(record: Any) -> bool:
    """Tell whether the network with the lower loss also has the better score; true for numbers."""
    losses = record.recurrent.loss - record.feedforward.loss
    return bool(record.task == "number" or losses * (record.recurrent.score - record.feedforward.score) < 0)


def _is_lower(record: Any, better: str, worse: str) -> bool:
    return bool(record.p_value <= _SIGNIFICANT and getattr(record, better).loss < getattr(record, worse).loss)


def _finite_scores(record: Any) -> list[float]:
    return [row.score for row in record.rows if math.isfinite(row.score)]


def _best_is_best(record: Any) -> bool:
    sign = 1 if record.task == "class" else -1
    best = next(row for row in record.rows if row.name == record.best)
    return all(sign * best.score >= sign * score for score in _finite_scores(record))


def _reference(record: Any) -> Any:
    return next(row for row in record.rows if row.length == record.trained_length)


def has_skill(record: Any) -> bool:
    """Tell whether the score at the trained length is better than the constant prediction's."""
    sign = 1 if record.task == "class" else -1
    return bool(sign * _reference(record).score > sign * record.baseline_score)


def _keeps_skill(record: Any) -> bool:
    longer = [row for row in record.rows if row.length > record.trained_length]
    middle = (_reference(record).score + record.baseline_score) / 2
    bounds = [row.low - middle if record.task == "class" else middle - row.high for row in longer]
    return bool(longer) and min(bounds) > 0


def _falls(record: Any) -> bool:
    worse = next(row for row in record.rows if row.length == record.falls_at)
    reference = _reference(record)
    return bool(worse.high < reference.low if record.task == "class" else worse.low > reference.high)


def _layer(record: Any) -> Any:
    return record.layers[record.worst_layer]


_CLAIMS: dict[str, tuple[Claim, ...]] = {
    "influence": (
        ("turns no answer", lambda r: not any(turns.any() for turns in r.turns)),
        ("turns the answer", lambda r: any(turns.any() for turns in r.turns)),
        ("speaks most for", lambda r: r.influence[0].max() > 0),
    ),
    "order": (
        ("Order matters to this model:", lambda r: _gains_from_order(r) and is_right_more_often(r)),
        ("Order matters to how sure this model is", _gains_from_order),
        ("Order does not matter to this model", ignores_order),
        ("is not shown to gain", lambda r: r.p_value > _SIGNIFICANT and not ignores_order(r)),
        (
            "The data reward order:",
            lambda r: _data_reward_order(r.retrained) and is_rewarded_more_often(r.retrained),
        ),
        ("The data reward order in how sure models are", lambda r: _data_reward_order(r.retrained)),
        ("The data are not shown to reward order", lambda r: r.retrained.p_value > _SIGNIFICANT),
    ),
    "feedforward": (
        ("Recurrence helps here", lambda r: _is_lower(r, "recurrent", "feedforward")),
        ("Recurrence harms here", lambda r: _is_lower(r, "feedforward", "recurrent")),
        ("helps here:", differs_in_answers),
        ("harms here:", differs_in_answers),
        ("No difference is shown", lambda r: r.p_value > _SIGNIFICANT),
    ),
    "activations": (
        ("does best", lambda r: _best_is_best(r) and len(set(_finite_scores(r))) > 1),
        ("are alike", lambda r: len(set(_finite_scores(r))) == 1),
        ("no training diverged", lambda r: not any(row.diverged.any() for row in r.rows)),
        ("held-out", lambda r: r.held_out > 0),
        ("trained on", lambda r: r.held_out == 0),
    ),
    "length": (
        ("holds on longer sequences:", lambda r: has_skill(r) and _keeps_skill(r)),
        ("no better than always predicting", lambda r: not has_skill(r)),
        ("on longer sequences: it", lambda r: r.falls_at is None or _falls(r)),
    ),
    "memory": (
        ("Replacing steps puts", lambda r: r.overlap >= 0.5),
        ("disagrees", lambda r: r.overlap < 0.5),
        ("depends most on the newest step", lambda r: r.gradient_span.peak == 0),
        ("remembers nothing", lambda r: not r.gradient.any()),
    ),
    "gradients": (
        (" fall by", lambda r: _layer(r).growth < 1),
        (" grow by", lambda r: _layer(r).growth > 1),
        ("they explode", lambda r: r.outcome == "exploding"),
        ("they vanish", lambda r: r.outcome == "vanishing" and _layer(r).growth < 1),
        ("they are healthy", lambda r: r.outcome == "healthy"),
    ),
    "states": (
        ("is memory", lambda r: bool(np.isfinite(r.memory_share).any())),
        ("of its variance", lambda r: float(r.explained.sum()) > 0),
    ),
}  # fmt: skip


def checked(record: R) -> R:
    """Return a record whose sentence its own numbers bear out.

    Raises:
        AssertionError: they do not, which is a bug of the probe.
    """
    result: Any = record
    for words, is_borne_out in _CLAIMS[result.kind]:
        assert words not in result.sentence or is_borne_out(result), f"{words!r}: {result.sentence}"
    return record
