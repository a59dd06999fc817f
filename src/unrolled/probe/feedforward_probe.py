"""Compare a recurrent model with a feed-forward network that has as many parameters, on the same data.

The feed-forward network reads all steps at once as one flat vector, zeros after a sequence's end, through one
hidden layer of tanh units: as many as give it the parameters of the recurrent model, as nearly as whole units
allow. Both are retrained on the same folds, each with the training of its kind, and scored on the held-out
sequences: see `unrolled.probe.measure.retrain`.

Shapes: N sequences, T steps of the longest, F inputs, H units, K outputs.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from unrolled.data.io.frames import to_frame
from unrolled.data.splits import seeded_folds
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import aligned_table, number, p_value_words
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.probe.measure.retrain import (
    MIN_FOLD_SIZE,
    PairedScores,
    cross_validate_pair,
    default_folds,
    fold_strata,
    make_fit_and_score,
    require_trainable,
    training_sequences,
)
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.targets import align_to_frame
from unrolled.probe.model.texts import TextCall
from unrolled.probe.model.tokens import TokenCall
from unrolled.probe.model.unwrap import unwrap_model
from unrolled.probe.wording.claims import checked, differs_in_answers
from unrolled.probe.wording.scores import (
    Task,
    compared_numbers,
    compared_shares,
    quoted_loss,
    score_name,
)
from unrolled.record import Record
from unrolled.train.loop import seeded
from unrolled.train.threads import shared_processors
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
    """Size and held-out score of one network.

    Args:
        name: the network's name in a sentence.
        parameters: number of parameters.
        hidden_size: number of units.
        loss: mean held-out loss as it is tested: the mean over the folds, bounded for labels (see
            `unrolled.probe.measure.retrain`).
        score: held-out accuracy, or root mean squared error of numbers: the root of `loss`.
        seconds: mean time of one training.
    """

    name: str
    parameters: int
    hidden_size: int
    loss: float
    score: float
    seconds: float


@dataclass(frozen=True)
class FeedforwardResult(Record):
    """Scores of a recurrent and a feed-forward network of one size.

    Args:
        sentence: the result for a person.
        outcome: which of them has the lower loss, if the p-value is at most 0.05.
        p_value: probability of a difference at least this large, either way, if both are as good.
        recurrent: the network with recurrence.
        feedforward: the network without.
        task: "class" or "number".
        sequences: number of held-out sequences.
        folds: folds of the cross-validation.
    """

    kind: ClassVar[str] = "feedforward"

    sentence: str
    outcome: Outcome
    p_value: float
    recurrent: NetworkScore
    feedforward: NetworkScore
    task: Task
    sequences: int
    folds: int

    def to_frame(self) -> Any:
        """Return a pandas frame, one row a network; the score is named "accuracy" or "error"."""
        rows = [asdict(self.recurrent), asdict(self.feedforward)]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        columns[score_name(self.task)] = columns.pop("score")
        return to_frame(columns, "pandas")

    def __str__(self) -> str:
        rows = [["network", "parameters", "units", score_name(self.task), "loss", "seconds"]]
        for network in (self.recurrent, self.feedforward):
            name = network.name.removeprefix("the ").removeprefix("a ")
            numbers = (number(network.score, 3), number(network.loss, 3), number(network.seconds, 2))
            rows.append([name, f"{network.parameters:,}", str(network.hidden_size), *numbers])
        return f"{aligned_table(rows)}\n\n{self.sentence}"


@shared_processors()
def feedforward(
    model: Any, X: Any, y: Any, *, folds: int | None = None, random_state: int = 0
) -> FeedforwardResult:
    """Compare a recurrent model with a feed-forward network that has as many parameters.

    Args:
        model: fitted estimator or torch module with one output a sequence: see
            `unrolled.probe.as_probed_model`. Copies of it are retrained; it stays as it is.
        X: sequences of any lengths; training data may be used.
        y: their labels or numbers.
        folds: folds of the cross-validation; both networks are trained once for each. None for 10, or 5 for
            fewer than 40 or more than 500 sequences.
        random_state: seed of folds and trainings.

    Returns:
        A record that prints as a table and one sentence.

    Raises:
        ArgumentError: the model cannot be probed or retrained, has no recurrence, or has an output a step.
        DataError: X or y cannot be used, or there are fewer than four sequences a fold.

    >>> import unrolled as ur
    >>> X = np.random.default_rng(0).normal(size=(30, 6))
    >>> model = ur.SequenceClassifier(hidden_size=4, max_epochs=2).fit(X, X[:, 0] > 0)
    >>> result = feedforward(model, X, X[:, 0] > 0, folds=3)
    >>> round(result.feedforward.parameters / result.recurrent.parameters, 2)
    1.0
    """
    if folds is not None:
        check_int("folds", folds, least=3)
    check_int("random_state", random_state, most=2**62)
    model, X = unwrap_model(model, X, caller="feedforward")
    require_trainable(model)
    probed = as_probed_model(model, X, y, caller="feedforward")
    if isinstance(probed.call, TokenCall | TextCall):
        raise ArgumentError(
            f"feedforward model: expected one that reads numbers, {probed.name} looks up tokens, which a "
            "feed-forward network has no vectors for. Give X as embedded vectors, and the module behind them."
        )
    if probed.per_step:
        raise ArgumentError(
            "feedforward: expected a model with one output a sequence, got one with an output a step."
        )
    y = align_to_frame(y, X, per_step=False, caller="feedforward y")
    layer = probed.layer  # raises for a model without recurrence
    folds = default_folds(len(probed)) if folds is None else folds
    count = int((seeded_folds(fold_strata(probed), folds, random_state) >= 0).sum())
    if count < folds * MIN_FOLD_SIZE:
        raise DataError(
            f"feedforward: expected at least {folds * MIN_FOLD_SIZE} sequences, {MIN_FOLD_SIZE} a fold, got "
            f"{count}. Give more sequences, or fewer folds."
        )
    parameters = sum(weight.numel() for weight in probed.networks[0].parameters())
    units = matched_units(probed, parameters)
    arrays = training_sequences(probed)
    flat_model = _feedforward_model(model, probed, units, random_state)
    trainers = (
        make_fit_and_score(model, lambda _: (arrays, y)),
        make_fit_and_score(flat_model, lambda _: (arrays, y)),
    )
    paired = cross_validate_pair(probed, folds, random_state, trainers)
    return _record(probed, paired, parameters, int(getattr(layer, "hidden_size", 0)), units, folds)


def matched_units(probed: ProbedModel, parameters: int) -> int:
    """Choose H, at least 1, so that H (T · F + 1) + K (H + 1) is nearest to the number of parameters."""
    inputs = probed.values.shape[1] * probed.values.shape[2]
    K = _output_size(probed)
    return max(1, round((parameters - K) / (inputs + 1 + K)))


def _output_size(probed: ProbedModel) -> int:
    """Run the network once to find K, the size of its output."""
    first = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        raw = probed.call(probed.networks[0], probed.values[:1], probed.lengths[:1], first)
    return int(raw.shape[-1])


def _feedforward_model(model: Any, probed: ProbedModel, units: int, seed: int) -> Any:
    """Make a model of the same kind without recurrence, not yet trained."""
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
    losses = paired.tested
    is_class = probed.task == "class"
    scores = paired.accuracies.mean(1).tolist() if is_class else [math.sqrt(loss) for loss in losses]
    names = (probed.name, "a feed-forward network")
    sizes = ((parameters, hidden_size), (units * (inputs + 1) + K * (units + 1), units))
    recurrent, flat = (
        NetworkScore(names[k], *sizes[k], losses[k], scores[k], paired.seconds[k]) for k in range(2)
    )
    p_value = 2 * min(paired.p_value, 1 - paired.p_value)  # either might have been the better one
    outcome: Outcome = "no difference"
    if p_value <= _SIGNIFICANT:
        outcome = "recurrence helps" if paired.p_value <= 0.5 else "recurrence harms"
    n_held_out = paired.losses.shape[1]
    result = FeedforwardResult("", outcome, p_value, recurrent, flat, probed.task, n_held_out, folds)
    return checked(replace(result, sentence=_sentence(result)))


def _sentence(result: FeedforwardResult) -> str:
    recurrent, flat, is_class = result.recurrent, result.feedforward, result.task == "class"
    scores = [quoted_loss(network.loss, result.task) for network in (recurrent, flat)]
    first, second = compared_numbers(*scores)
    compared = (
        f"on held-out sequences {recurrent.name} with {recurrent.parameters:,} parameters has "
        f"{'a bounded log loss' if is_class else 'an error'} of {first}, {flat.name} with "
        f"{flat.parameters:,} one of {second}, a difference that chance alone makes in "
        f"{p_value_words(result.p_value)} cases"
    )
    if is_class:
        right = compared_shares(recurrent.score, flat.score)
        compared += f"; they are right in {right[0]} and in {right[1]}"
    if result.outcome == "no difference":
        return f"No difference is shown here: {compared}; {_speed_words(recurrent, flat)}."
    surer = "" if differs_in_answers(result) else ", not in how often the networks are right but in how sure"
    return f"{result.outcome.capitalize()} here{surer}: {compared}."


def _speed_words(recurrent: NetworkScore, flat: NetworkScore) -> str:
    ratio = max(recurrent.seconds, 1e-9) / max(flat.seconds, 1e-9)
    times = number(max(ratio, 1 / ratio), 2)
    if times == "1":
        return "both train as fast"
    faster = flat.name.replace("a ", "the ", 1) if ratio > 1 else recurrent.name
    return f"{faster} trains {times} times as fast"
