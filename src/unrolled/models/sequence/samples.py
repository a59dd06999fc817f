"""Training samples: sequences with targets, weights and groups; copies count as one with their weight."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.alignment import align_targets
from unrolled.data.clips import channels_of
from unrolled.data.io.targets import are_labelled, as_groups, as_weights
from unrolled.data.preprocess.scaler import StandardScaler, fit_channel_scaler
from unrolled.data.sequences import Sequences
from unrolled.models.sequence.missing import feature_means, fill_missing, scale_gap_columns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingSamples:
    """Sequences to learn from, with what stands beside each.

    Args:
        data: N sequences.
        targets: (N,), or (ΣT,) with one a step.
        weights: (N,) above 0, 1 on average; None where all are equal.
        groups: (N,) the group of each, from 0 on; None without groups.
        n_copies: how many sequences they were before copies were merged; by this a training is as long as
            without merging.
    """

    data: Sequences
    targets: NDArray[Any]
    weights: Floats | None
    groups: Ints | None
    n_copies: int

    @property
    def step_weights(self) -> Floats | None:
        """Weights (ΣT,) of the steps, those of their sequences."""
        return None if self.weights is None else np.repeat(self.weights, self.data.lengths)


def collect_samples(
    data: Sequences, targets: NDArray[Any], sample_weight: Any, groups: Any
) -> TrainingSamples:
    """Validate weights and groups, bring them into the order of the sequences, and merge copies.

    Raises:
        DataError: weights or groups cannot be used as they are.
    """
    group_ids = None
    if groups is not None:
        group_ids = as_groups(align_targets(groups, data, "groups"), len(data))
    return merge_copies(data, targets, check_weights(sample_weight, data), group_ids)


def check_weights(sample_weight: Any, data: Sequences) -> Floats | None:
    """Validate weights (N,) and bring them into the order of the sequences; None stays.

    Raises:
        DataError: they cannot be used as they are.
    """
    if sample_weight is None:
        return None
    return as_weights(align_targets(sample_weight, data, "sample_weight"), len(data))


def merge_copies(
    data: Sequences, targets: NDArray[Any], sample_weight: Floats | None, groups: Ints | None
) -> TrainingSamples:
    """Leave out samples without weight or label, and make copies with equal targets one, weights added.

    So a weight of k and k copies of a sequence are the same training, to the bit. Samples of unlike weights
    are put in an order that only their content decides; without weights and copies all stay as they are.

    Args:
        data: N sequences.
        targets: (N,), or (ΣT,) with one a step.
        sample_weight: (N,) not negative; None for 1.
        groups: (N,) the group of each: copies in two groups stay apart.

    >>> data = Sequences.from_arrays([[1.0], [2.0], [1.0]])
    >>> samples = merge_copies(data, np.array([5, 6, 5]), None, None)
    >>> len(samples.data), sorted(samples.weights.round(2).tolist()), samples.n_copies
    (2, [0.67, 1.33], 3)
    """
    per_step = len(targets) != len(data)
    parts = np.split(targets, data.offsets[1:-1]) if per_step else list(targets[:, None])
    weights = np.ones(len(data)) if sample_weight is None else sample_weight
    if per_step:
        weights = weights * [are_labelled(part).any() for part in parts]
    codes = np.zeros(len(data), dtype=np.int64) if groups is None else groups
    first: dict[tuple[bytes, int], int] = {}
    total: dict[tuple[bytes, int], float] = {}
    for i in np.flatnonzero(weights > 0).tolist():
        key = _digest(data.values[data.offsets[i] : data.offsets[i + 1]], parts[i]), int(codes[i])
        first.setdefault(key, i)
        total[key] = total.get(key, 0.0) + float(weights[i])
    if len(first) == len(data) and len(set(total.values())) == 1:
        return TrainingSamples(data, targets, None, groups, len(data))
    are_equal = len(set(total.values())) == 1
    keys = list(first) if are_equal else sorted(first)
    positions = np.array([first[key] for key in keys], dtype=np.int64)
    merged = np.array([total[key] for key in keys])
    are_whole = bool((weights == np.floor(weights)).all())
    chosen = [parts[i] for i in positions]
    return TrainingSamples(
        data.select(positions),
        np.concatenate(chosen),
        None if are_equal else merged / merged.mean(),
        None if groups is None else pd.factorize(groups[positions])[0].astype(np.int64),
        int(weights.sum()) if are_whole else int((weights > 0).sum()),
    )


def fill_and_scale(
    samples: TrainingSamples, missing: str | None, validation_mask: NDArray[np.bool_]
) -> tuple[TrainingSamples, StandardScaler]:
    """Fill the missing values of samples, and measure the scale of their inputs.

    Both draw on what is not held out: that must not shape the scale that it is validated on.

    Args:
        samples: N sequences.
        missing: as for `fill_missing`.
        validation_mask: (N,) true for the sequences that are held out.
    """
    is_training = np.repeat(~validation_mask, samples.data.lengths)
    if samples.data.has_frames:
        return samples, _frame_scaler(samples, is_training)
    means = feature_means(samples.data.values[is_training])
    samples = replace(samples, data=fill_missing(samples.data, missing, means))
    weights = samples.step_weights
    scaler = StandardScaler.fit(
        samples.data.values[is_training] if validation_mask.any() else samples.data.values,
        None if weights is None else weights[is_training],
    )
    return samples, scale_gap_columns(scaler, missing, means)


def _frame_scaler(samples: TrainingSamples, is_training: NDArray[np.bool_]) -> StandardScaler:
    """Measure the scale (C,) of the channels of frames, of those that are trained on."""
    values, weights = samples.data.values, samples.step_weights
    frames = values.reshape(len(values), *channels_of(samples.data))
    if is_training.all():
        return fit_channel_scaler(frames, weights)
    return fit_channel_scaler(frames[is_training], None if weights is None else weights[is_training])


def _digest(values: Floats, targets: NDArray[Any]) -> bytes:
    digest = hashlib.blake2b(repr((values.shape, targets.tolist())).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.digest()
