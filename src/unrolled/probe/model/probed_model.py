"""Model with the sequences that it is probed on: the interface of all probes.

Shapes: N sequences, B of them at once, T steps of the longest, F inputs, K outputs: classes or numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.errors import ArgumentError
from unrolled.probe.model.bucketing import STEPS_AT_ONCE, bucket_by_length
from unrolled.probe.model.forecaster import ForecastCall
from unrolled.probe.model.layer_hook import (
    LayerCall,
    LayerReplacement,
    capture_calls,
    evaluation_mode,
    find_recurrent_layer,
    is_cell,
    single_call,
)
from unrolled.probe.model.targets import NO_TARGET
from unrolled.probe.model.tokens import TokenCall
from unrolled.probe.model.torch_module import call_by_length

_OUTPUTS_AT_ONCE = 1 << 24  # numbers: of a vocabulary each step has thousands

NetworkCall = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


class SequenceScores(NamedTuple):
    """Predictions for sequences, and how good they are."""

    losses: NDArray[np.float64]  # (B,) mean log loss, or squared error, of each sequence
    predictions: NDArray[Any]  # (B,) labels or (B, K) numbers; (B, T) or (B, T, K) with an output a step
    accuracies: NDArray[np.float64]  # (B,) share of right labels of each sequence; NaN for numbers


@dataclass(frozen=True, eq=False)
class ProbedModel:
    """Model with the sequences that it is probed on.

    Networks run in evaluation mode and are left as they were.

    Args:
        name: the model's name in a sentence.
        task: "class" or "number".
        networks: one, or the members of an ensemble.
        call: `call(network, values, lengths, rows)` returns raw outputs (B, K), or (B, T, K).
        values: (N, T, F) input of the networks, zero beyond a sequence's length.
        lengths: (N,) int64.
        classes: (K,) labels in the order of the outputs; None for numbers.
        targets: (N,) positions of classes, or (N, K) numbers; (N, T, ...) with an output a step, -100 or NaN
            beyond a length; None without y.
        per_step: whether every step has an output.
        gives_probabilities: whether raw outputs for classes are probabilities, not logits.
        stem_stride: steps of the input for one of the recurrent layer; None where only a run can tell.
        frame_shape: (C, H, W) of steps that are frames, F being their pixels; () of others.
        step_s: seconds from one step to the next, of recordings; None where a step has no duration.
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
    stem_stride: int | None = None
    frame_shape: tuple[int, ...] = ()
    step_s: float | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def layer(self) -> nn.Module:
        """Recurrent layer of the first network (the last one, where there are several).

        Raises:
            ArgumentError: there is none.
        """
        layer = find_recurrent_layer(self.networks[0])
        if layer is None:
            raise ArgumentError(
                "model: expected one with a recurrent layer (RNN, GRU or LSTM of unrolled.nn or torch.nn, or "
                f"a cell of torch.nn), {self.name} has none. Its memory is the window it reads."
            )
        return layer

    @property
    def model_values(self) -> Tensor:
        """Values (N, T, F) that a copy of the model can be trained on: of tokens without their vectors."""
        return self.values[..., :1] if isinstance(self.call, TokenCall) else self.values

    @torch.no_grad()
    def stride(self) -> int:
        """Count the steps of the input for one of the recurrent layer, at least 1.

        Where no stem says it, the longest sequence is run: its steps over those of the layer, rounded.
        """
        if self.stem_stride is not None:
            return self.stem_stride
        row = self.lengths.argmax()[None].cpu()
        layer_steps = self.select(row).layer_call().inputs.shape[1]
        return max(1, round(int(self.lengths.max()) / layer_steps))

    def select(self, rows: Tensor) -> ProbedModel:
        """Take the sequences at these positions, repeats included, padded to the longest of them."""
        values, lengths, targets = self.values_at(rows), self.lengths[rows], self.targets
        if targets is not None:
            targets = targets[:, : values.shape[1]][rows] if self.per_step else targets[rows]
        call = self.call.select(rows) if isinstance(self.call, ForecastCall) else self.call
        return replace(self, call=call, values=values, lengths=lengths, targets=targets)

    def values_at(self, rows: Tensor) -> Tensor:
        """Values (B, T', F) of the sequences at these positions, T' the longest of them."""
        return self.values[:, : int(self.lengths[rows].max())][rows]

    def permuted(self, order: Tensor) -> ProbedModel:
        """Permute the steps, `order[i, t]` to step t; targets of single steps move with them."""
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
        """Run the networks: (B, K) or (B, T, K) log probabilities of the classes, or numbers, with a graph.

        Args:
            values: (B, T, F) input; None for the sequences' own values.
            rows: (B,) position of the sequence that each row of `values` comes from; None for all, in order.
            replacement: function to run in place of the recurrent layer: see `layer_hook.capture_calls`.
                Then only the first network runs. Cells in a loop run themselves, and it sees their call.
        """
        rows = torch.arange(len(self)) if rows is None else rows
        values = self.values_at(rows) if values is None else values
        lengths = self.lengths[rows]
        if replacement is not None:
            with evaluation_mode(self.networks[0]) as network:
                return self._outputs_of_replacement(network, (values, lengths, rows), replacement)
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

    def _outputs_of_replacement(
        self, network: nn.Module, batch: tuple[Tensor, Tensor, Tensor], replacement: LayerReplacement
    ) -> Tensor:
        """Run a network with its recurrent layer replaced; cells in a loop run as they are, and are shown."""
        if is_cell(self.layer):
            with capture_calls(self.layer) as calls:
                outputs = self.log_probabilities(self.call(network, *batch))
            replacement(single_call(calls, self.layer))
            return outputs
        with capture_calls(self.layer, replacement) as calls:
            outputs = self.log_probabilities(self.call(network, *batch))
            single_call(calls, self.layer)
        return outputs

    def batches(self, rows: Tensor) -> list[Tensor]:
        """Split rows into batches that the layer runs once for.

        Sequences of a batch have similar lengths, or the same length where the network takes no lengths. The
        longest come first, as packing demands.
        """
        is_exact = self.call is call_by_length or (
            isinstance(self.call, TokenCall) and self.call.is_by_length
        )
        n_outputs = len(self.classes) if self.per_step and self.classes is not None else 1
        most_steps = min(STEPS_AT_ONCE, max(1, _OUTPUTS_AT_ONCE // n_outputs))
        buckets = bucket_by_length(self.lengths[rows], exact=is_exact, most_steps=most_steps)
        return [self._longest_first(rows[bucket]) for bucket in buckets]

    def _longest_first(self, rows: Tensor) -> Tensor:
        return rows[self.lengths[rows].cpu().argsort(descending=True, stable=True)]

    def layer_call(self) -> LayerCall:
        """Run the first network and return the call of its recurrent layer: inputs, output and states."""
        rows = self._longest_first(torch.arange(len(self)))
        with evaluation_mode(self.networks[0]) as network, capture_calls(self.layer) as calls:
            self.call(network, self.values[rows], self.lengths[rows], rows)
        return single_call(calls, self.layer).at(rows.argsort())

    @torch.no_grad()
    def require_finite(self) -> None:
        """Pass if every output is finite; otherwise there is no loss and no influence to measure.

        Raises:
            ArgumentError: one is not.
        """
        for rows in self.batches(torch.arange(len(self))):
            is_finite = torch.isfinite(self.outputs(rows=rows)).flatten(1).all(1)
            if not is_finite.all():
                raise ArgumentError(
                    f"model: expected finite outputs, {self.name} has others for sequence "
                    f"{int(rows[is_finite.logical_not().cpu()][0])}. "
                    "Run ur.probe.gradients(model, X, y) to look for exploding states."
                )

    def losses(self, outputs: Tensor, rows: Tensor | None = None) -> Tensor:
        """Log loss or squared error (B,) of each sequence, a mean over its steps with an output a step.

        Raises:
            ArgumentError: there are no targets.
        """
        if self.targets is None:
            raise ArgumentError("y: expected the labels or numbers of X, to compute a loss; got None.")
        targets = self.targets if rows is None else self.targets[rows]
        if self.task == "class":
            if not self.per_step:
                return F.nll_loss(outputs, targets, reduction="none")
            targets = targets[:, : outputs.shape[1]]
            by_step = F.nll_loss(outputs.transpose(1, 2), targets, reduction="none", ignore_index=NO_TARGET)
            return by_step.sum(1) / (targets != NO_TARGET).sum(1).clamp(min=1)
        targets = targets[:, : outputs.shape[1]] if self.per_step else targets
        is_valid = ~targets.isnan()
        squares = (outputs - targets.nan_to_num()) ** 2 * is_valid
        return squares.flatten(1).sum(1) / is_valid.flatten(1).sum(1).clamp(min=1)

    def training_loss(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Mean loss of a network in training on the sequences at these positions."""
        call = self.call.look_up if isinstance(self.call, TokenCall) else self.call
        raw = call(network, self.values_at(rows), self.lengths[rows], rows)
        return self.losses(self.log_probabilities(raw), rows).mean()

    @torch.no_grad()
    def score(self) -> SequenceScores:
        """Predict and score all sequences, some hundred at a time.

        Predictions of steps are T a sequence; those beyond a length mean nothing.
        """
        batches = self.batches(torch.arange(len(self)))
        parts = [self._score_batch(self.outputs(rows=rows), rows) for rows in batches]
        back = torch.cat(batches).argsort().numpy()
        return SequenceScores(*(np.concatenate(each)[back] for each in zip(*parts, strict=True)))

    def _score_batch(self, outputs: Tensor, rows: Tensor) -> SequenceScores:
        losses = self.losses(outputs, rows).double().cpu().numpy()
        beyond = self.values.shape[1] - outputs.shape[1] if self.per_step else 0
        if self.task == "number":
            numbers = F.pad(outputs, (0, 0, 0, beyond)) if self.per_step else outputs
            return SequenceScores(losses, numbers.double().cpu().numpy(), np.full(len(losses), np.nan))
        assert self.classes is not None
        assert self.targets is not None
        best, targets = outputs.argmax(-1), self.targets[rows]
        if self.per_step:
            targets = targets[:, : best.shape[1]]
            is_valid = targets != NO_TARGET
            accuracies = ((best == targets) & is_valid).sum(1) / is_valid.sum(1).clamp(min=1)
            best = F.pad(best, (0, beyond))
        else:
            accuracies = best == targets
        return SequenceScores(losses, self.classes[best.cpu().numpy()], accuracies.double().cpu().numpy())

    def log_probabilities(self, raw: Tensor) -> Tensor:
        """Turn raw outputs for classes into log probabilities; a single one is of class 1."""
        if self.task == "number":
            return raw
        if raw.shape[-1] == 1:
            raw = torch.cat([1 - raw if self.gives_probabilities else torch.zeros_like(raw), raw], -1)
        if self.gives_probabilities:
            raw = raw.clamp(min=torch.finfo(raw.dtype).tiny).log()  # log 0 is no loss
        return raw.log_softmax(-1)
