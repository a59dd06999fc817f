"""Test whether the order of the steps matters: to this model, and in this data.

Model    Rank the model's mean loss on the original sequences among its mean losses on R copies. In each copy
         the steps of every sequence are shuffled on their own. Under the null hypothesis (the steps of a
         sequence are exchangeable, whatever its y) the original is one of R + 1 copies alike, and

             p = (1 + number of copies with a loss no larger) / (1 + R)

         is at most α with a probability of at most α: exactly, for any model, any number of sequences and
         any lengths. Ties count against the original, so a model that cannot see the order has p = 1. The
         sequences must be new to the model: it may remember the order of those it was fitted on.

Data     Retrain the model by cross-validation, on the original sequences and on shuffled ones, and compare
         the losses on the held-out folds: see `unrolled.probe.measure.retrain`. Training data may be used.
         The test also holds where sequences are ordered but the order tells nothing, as in smooth curves of
         which only the mean counts: a model has never seen such a curve shuffled.

The statistic is the mean loss (log loss of labels, squared error of numbers), because accuracies tie.
`benchmarks/probe_trust.py` measures the error rates of both tests.

A Forecaster gets no p-value. Its windows overlap, and its readout sees levels that stay in place, so a
shuffled copy differs from the original even where the order tells nothing (on noise p was at most 0.01 in 14
of 60 trials).

Shapes: N sequences, T steps of the longest, R copies.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.splits import seeded_folds
from unrolled.formatting import duration
from unrolled.models.parameters import Boolean
from unrolled.probe.measure.permutation_scores import (
    DrawPermutations,
    PermutationScores,
    default_repeats,
    score_permutations,
)
from unrolled.probe.measure.permutations import (
    block_permutations,
    identity_permutations,
    log_distinct_orders,
    reversed_permutations,
    shuffled_permutations,
)
from unrolled.probe.measure.retrain import (
    MIN_FOLD_SIZE,
    cross_validate_pair,
    default_folds,
    fold_strata,
    make_fit_and_score,
    require_trainable,
    training_sequences,
)
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.forecaster import ForecastCall
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.targets import align_to_frame
from unrolled.probe.model.texts import TextCall
from unrolled.probe.model.unwrap import unwrap_model
from unrolled.probe.order_result import OrderResult, Outcome, RetrainResult
from unrolled.probe.wording.claims import checked
from unrolled.probe.wording.order import order_sentence
from unrolled.probe.wording.scores import Task
from unrolled.stats.permutation import permutation_p
from unrolled.train.progress import ProgressLine
from unrolled.train.threads import shared_processors
from unrolled.validation import check_int

Floats = NDArray[np.float64]

_FEW: Literal["too few to tell"] = "too few to tell"
_UNTESTED: Literal["not tested"] = "not tested"
_SIGNIFICANT = 0.05
_MOST_SEQUENCES = 1000  # shuffled; a random sample of more


@shared_processors()
def order(
    model: Any, X: Any, y: Any, *, repeats: int | None = None, retrain: bool = True, folds: int | None = None,
    random_state: int = 0,
) -> OrderResult:  # fmt: skip
    """Test whether a model uses the order of the steps, and whether the data reward it.

    Args:
        model: fitted estimator or torch module: see `unrolled.probe.as_probed_model`.
        X: sequences that are new to the model; the p-value of the model needs that. Of more than 1,000 a
            random sample is shuffled.
        y: their labels or numbers. Those of single steps move with their steps.
        repeats: R, number of shuffled copies; a quarter as many have blocks shuffled. None for 199, or for
            fewer where those would have more than 20 million steps, down to 39. No p-value is below
            1 / (1 + R): 0.005 for 199, 0.025 for 39.
        retrain: retrain the model, twice for each fold, to test the data. Only X and y are used, so this test
            also holds for training data.
        folds: folds of the cross-validation; None for 10, or 5 for fewer than 40 or more than 500 sequences.
        random_state: seed of the sample, the shuffles, the folds and the trainings.

    Returns:
        A record that prints as a table and one sentence.

    Raises:
        ArgumentError: the model cannot be probed or retrained, or an argument is out of range.
        DataError: X or y cannot be used.

    A sequence of one step has no order and changes nothing. Two sequences of two steps have 4 arrangements
    together: too few to tell.

    >>> class Last(torch.nn.Module):  # its output is the newest step
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = torch.nn.RNN(1, 1)
    ...     def forward(self, x):
    ...         return torch.cat([-9 * x[:, -1], 9 * x[:, -1]], 1)
    >>> X = torch.randn(40, 6, 1, generator=torch.Generator().manual_seed(0))
    >>> result = order(Last(), X, (X[:, -1, 0] > 0).long(), repeats=99, retrain=False)
    >>> result.outcome, result.p_value
    ('yes', 0.01)
    """
    if repeats is not None:
        check_int("repeats", repeats, least=19)
    if folds is not None:
        check_int("folds", folds, least=3)
    Boolean().check("retrain", retrain)
    random_state = check_int("random_state", random_state, most=2**62)
    model, X = unwrap_model(model, X, caller="order")
    if retrain:
        require_trainable(model)
    probed = as_probed_model(model, X, y, caller="order")
    if not isinstance(probed.call, TextCall):  # a series of texts has no steps to align with
        y = align_to_frame(y, X, per_step=probed.per_step, caller="order y")
    probed.require_finite()
    generator = torch.Generator().manual_seed(random_state)
    rows = torch.arange(len(probed))
    if len(rows) > _MOST_SEQUENCES:
        rows = torch.randperm(len(rows), generator=generator)[:_MOST_SEQUENCES].sort().values
    sample = probed.select(rows)
    block = max(2, round(math.sqrt(float(sample.lengths.double().median()))))
    scores = _score_arrangements(sample, repeats, block, generator)
    losses = scores["shuffled"].losses.mean(1)
    p_value, outcome = _test_model(sample, float(scores["original"].losses.mean()), losses)
    retrained = retrain_on_shuffles(model, probed, y, folds=folds, seed=random_state) if retrain else None
    record = OrderResult(
        sentence="",
        outcome=outcome,
        p_value=p_value,
        retrained=retrained,
        table=[_row(name, each, sample.task) for name, each in scores.items()],
        predictions={name: each.predictions for name, each in scores.items()},
        shuffled_losses=losses,
        block=block,
        task=sample.task,
        sequences=len(sample),
    )
    return checked(replace(record, sentence=order_sentence(record, probed)))


def _score_arrangements(
    sample: ProbedModel, repeats: int | None, block: int, generator: torch.Generator
) -> dict[str, PermutationScores]:
    """Score the model on each arrangement of the steps, by name; shows progress and time left."""
    steps = int(sample.lengths.sum())
    repeats = default_repeats(steps) if repeats is None else repeats
    arrangements: dict[str, tuple[int, DrawPermutations]] = {
        "original": (1, identity_permutations),
        "reversed": (1, reversed_permutations),
        "shuffled": (repeats, lambda lengths, T: shuffled_permutations(lengths, T, generator)),
        # described, not tested: fewer copies will do
        "blocks shuffled": (
            max(repeats // 4, 1), lambda lengths, T: block_permutations(lengths, T, block, generator)
        ),
    }  # fmt: skip
    start_s = time.perf_counter()
    base = sample.score().predictions
    copies = sum(count for count, _ in arrangements.values())
    cost = duration(copies * (time.perf_counter() - start_s))
    scores: dict[str, PermutationScores] = {}
    with ProgressLine(f"order, about {cost}:", copies, shown=None, unit="copies") as line:
        for name, (count, draw) in arrangements.items():
            done = sum(len(each.losses) for each in scores.values())

            def advance(part: float, done: int = done) -> None:
                line.advance(done + part)

            scores[name] = score_permutations(sample, count, draw, base, on_progress=advance)
    return scores


def _test_model(sample: ProbedModel, original: float, copies: Floats) -> tuple[float | None, Outcome]:
    """Compute the p-value of the model and its outcome."""
    if isinstance(sample.call, ForecastCall):
        return None, _UNTESTED
    p_value = permutation_p(-original, -copies, rtol=1e-6)  # float32 networks: sums differ by rounding
    if log_distinct_orders(sample.values, sample.lengths) < math.log(1 / _SIGNIFICANT):
        return p_value, _FEW
    return p_value, "yes" if p_value <= _SIGNIFICANT else "no"


def retrain_on_shuffles(
    model: Any, probed: ProbedModel, y: Any, *, folds: int | None, seed: int
) -> RetrainResult:
    """Compare models retrained on the original order with models retrained on shuffled steps.

    Args:
        model: estimator or module to retrain.
        probed: the same model with its sequences.
        y: their labels or numbers, as they were passed.
        folds: folds of the cross-validation; None for `default_folds`.
        seed: seed of folds, shuffles and trainings.
    """
    folds = default_folds(len(probed)) if folds is None else folds
    count = int((seeded_folds(fold_strata(probed), folds, seed) >= 0).sum())
    if count < folds * MIN_FOLD_SIZE or int(probed.lengths.max()) == 1:
        return RetrainResult(_FEW, None, None, None, None, len(probed))
    arrays = training_sequences(probed)

    def shuffled_data(fold_seed: int) -> tuple[list[Floats], Any]:
        # shuffled again in each fold, so that no fold repeats the luck of another
        generator = torch.Generator().manual_seed(fold_seed)
        padded = shuffled_permutations(probed.lengths, probed.values.shape[1], generator)
        orders = [row[:length].numpy() for row, length in zip(padded, probed.lengths.tolist(), strict=True)]
        shuffled_y = y
        if probed.per_step:
            shuffled_y = [np.asarray(labels)[order] for labels, order in zip(y, orders, strict=True)]
        return [array[order] for array, order in zip(arrays, orders, strict=True)], shuffled_y

    paired = cross_validate_pair(
        probed, folds, seed, (make_fit_and_score(model, lambda _: (arrays, y)),
                              make_fit_and_score(model, shuffled_data)),
    )  # fmt: skip
    losses, shares = paired.tested, paired.accuracies.mean(1).tolist()
    return RetrainResult(
        outcome="yes" if paired.p_value <= _SIGNIFICANT else "no",
        p_value=paired.p_value,
        original=losses[0],
        shuffled=losses[1],
        accuracies=(shares[0], shares[1]) if probed.task == "class" else None,
        sequences=paired.losses.shape[1],
    )


def _row(name: str, scores: PermutationScores, task: Task) -> dict[str, Any]:
    loss = float(scores.losses.mean())
    return {
        "arrangement": name,
        "loss": loss,
        "accuracy": scores.accuracy if task == "class" else None,
        "error": None if task == "class" else math.sqrt(loss),
        "flipped": scores.flipped if task == "class" else None,
    }
