"""What the probes ask: a fitted model, or any torch module with a recurrent layer, as one thing.

Shapes: N sequences, B of them at once, T steps of the longest, F inputs, K classes or numbers answered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.data.io.arrays import as_sequences
from unrolled.errors import ArgumentError, DataError, NotFittedError
from unrolled.models.protocols import SupportsForecastWindows, SupportsSequenceTensors
from unrolled.probe.model.bucketing import bucket_by_length
from unrolled.probe.model.forecaster import ForecastCall
from unrolled.probe.model.layer_hook import (
    LayerCall,
    LayerReplacement,
    capture_calls,
    evaluation_mode,
    find_recurrent_layer,
    first_output,
    single_call,
)
from unrolled.probe.model.targets import NO_TARGET, are_class_numbers, encode_targets
from unrolled.probe.model.torch_module import (
    are_probabilities,
    call_by_length,
    call_with_lengths,
    pad_sequences,
)

NetworkCall = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


class SequenceScores(NamedTuple):
    """What was answered, and how good it is."""

    losses: NDArray[np.float64]  # (B,) mean log loss, or squared error, of each sequence
    predictions: NDArray[Any]  # (B,) labels or (B, K) numbers; (B, T) and (B, T, K) with an answer a step
    accuracies: NDArray[np.float64]  # (B,) share of right labels of each sequence; NaN for numbers


@dataclass(frozen=True, eq=False)
class ProbedModel:
    """A model and the sequences that it is asked about.

    Networks are asked in evaluation mode, and left as they were.

    Args:
        name: what a sentence calls the model.
        task: "class" or "number".
        networks: one, or the members of an ensemble.
        call: `call(network, values, lengths, rows)` gives raw answers (B, K), or (B, T, K).
        values: (N, T, F) what the networks take, zero beyond a sequence's length.
        lengths: (N,) int64.
        classes: (K,) labels in the order of the answers; None for numbers.
        targets: (N,) positions of classes, or (N, K) numbers; a step more (N, T, ...) with an answer a step,
            -100 or NaN beyond a length; None where no y was given.
        per_step: whether every step has an answer.
        gives_probabilities: whether raw answers about classes are probabilities, and not logits.
    """

    name: str
    task: Literal["class", "number"]
    networks: tuple[nn.Module, ...]
    call: NetworkCall
    values: Tensor
    lengths: Tensor
    classes: NDArray[Any] | None
    targets: Tensor | None
    per_step: bool
    gives_probabilities: bool = False

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def layer(self) -> nn.Module:
        """The recurrent layer of the first network (the last one, where there are several).

        Raises:
            ArgumentError: there is none.
        """
        layer = find_recurrent_layer(self.networks[0])
        if layer is None:
            raise ArgumentError(
                f"model: expected one with a recurrent layer (RNN, GRU or LSTM of unrolled.nn or torch.nn), "
                f"{self.name} has none. Its memory is the window it reads."
            )
        return layer

    def select(self, rows: Tensor) -> ProbedModel:
        """The sequences at these positions, each as often as it is named, as long as the longest of them."""
        values, lengths, targets = self.values_at(rows), self.lengths[rows], self.targets
        if targets is not None:
            targets = targets[:, : values.shape[1]][rows] if self.per_step else targets[rows]
        call = self.call.select(rows) if isinstance(self.call, ForecastCall) else self.call
        return replace(self, call=call, values=values, lengths=lengths, targets=targets)

    def values_at(self, rows: Tensor) -> Tensor:
        """(B, T', F) what the networks take of the sequences at these positions, T' the longest of them."""
        return self.values[:, : int(self.lengths[rows].max())][rows]

    def permuted(self, order: Tensor) -> ProbedModel:
        """The same sequences with step `order[i, t]` at step t; what is known of a step moves with it."""
        values = self.values.gather(1, order[..., None].expand_as(self.values))
        targets = self.targets
        if self.per_step and targets is not None:
            places = order if targets.ndim == 2 else order[..., None].expand_as(targets)
            targets = targets.gather(1, places)
        return replace(self, values=values, targets=targets)

    def outputs(
        self,
        values: Tensor | None = None,
        rows: Tensor | None = None,
        *,
        replacement: LayerReplacement | None = None,
    ) -> Tensor:
        """(B, K) or (B, T, K) log probabilities of the classes, or numbers; with a graph to go back through.

        Args:
            values: (B, T, F) what to ask about; None for the subject's own, T the longest of them.
            rows: (B,) which of the N sequences each row of `values` comes from; None for all, in order.
            replacement: what to run in place of the recurrent layer: see `layer_hook.capture_calls`.
                Then the first network alone answers.
        """
        rows = torch.arange(len(self)) if rows is None else rows
        values = self.values_at(rows) if values is None else values
        lengths = self.lengths[rows]
        if replacement is not None:
            with (
                evaluation_mode(self.networks[0]) as network,
                capture_calls(self.layer, replacement) as calls,
            ):
                outputs = self.log_probabilities(self.call(network, values, lengths, rows))
                single_call(calls, self.layer)
            return outputs
        members = []
        for member in self.networks:
            with evaluation_mode(member) as network:
                members.append(self.log_probabilities(self.call(network, values, lengths, rows)))
        if len(members) == 1:
            return members[0]
        stacked = torch.stack(members)
        if self.task == "class":  # probabilities are averaged
            return torch.logsumexp(stacked, 0) - float(np.log(len(members)))
        return stacked.mean(0)

    def batches(self, rows: Tensor) -> list[Tensor]:
        """Rows in parts that the layer runs once for: of like length, or of one, if it is told no lengths."""
        return [
            rows[part] for part in bucket_by_length(self.lengths[rows], exact=self.call is call_by_length)
        ]

    def layer_call(self, rows: Tensor | None = None) -> LayerCall:
        """What enters the recurrent layer of the first network, and what it answers."""
        rows = torch.arange(len(self)) if rows is None else rows
        with evaluation_mode(self.networks[0]) as network, capture_calls(self.layer) as calls:
            self.call(network, self.values_at(rows), self.lengths[rows], rows)
        return single_call(calls, self.layer)

    @torch.no_grad()
    def require_finite(self) -> None:
        """Pass if every answer is a number.

        Raises:
            ArgumentError: one is not: neither losses nor influences can be told of it.
        """
        for rows in self.batches(torch.arange(len(self))):
            is_finite = torch.isfinite(self.outputs(rows=rows)).flatten(1).all(1)
            if not is_finite.all():
                raise ArgumentError(
                    f"model: expected finite answers, {self.name} has none for sequence "
                    f"{int(rows[is_finite.logical_not().cpu()][0])}. "
                    "Run ur.probe.gradients(model, X, y) to look for exploding states."
                )

    def losses(self, answers: Tensor, rows: Tensor | None = None) -> Tensor:
        """(B,) log loss or squared error of each sequence, a mean over its steps where each has an answer.

        Raises:
            ArgumentError: no y was given.
        """
        if self.targets is None:
            raise ArgumentError("y: expected the labels or numbers of X to judge by, got None.")
        targets = self.targets if rows is None else self.targets[rows]
        if self.task == "class":
            if not self.per_step:
                return F.nll_loss(answers, targets, reduction="none")
            targets = targets[:, : answers.shape[1]]
            lost = F.nll_loss(answers.transpose(1, 2), targets, reduction="none", ignore_index=NO_TARGET)
            return lost.sum(1) / (targets != NO_TARGET).sum(1).clamp(min=1)
        targets = targets[:, : answers.shape[1]] if self.per_step else targets
        is_valid = ~targets.isnan()
        squares = (answers - targets.nan_to_num()) ** 2 * is_valid
        return squares.flatten(1).sum(1) / is_valid.flatten(1).sum(1).clamp(min=1)

    @torch.no_grad()
    def score(self) -> SequenceScores:
        """Losses, predictions and hits, some hundred sequences at a time.

        Predictions of steps are T a sequence; those beyond a length mean nothing.
        """
        batches = self.batches(torch.arange(len(self)))
        parts = [self._score_batch(self.outputs(rows=rows), rows) for rows in batches]
        back = torch.cat(batches).argsort().numpy()
        return SequenceScores(*(np.concatenate(each)[back] for each in zip(*parts, strict=True)))

    def _score_batch(self, answers: Tensor, rows: Tensor) -> SequenceScores:
        losses = self.losses(answers, rows).double().cpu().numpy()
        beyond = self.values.shape[1] - answers.shape[1] if self.per_step else 0
        if self.task == "number":
            numbers = F.pad(answers, (0, 0, 0, beyond)) if self.per_step else answers
            return SequenceScores(losses, numbers.double().cpu().numpy(), np.full(len(losses), np.nan))
        assert self.classes is not None
        assert self.targets is not None
        best, targets = answers.argmax(-1), self.targets[rows]
        if self.per_step:
            targets = targets[:, : best.shape[1]]
            is_valid = targets != NO_TARGET
            right = ((best == targets) & is_valid).sum(1) / is_valid.sum(1).clamp(min=1)
            best = F.pad(best, (0, beyond))
        else:
            right = best == targets
        return SequenceScores(losses, self.classes[best.cpu().numpy()], right.double().cpu().numpy())

    def log_probabilities(self, raw: Tensor) -> Tensor:
        """Raw answers as log probabilities where they are classes; one alone is the second's logit."""
        if self.task == "number":
            return raw
        if raw.shape[-1] == 1:
            raw = torch.cat([torch.zeros_like(raw), raw], -1)
        if self.gives_probabilities:
            raw = raw.clamp(min=torch.finfo(raw.dtype).tiny).log()  # log 0 is no loss
        return raw.log_softmax(-1)


def as_probed_model(model: Any, X: Any, y: Any = None, *, caller: str = "probe") -> ProbedModel:
    """A model and the sequences to ask it about.

    Args:
        model: a fitted SequenceClassifier, SequenceRegressor or SequenceTagger; a fitted Forecaster, whose
            latest windows are asked about (X the series, None for its own; y is not read, and its answers are
            the medians of the horizon); or a torch module that holds a recurrent layer and is called with
            (B, T, F), and with `lengths` if its `forward` names them. Without, sequences of different
            lengths are given to it in batches of one length. Of classes it may answer logits, logarithms of
            probabilities, or probabilities, as after a softmax: such are answers that lie from 0 to 1 and
            sum to 1 for every sequence of X. One answer alone is a logit, since a probability between 0 and 1
            cannot be told from one: take the sigmoid off.
        X: whatever `unrolled.data.io.arrays.as_sequences` takes, or a tensor.
        y: labels or numbers, a sequence each; for a tagger a list of them. A module's classes are numbered
            from 0. None where the probe needs none.
        caller: the probe, for error messages.

    Raises:
        ArgumentError: the model is none of these.
        NotFittedError: it was not fitted.
        DataError: X or y cannot be used.

    >>> toy = [[[1.0], [2.0], [3.0]], [[3.0], [2.0], [1.0]]]
    >>> class Last(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn, self.fc = nn.RNN(1, 8, batch_first=True), nn.Linear(8, 2)
    ...     def forward(self, x):
    ...         return self.fc(self.rnn(x)[0][:, -1])
    >>> subject = as_probed_model(Last(), torch.tensor(toy), [1, 0])
    >>> subject.outputs().shape, subject.score().losses.shape, subject.layer_call().inputs.shape
    (torch.Size([2, 2]), (2,), torch.Size([2, 3, 1]))
    """
    if isinstance(model, nn.Module):
        return _of_module(model, X, y, caller)
    is_forecaster = isinstance(model, SupportsForecastWindows)
    if isinstance(model, type) or not (is_forecaster or isinstance(model, SupportsSequenceTensors)):
        raise ArgumentError(
            f"{caller}: expected a fitted model of unrolled or a torch module, got {type(model).__name__}. "
            "Give the model first, then X."
        )
    if not hasattr(model, "networks_"):
        raise NotFittedError(f"{caller}: the {type(model).__name__} is not fitted yet. Call fit(X, y) first.")
    if is_forecaster:
        return _of_forecaster(model, X)
    return _of_estimator(model, X, y, caller)


def _of_forecaster(model: Any, X: Any) -> ProbedModel:
    batch = model.last_windows(X).to(model.device)
    call = ForecastCall(batch)
    return ProbedModel(
        name=f"the {model.cell.upper()}" if model.cell != "feedforward" else "the feed-forward network",
        task="number",
        networks=model.networks_,
        call=call,
        values=batch.inputs,
        lengths=torch.full((len(batch.inputs),), batch.inputs.shape[1]),
        classes=None,
        targets=call.targets,
        per_step=False,
    )


def _of_estimator(model: Any, X: Any, y: Any, caller: str) -> ProbedModel:
    values, lengths = model.tensors(X)
    per_step, classes = bool(model.network_config_.per_step), getattr(model, "classes_", None)
    targets = None
    if y is not None:
        targets = encode_targets(y, lengths, classes, per_step=per_step, caller=f"{caller} y").to(
            values.device
        )
    # numbers are answered in units of their own, scaled; logits as they are
    center, spread = (float(getattr(model, name, by)) for name, by in (("y_mean_", 0.0), ("y_scale_", 1.0)))
    return ProbedModel(
        name=f"the {model.cell.upper()}" if model.cell != "feedforward" else "the feed-forward network",
        task="number" if classes is None else "class",
        networks=tuple(model.networks_),
        call=lambda network, values, lengths, _: network(values, lengths) * spread + center,
        values=values,
        lengths=lengths,
        classes=classes,
        targets=targets,
        per_step=per_step,
    )


def _of_module(module: nn.Module, X: Any, y: Any, caller: str) -> ProbedModel:
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    weight = next(iter(module.parameters()), torch.zeros(()))
    values, lengths = pad_sequences(as_sequences(X, who=f"{caller} X"))
    values = values.to(weight.device, weight.dtype)
    takes_lengths = "lengths" in inspect.signature(module.forward).parameters
    call = call_with_lengths if takes_lengths else call_by_length
    first = first_output(module, call, values, lengths, caller)
    K, per_step = first.shape[-1], first.ndim == 3
    is_class = K > 1 if y is None else are_class_numbers(y, K, per_step=per_step, caller=f"{caller} y")
    classes = np.arange(max(K, 2)) if is_class else None
    targets = None
    if y is not None:
        targets = encode_targets(y, lengths, classes, per_step=per_step, caller=f"{caller} y").to(
            weight.device
        )
        if not is_class and targets.shape[-1] != K:
            raise DataError(f"{caller} y: expected {K} numbers each, as answered, got {targets.shape[-1]}.")
        targets = targets if is_class else targets.to(weight.dtype)
    probed = ProbedModel(
        name=f"the {type(module).__name__}",
        task="class" if is_class else "number",
        networks=(module,),
        call=call,
        values=values,
        lengths=lengths,
        classes=classes,
        targets=targets,
        per_step=per_step,
    )
    gives_probabilities = is_class and are_probabilities(first) and _gives_probabilities(probed)
    return replace(probed, gives_probabilities=gives_probabilities)


@torch.no_grad()
def _gives_probabilities(probed: ProbedModel) -> bool:
    """Whether the raw answers to every sequence, or to every step of it, are probabilities."""
    for rows in probed.batches(torch.arange(len(probed))):
        values, lengths = probed.values_at(rows), probed.lengths[rows]
        with evaluation_mode(probed.networks[0]) as network:
            raw = probed.call(network, values, lengths, rows)
        if probed.per_step:
            raw = raw[torch.arange(raw.shape[1]) < lengths[:, None]]
        if not are_probabilities(raw):
            return False
    return True
