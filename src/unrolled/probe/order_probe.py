"""Does order matter, to this model and in this data? Two questions, two tests.

The model    Its mean loss on the sequences as they are is ranked among its mean losses on copies whose
             steps were shuffled, each sequence by itself and in every copy anew. If the steps of a sequence
             came in any order, whatever its y, then the original is one of R + 1 copies alike, and

                 p = (1 + number of copies with a loss no larger) / (1 + R)

             is at most α with a probability of at most α: exactly, for any model, any number of sequences
             and any lengths. Equal losses count against the original, so that a model which cannot see the
             order has p = 1. This needs sequences that the model was not fitted on: of those it was, it may
             remember the order that they came in.

The data     Models like this one are trained anew, once on the sequences as they are and once on shuffled
             steps, and judged on held-out sequences of the same kind: see
             `unrolled.probe.measure.retrain`. Holds whatever the sequences were fitted for, and where order
             is there but tells nothing: smooth curves of which only the mean counts, say, to whose
             shuffles a model is not used.

The statistic is the mean loss (log loss of labels, squared error of numbers), since accuracies tie.
`benchmarks/probe_trust.py` counts how often both are wrong.

A Forecaster's windows share steps, and its readout sees levels that stay in place: no copy is like the
original even where order tells nothing (on noise p was at most 0.01 in 14 of 60 trials). So what shuffling
does to its error is told, and no p-value.

Shapes: N sequences, T steps of the longest.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.data.splits import seeded_folds
from unrolled.probe.measure.permutation_scores import (
    DEFAULT_REPEATS,
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
    unpadded,
)
from unrolled.probe.model.adapter import ProbedModel, as_probed_model
from unrolled.probe.model.forecaster import ForecastCall
from unrolled.probe.wording import aligned, chance, percent
from unrolled.stats.permutation import permutation_p
from unrolled.validation import check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Outcome = Literal["yes", "no", "too few to tell", "not tested"]

_FEW: Literal["too few to tell"] = "too few to tell"
_UNTESTED: Literal["not tested"] = "not tested"
_SIGNIFICANT = 0.05
_MOST_SEQUENCES = 1000  # shuffled; drawn at random from more
_HEADS: dict[tuple[Outcome, Outcome], str] = {  # of the model, of the data
    ("yes", "yes"): "Order matters",
    ("no", "no"): "Order does not matter",
    ("yes", "no"): "This model uses the order, but the data do not reward it",
    ("no", "yes"): "The data reward order, but this model does not use it",
    ("yes", _FEW): "Order matters to this model",
    ("no", _FEW): "Order does not matter to this model",
    (_FEW, "yes"): "The data reward order; whether this model uses it cannot be told",
    (_FEW, "no"): "The data do not reward order; whether this model uses it cannot be told",
    (_FEW, _FEW): "This is too little to tell whether order matters",
    (_UNTESTED, _FEW): "Whether order matters to this model is not tested: its windows share steps",
}


@dataclass(frozen=True)
class RetrainResult:
    """Models like this one, trained anew and judged on held-out sequences.

    Args:
        outcome: whether this data rewards order: "yes" where p_value is at most 0.05, "no", or "too few to
            tell".
        p_value: how often models trained on the original would be this much better if order told nothing;
            None where there are too few sequences.
        original: mean loss of models trained and judged on the sequences as they are.
        shuffled: mean loss of models trained and judged on shuffled steps.
        accuracies: of both; None for numbers.
        sequences: how many were judged.
    """

    outcome: Outcome
    p_value: float | None
    original: float | None
    shuffled: float | None
    accuracies: tuple[float, float] | None
    sequences: int


@dataclass(frozen=True, eq=False)
class OrderResult:
    """What other orders of the steps do to a model.

    Args:
        sentence: what to tell a person.
        outcome: whether this model uses the order: "yes" where p_value is at most 0.05, "no", or "too few to
            tell" where shuffling can hardly change anything, "not tested" of a Forecaster.
        p_value: how often shuffled steps would do as well if order told nothing; None of a Forecaster.
        retrained: whether the data rewards order; None if that was not asked.
        table: a row an arrangement ("original", "reversed", "shuffled", "blocks shuffled"; the last two are
            means over all copies): loss; accuracy; error, for numbers; flipped, the share of answers that
            are others than on the original.
        predictions: by arrangement, what was answered; of shuffled ones for the first copy.
        shuffled_losses: (R,) mean loss of each shuffled copy.
        block: steps of a block.
        task: "class" or "number".
        sequences: how many were asked about.
    """

    kind: ClassVar[str] = "order"

    sentence: str
    outcome: Outcome
    p_value: float | None
    retrained: RetrainResult | None
    table: list[dict[str, Any]]
    predictions: dict[str, NDArray[Any]]
    shuffled_losses: Floats
    block: int
    task: Literal["class", "number"]
    sequences: int

    def to_frame(self) -> Any:
        """The table as a pandas frame."""
        return to_frame(
            {name: np.array([row[name] for row in self.table]) for name in self.table[0]}, "pandas"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            "outcome": self.outcome,
            "p_value": self.p_value,
            "retrained": None if self.retrained is None else asdict(self.retrained),
            "table": self.table,
            "predictions": {name: answers.tolist() for name, answers in self.predictions.items()},
            "shuffled_losses": self.shuffled_losses.tolist(),
            "block": self.block,
            "task": self.task,
            "sequences": self.sequences,
        }

    def plot(self) -> Any:
        """How good the answers are, a bar an order of the steps."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow between neighbours)

        return figure(self)

    def __str__(self) -> str:
        measure = "accuracy" if self.task == "class" else "error"
        rows = [["order of steps", measure, "loss", "answers changed"]]
        for row in self.table:
            changed = percent(row["flipped"]) if self.task == "class" else "-"
            rows.append([row["arrangement"], f"{row[measure]:.3g}", f"{row['loss']:.3g}", changed])
        return f"{aligned(rows)}\n\n{self.sentence}"


def order(
    model: Any, X: Any, y: Any, *, repeats: int | None = None, retrain: bool = True, folds: int | None = None,
    random_state: int = 0,
) -> OrderResult:  # fmt: skip
    """Ask whether a model uses the order of the steps, and whether the data rewards it.

    Args:
        model: what `unrolled.probe.as_probed_model` takes.
        X: sequences that the model was not fitted on, if the p-value of the model is to hold: of those it
            was fitted on it may remember the order. Of more than 1,000, so many are drawn.
        y: their labels or numbers. Where each step has one, it moves with its step.
        repeats: R, shuffled copies, and as many with blocks shuffled; None for 199, or for fewer where those
            would have more than 20 million steps, down to 39. No p-value is below 1 / (1 + R): 0.005 of 199,
            0.025 of 39. The record has as many `shuffled_losses`.
        retrain: whether to train models anew, twice `folds` times, to ask about the data; X and y alone are
            used for it, so it holds for training data too.
        folds: of the cross-validation; None for 10, or 5 of fewer than 40 and of more than 500 sequences.
        random_state: of shuffles, folds and trainings.

    Raises:
        ArgumentError: the model is none of those, an argument is out of range, or a module cannot be trained
            anew.
        DataError: X or y cannot be used.

    A sequence of one step has no order and changes nothing. With 2 sequences of 2 steps shuffling gives 4
    sets of sequences at most: that is too few to tell.

    >>> class Last(torch.nn.Module):  # answers with the newest step
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = torch.nn.RNN(1, 1)
    ...     def forward(self, x):
    ...         return torch.cat([-9 * x[:, -1], 9 * x[:, -1]], 1)
    >>> X = torch.randn(40, 6, 1, generator=torch.Generator().manual_seed(0))
    >>> told = order(Last(), X, (X[:, -1, 0] > 0).long(), repeats=99, retrain=False)
    >>> told.outcome, told.p_value
    ('yes', 0.01)
    """
    if repeats is not None:
        check_int("repeats", repeats, least=19)
    if folds is not None:
        check_int("folds", folds, least=3)
    random_state = check_int("random_state", random_state, most=2**62)
    if retrain:
        require_trainable(model)
    probed = as_probed_model(model, X, y, caller="order")
    probed.require_finite()
    generator = torch.Generator().manual_seed(random_state)
    rows = torch.arange(len(probed))
    if len(rows) > _MOST_SEQUENCES:
        rows = torch.randperm(len(rows), generator=generator)[:_MOST_SEQUENCES].sort().values
    sample = probed.select(rows)
    repeats = default_repeats(int(sample.lengths.sum())) if repeats is None else repeats
    block = max(2, round(math.sqrt(float(sample.lengths.double().median()))))
    arrangements: dict[str, tuple[int, DrawPermutations]] = {
        "original": (1, identity_permutations),
        "reversed": (1, reversed_permutations),
        "shuffled": (repeats, lambda lengths, T: shuffled_permutations(lengths, T, generator)),
        "blocks shuffled": (repeats, lambda lengths, T: block_permutations(lengths, T, block, generator)),
    }
    base = sample.score().predictions
    scores = {
        name: score_permutations(sample, copies, draw, base) for name, (copies, draw) in arrangements.items()
    }
    table = [_row(name, each, sample.task == "class") for name, each in scores.items()]
    losses = scores["shuffled"].losses.mean(1)
    p_value, outcome = _test_model(sample, float(scores["original"].losses.mean()), losses)
    retrained = retrain_on_shuffles(model, probed, y, folds=folds, seed=random_state) if retrain else None
    record = OrderResult(
        sentence="",
        outcome=outcome,
        p_value=p_value,
        retrained=retrained,
        table=table,
        predictions={name: each.predictions for name, each in scores.items()},
        shuffled_losses=losses,
        block=block,
        task=sample.task,
        sequences=len(sample),
    )
    return replace(record, sentence=_sentence(record, probed))


def _test_model(sample: ProbedModel, original: float, copies: Floats) -> tuple[float | None, Outcome]:
    if isinstance(sample.call, ForecastCall):
        return None, _UNTESTED
    p_value = permutation_p(-original, -copies, rtol=1e-6)  # float32 networks: sums differ by rounding
    if log_distinct_orders(sample.values, sample.lengths) < math.log(1 / _SIGNIFICANT):
        return p_value, _FEW
    return p_value, "yes" if p_value <= _SIGNIFICANT else "no"


def retrain_on_shuffles(
    model: Any, probed: ProbedModel, y: Any, *, folds: int | None, seed: int
) -> RetrainResult:
    """Whether models trained on the original order do better than models trained on shuffled steps."""
    folds = default_folds(len(probed)) if folds is None else folds
    count = int((seeded_folds(fold_strata(probed), folds, seed) >= 0).sum())
    if count < folds * MIN_FOLD_SIZE or int(probed.lengths.max()) == 1:
        return RetrainResult(_FEW, None, None, None, None, len(probed))
    arrays = unpadded(probed.values, probed.lengths)

    def version(own_seed: int) -> tuple[list[Floats], Any]:
        """Shuffled anew in each fold, so that no fold repeats the luck of another."""
        generator = torch.Generator().manual_seed(own_seed)
        permutations = shuffled_permutations(probed.lengths, probed.values.shape[1], generator)
        orders = [
            row[:length].numpy() for row, length in zip(permutations, probed.lengths.tolist(), strict=True)
        ]
        moved_y = y
        if probed.per_step:
            moved_y = [np.asarray(labels)[order] for labels, order in zip(y, orders, strict=True)]
        return [array[order] for array, order in zip(arrays, orders, strict=True)], moved_y

    trainers = make_fit_and_score(model, lambda _: (arrays, y)), make_fit_and_score(model, version)
    paired = cross_validate_pair(probed, folds, seed, trainers)
    original, mixed = paired.losses.mean(1)
    is_class = probed.task == "class"
    return RetrainResult(
        outcome="yes" if paired.p_value <= _SIGNIFICANT else "no",
        p_value=paired.p_value,
        original=float(original),
        shuffled=float(mixed),
        accuracies=(float(paired.accuracies[0].mean()), float(paired.accuracies[1].mean()))
        if is_class
        else None,
        sequences=paired.losses.shape[1],
    )


def _row(name: str, scores: PermutationScores, is_class: bool) -> dict[str, Any]:
    loss = float(scores.losses.mean())
    return {
        "arrangement": name,
        "loss": loss,
        "accuracy": scores.accuracies if is_class else None,
        "error": None if is_class else math.sqrt(loss),
        "flipped": scores.flipped if is_class else None,
    }


def _sentence(record: OrderResult, probed: ProbedModel) -> str:
    what = "steps" if probed.per_step else "sequences"
    data = _FEW if record.retrained is None else record.retrained.outcome
    finding = f"{_HEADS[record.outcome, data]}: {_about_model(record, probed.name, what)}"
    return f"{finding}." if record.retrained is None else f"{finding}; {_about_data(record.retrained, what)}."


def _about_model(record: OrderResult, name: str, what: str) -> str:
    rows = {row["arrangement"]: row for row in record.table}
    if record.outcome == _FEW:
        count = "1 sequence" if record.sequences == 1 else f"{record.sequences} sequences"
        return f"shuffling the steps of {count} this short gives hardly anything new"
    if record.task == "class":
        before, after = (percent(rows[arrangement]["accuracy"]) for arrangement in ("original", "shuffled"))
        result = f"{name} is right in {before} of the {what}, and in {after} once the order is shuffled"
        result += f" ({percent(rows['shuffled']['flipped'])} of its answers change)"
    else:
        before, after = (f"{rows[arrangement]['error']:.4g}" for arrangement in ("original", "shuffled"))
        result = f"{name} has an error of {before}, and of {after} once the order is shuffled"
    if record.p_value is None:
        return result
    if record.outcome == "yes":
        copies = len(record.shuffled_losses)
        is_least = copies < DEFAULT_REPEATS and record.p_value <= 1 / (1 + copies)
        floor = f", the least that {copies} shuffles can tell" if is_least else ""
        return f"{result}, which chance alone would do {chance(record.p_value)}{floor}"
    return f"{result}; a shuffle does as well {chance(record.p_value)}"


def _about_data(retrained: RetrainResult, what: str) -> str:
    if retrained.p_value is None:
        return f"{retrained.sequences} sequences are too few to train such models anew and judge them"
    if retrained.accuracies is not None:
        before, after = (percent(share) for share in retrained.accuracies)
        learned = f"models trained anew are right in {before} of unseen {what}, and in {after}"
    else:
        before, after = (f"{math.sqrt(loss or 0.0):.4g}" for loss in (retrained.original, retrained.shuffled))
        learned = f"models trained anew have an error of {before} on unseen {what}, and of {after}"
    result = f"{learned} if they learn from shuffled steps"
    if retrained.outcome == "yes":
        return f"{result} (by chance {chance(retrained.p_value)})"
    return f"{result}: no difference that chance would not make {chance(retrained.p_value)}"
