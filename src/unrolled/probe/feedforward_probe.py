"""Is recurrence worth it? The same data, the same number of parameters, with and without.

The feed-forward network reads all steps at once as one flat vector, zeros after a sequence's end, through
one hidden layer of tanh units; so many of them that it has as many parameters as the recurrent model, as
nearly as whole units allow. Both are trained anew on the same folds, each as its kind is trained, and judged
on the sequences that were held out: see `unrolled.probe.measure.retrain`.

Shapes: N sequences, T steps of the longest, F inputs, H units, K numbers answered.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from unrolled.data.io.frames import to_frame
from unrolled.data.splits import seeded_folds
from unrolled.errors import ArgumentError, DataError
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.probe.measure.retrain import (
    MIN_FOLD_SIZE,
    PairedScores,
    cross_validate_pair,
    default_folds,
    fold_strata,
    make_fit_and_score,
    require_trainable,
    unpadded,
)
from unrolled.probe.model.adapter import ProbedModel, as_probed_model
from unrolled.probe.wording import aligned, chance, percent, times
from unrolled.train.loop import seeded
from unrolled.validation import check_int

Outcome = Literal["recurrence helps", "recurrence harms", "no difference"]

_SIGNIFICANT = 0.05
_SHARED = (
    "class_weight",
    "dropout",
    "max_epochs",
    "batch_size",
    "learning_rate",
    "validation_fraction",
    "device",
)


@dataclass(frozen=True)
class NetworkScore:
    """One of the two networks.

    Args:
        name: what a sentence calls it.
        parameters: how many.
        hidden_size: units.
        loss: mean, of held-out sequences.
        score: accuracy, or the error (root of the mean squared error) of numbers.
        seconds: mean time of one training.
    """

    name: str
    parameters: int
    hidden_size: int
    loss: float
    score: float
    seconds: float


@dataclass(frozen=True)
class FeedforwardResult:
    """A recurrent network beside one without recurrence.

    Args:
        sentence: what to tell a person.
        outcome: whose loss is lower, if the p-value is at most 0.05.
        p_value: how often one of them, whichever, would be this much better if they were as good.
        recurrent: the one with recurrence.
        feedforward: the one without.
        task: "class" or "number": whether a score is an accuracy or an error.
        sequences: how many were judged.
        folds: of the cross-validation.
    """

    kind: ClassVar[str] = "feedforward"

    sentence: str
    outcome: Outcome
    p_value: float
    recurrent: NetworkScore
    feedforward: NetworkScore
    task: Literal["class", "number"]
    sequences: int
    folds: int

    def to_frame(self) -> Any:
        """A row a network, as a pandas frame; `score` becomes `accuracy` or `error`."""
        rows = [asdict(self.recurrent), asdict(self.feedforward)]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        columns["accuracy" if self.task == "class" else "error"] = columns.pop("score")
        return to_frame(columns, "pandas")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"kind": self.kind, **asdict(self)}

    def plot(self) -> Any:
        """Both scores, side by side."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow between neighbours)

        return figure(self)

    def __str__(self) -> str:
        score = "accuracy" if self.task == "class" else "error"
        rows = [["network", "parameters", "units", score, "loss", "seconds"]]
        for network in (self.recurrent, self.feedforward):
            name = network.name.removeprefix("the ").removeprefix("a ")
            counts = [f"{network.parameters:,}", str(network.hidden_size)]
            rows.append(
                [name, *counts, f"{network.score:.3g}", f"{network.loss:.3g}", f"{network.seconds:.2g}"]
            )
        return f"{aligned(rows)}\n\n{self.sentence}"


def feedforward(
    model: Any, X: Any, y: Any, *, folds: int | None = None, random_state: int = 0
) -> FeedforwardResult:
    """Hold a recurrent model against a feed-forward network with as many parameters.

    Args:
        model: what `unrolled.probe.as_probed_model` takes, with an answer a sequence; copies of it are
            trained anew, and it stays as it is.
        X: sequences, of any lengths; those that the model was fitted on will do.
        y: their labels or numbers.
        folds: of the cross-validation; both are trained so many times. None for 10, or 5 of fewer than 40 and
            of more than 500 sequences.
        random_state: of folds and trainings.

    Raises:
        ArgumentError: the model is none of those, has no recurrence or answers every step, or a module cannot
            be trained anew.
        DataError: X or y cannot be used, or there are fewer than four sequences a fold.

    >>> import unrolled as ur
    >>> X = np.random.default_rng(0).normal(size=(30, 6))
    >>> model = ur.SequenceClassifier(hidden_size=4, max_epochs=2).fit(X, X[:, 0] > 0)
    >>> told = feedforward(model, X, X[:, 0] > 0, folds=3)
    >>> round(told.feedforward.parameters / told.recurrent.parameters, 2)
    1.0
    """
    if folds is not None:
        check_int("folds", folds, least=3)
    check_int("random_state", random_state, most=2**62)
    require_trainable(model)
    probed = as_probed_model(model, X, y, caller="feedforward")
    if probed.per_step:
        raise ArgumentError("feedforward: expected a model that answers sequences, got one of steps.")
    layer = probed.layer  # refuses a model without recurrence
    folds = default_folds(len(probed)) if folds is None else folds
    count = int((seeded_folds(fold_strata(probed), folds, random_state) >= 0).sum())
    if count < folds * MIN_FOLD_SIZE:
        raise DataError(
            f"feedforward: expected at least {folds * MIN_FOLD_SIZE} sequences, four a fold, got {count}. So "
            "few say nothing about either network."
        )
    parameters = sum(weight.numel() for weight in probed.networks[0].parameters())
    units = matched_units(probed, parameters)
    arrays = unpadded(probed.values, probed.lengths)
    twin = _feedforward_twin(model, probed, units, random_state)
    trainers = (
        make_fit_and_score(model, lambda _: (arrays, y)),
        make_fit_and_score(twin, lambda _: (arrays, y)),
    )
    paired = cross_validate_pair(probed, folds, random_state, trainers)
    return _record(probed, paired, parameters, int(getattr(layer, "hidden_size", 0)), units, folds)


def matched_units(probed: ProbedModel, parameters: int) -> int:
    """H for which H (T · F + 1) + K (H + 1) is nearest to so many parameters; at least 1."""
    inputs = probed.values.shape[1] * probed.values.shape[2]
    K = _output_size(probed)
    return max(1, round((parameters - K) / (inputs + 1 + K)))


def _output_size(probed: ProbedModel) -> int:
    """K, the numbers that the network answers."""
    first = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        raw = probed.call(probed.networks[0], probed.values[:1], probed.lengths[:1], first)
    return int(raw.shape[-1])


def _feedforward_twin(model: Any, probed: ProbedModel, units: int, seed: int) -> Any:
    """The same kind of model without recurrence, not trained."""
    if not isinstance(model, nn.Module):
        settings = {name: value for name, value in model.get_params().items() if name in _SHARED}
        return type(model)(**settings, cell="feedforward", hidden_size=units, stem=False)
    sizes = SequenceNetworkConfig(
        input_size=probed.values.shape[2],
        output_size=_output_size(probed),
        cell="feedforward",
        hidden_size=units,
        flat_steps=probed.values.shape[1],
    )
    with seeded(seed):
        return SequenceNetwork(sizes).to(probed.values.device, probed.values.dtype)


def _record(
    probed: ProbedModel, paired: PairedScores, parameters: int, hidden_size: int, units: int, folds: int
) -> FeedforwardResult:
    inputs, K = probed.values.shape[1] * probed.values.shape[2], _output_size(probed)
    parameter_counts = (parameters, units * (inputs + 1) + K * (units + 1))
    losses = paired.losses.mean(1).tolist()
    is_class = probed.task == "class"
    scores = paired.accuracies.mean(1).tolist() if is_class else [math.sqrt(loss) for loss in losses]
    names, sizes = (probed.name, "a feed-forward network"), (hidden_size, units)
    recurrent, flat = (
        NetworkScore(names[k], parameter_counts[k], sizes[k], losses[k], scores[k], paired.seconds[k])
        for k in range(2)
    )
    better = paired.p_value <= 0.5
    p_value = 2 * min(paired.p_value, 1 - paired.p_value)  # either might have been the better one
    outcome: Outcome = "no difference"
    if p_value <= _SIGNIFICANT:
        outcome = "recurrence helps" if better else "recurrence harms"
    sentence = _sentence(recurrent, flat, outcome, p_value, is_class=is_class)
    return FeedforwardResult(
        sentence, outcome, p_value, recurrent, flat, probed.task, paired.losses.shape[1], folds
    )


def _sentence(
    recurrent: NetworkScore, flat: NetworkScore, outcome: Outcome, p_value: float, *, is_class: bool
) -> str:
    format_score = percent if is_class else "{:.3g}".format
    verb = "is right in" if is_class else "has an error of"
    compared = (
        f"on unseen sequences {recurrent.name} with {recurrent.parameters:,} parameters {verb} "
        f"{format_score(recurrent.score)}, {flat.name} with {flat.parameters:,} {verb} "
        f"{format_score(flat.score)}"
    )
    slower = recurrent.seconds / max(flat.seconds, 1e-9)
    if outcome == "no difference":
        faster = "the feed-forward network" if slower > 1 else recurrent.name
        return (
            f"Recurrence makes no difference here: {compared}, a difference that chance makes "
            f"{chance(p_value)}; {faster} trains {times(max(slower, 1 / slower))} as fast."
        )
    head = "Recurrence helps here" if outcome == "recurrence helps" else "Recurrence harms here"
    return f"{head}: {compared}, which chance alone would do {chance(p_value)}."
