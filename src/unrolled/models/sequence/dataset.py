"""Dataset of ragged sequences: one flat tensor, from which batches are padded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.clips import channels_of
from unrolled.data.preprocess.scaler import SCALED_LIMIT, StandardScaler
from unrolled.data.sequences import Sequences

NO_LABEL = -1  # target of a step that has none, or of padding
_BATCH_STEPS = 1 << 16  # steps of a batch without gradients: more would not stay in the caches
_BATCH_PIXELS = 1 << 22  # numbers of a batch of frames


class SequenceBatch(NamedTuple):
    """B sequences, padded with zeros to the longest of them."""

    values: Tensor  # (B, T, F)
    lengths: Tensor  # (B,)
    targets: Tensor  # (B,), or (B, T) with one a step, -1 beyond a length and without a label
    weights: Tensor | None = None  # (B,) 1 on average over the dataset; None where all are equal
    is_even: bool = False  # every sequence is known to have T steps


@dataclass(frozen=True, eq=False)
class SequenceDataset:
    """Dataset of ragged sequences in one flat tensor, from which a batch picks its steps.

    Args:
        values: (ΣT + 1, F) float32, scaled, or bytes of frames; the last row is what padding reads.
        starts: (N,) where each sequence begins.
        lengths: (N,) its steps, at least 1.
        targets: (N,), or (ΣT + 1,) if `per_step`, the last one being -1.
        per_step: whether each step has a target.
        weights: (N,) of the sequences, 1 on average; None where all are equal.
        scaler: (F,) mean and scale of frames, whose values are scaled batch by batch; None where `values` are
            scaled already.

    >>> flat = torch.tensor([[1.0], [2.0], [3.0], [0.0]])
    >>> dataset = SequenceDataset(flat, torch.tensor([0, 2]), torch.tensor([2, 1]), torch.tensor([5, 7]))
    >>> dataset.batch(torch.tensor([1, 0])).values[..., 0].tolist()
    [[3.0, 0.0], [1.0, 2.0]]
    """

    values: Tensor
    starts: Tensor
    lengths: Tensor
    targets: Tensor
    per_step: bool = False
    weights: Tensor | None = None
    scaler: tuple[Tensor, Tensor] | None = None

    @classmethod
    def from_sequences(
        cls,
        data: Sequences,
        scaler: StandardScaler,
        targets: Tensor | None = None,
        *,
        weights: Tensor | None = None,
        per_step: bool = False,
        device: str = "cpu",
    ) -> SequenceDataset:
        """Scale sequences and put them on a device; without targets each has -1."""
        values = _pixels(data) if data.has_frames else _scaled_table(data, scaler)
        return cls(
            torch.from_numpy(values).to(device),
            torch.from_numpy(data.offsets[:-1]).to(device),
            torch.from_numpy(data.lengths).to(device),
            flat_targets(targets, data, per_step=per_step).to(device),
            per_step=per_step,
            weights=None if weights is None else weights.float().to(device),
            scaler=_pixel_scaler(data, scaler, device) if data.has_frames else None,
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: Tensor) -> SequenceBatch:
        """Make a batch of the sequences in these rows, padded to the longest of them."""
        rows = rows.to(self.lengths.device)
        lengths = self.lengths.index_select(0, rows)
        weights = None if self.weights is None else self.weights.index_select(0, rows)
        if self._even is not None:
            values, places = self._even
            targets = self.targets.index_select(0, rows)
            values = values.index_select(0, rows if places is None else places.index_select(0, rows))
            return SequenceBatch(self._scaled(values), lengths, targets, weights, is_even=True)
        steps = torch.arange(int(lengths.max()), device=rows.device)
        is_step = steps < lengths[:, None]
        places = torch.where(
            is_step, self.starts.index_select(0, rows)[:, None] + steps, len(self.values) - 1
        )
        values = self.values.index_select(0, places.flatten()).view(*places.shape, -1)  # (B, T, F)
        if self.scaler is not None:
            values = self._scaled(values).masked_fill_(~is_step[..., None], 0.0)
        if self.per_step:
            return SequenceBatch(values, lengths, self.targets[places], weights)
        return SequenceBatch(values, lengths, self.targets.index_select(0, rows), weights)

    def _scaled(self, values: Tensor) -> Tensor:
        if self.scaler is None:
            return values
        mean, scale = self.scaler
        return values.float().sub_(mean).div_(scale).clamp_(-SCALED_LIMIT, SCALED_LIMIT)

    @cached_property
    def _even(self) -> tuple[Tensor, Tensor | None] | None:
        """View of the flat values as (·, T, F), and where each sequence is in it, if all have T steps.

        None for where they are, if it holds them in order and nothing else.
        """
        if self.per_step or not len(self):
            return None
        T = int(self.lengths[0])
        if bool((self.lengths != T).any()) or bool((self.starts % T != 0).any()):
            return None
        whole = (len(self.values) - 1) // T
        places = self.starts // T
        is_in_order = torch.equal(places, torch.arange(whole, device=places.device))
        return self.values[: whole * T].view(whole, T, -1), None if is_in_order else places

    def subset(self, rows: Tensor) -> SequenceDataset:
        """Select the sequences in these rows; the flat values are shared."""
        rows = rows.to(self.lengths.device)
        targets = self.targets if self.per_step else self.targets[rows]
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, starts=self.starts[rows], lengths=self.lengths[rows], targets=targets, weights=weights
        )

    def length_batches(self) -> Iterator[Tensor]:
        """Yield all rows in batches of sequences of like length, each with a bounded number of steps."""
        order = self.lengths.argsort(stable=True)
        padded = self.lengths[order].cpu()
        most = _BATCH_STEPS if self.scaler is None else max(1, _BATCH_PIXELS // self.values.shape[1])
        start = 0
        while start < len(order):
            fitting = padded[start:] * torch.arange(1, len(order) - start + 1) <= most
            end = start + max(1, int(fitting.sum()))
            yield order[start:end]
            start = end

    def fingerprint(self, settings: str) -> str:
        """Compute a digest of the data and of how it is used: a training resumes with the same only."""
        digest = hashlib.sha256(repr((settings, self.per_step)).encode())
        others = (() if self.weights is None else (self.weights,)) + (self.scaler or ())
        for tensor in (self.values, self.starts, self.lengths, self.targets, *others):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def _scaled_table(data: Sequences, scaler: StandardScaler) -> NDArray[np.float32]:
    """Scale the values of a table, and add a row of zeros."""
    values = np.zeros((len(data.values) + 1, data.values.shape[1]), dtype=np.float32)
    for k, (mean, scale) in enumerate(zip(*scaler, strict=True)):  # one float64 copy, of one feature
        values[:-1, k] = np.clip((data.values[:, k] - mean) / scale, -SCALED_LIMIT, SCALED_LIMIT)
    return values


def _pixels(data: Sequences) -> NDArray[Any]:
    """Return the pixels of frames (ΣT + 1, C H W), bytes as they are, others as float32."""
    kept = np.uint8 if data.values.dtype == np.uint8 else np.float32
    values = np.zeros((len(data.values) + 1, int(np.prod(data.feature_shape))), dtype=kept)
    values[:-1] = data.values.reshape(len(data.values), -1)
    return values


def _pixel_scaler(data: Sequences, scaler: StandardScaler, device: str) -> tuple[Tensor, Tensor]:
    """Repeat mean and scale (C,) of the channels for each of their pixels: (C H W,) each."""
    _, height, width = channels_of(data)
    mean, scale = (
        torch.as_tensor(part, dtype=torch.float32).repeat_interleave(height * width).to(device)
        for part in scaler
    )
    return mean, scale


def flat_targets(targets: Tensor | None, data: Sequences, *, per_step: bool) -> Tensor:
    """Return targets (N,), or (ΣT + 1,) with a last one for padding; -1 where there are none."""
    if targets is None:
        targets = torch.full((len(data.values) if per_step else len(data),), NO_LABEL)
    return torch.cat([targets, targets.new_full((1,), NO_LABEL)]) if per_step else targets
