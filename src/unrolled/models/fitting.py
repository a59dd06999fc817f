"""Parts of a fit that every estimator shares: the split for validation, the identity of a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.train.config import Monitor, TrainingConfig


class FingerprintedDataset(Protocol):
    """Dataset of a training whose checkpoint can be told from that of other data."""

    def fingerprint(self, settings: str) -> str:
        """Compute a digest of the data and of these settings."""


class DivisibleDataset(FingerprintedDataset, Protocol):
    """Dataset of which rows can be selected."""

    def subset(self, rows: Tensor) -> Self:
        """Select the examples in these rows."""


DatasetT = TypeVar("DatasetT", bound=DivisibleDataset)


def split_dataset(dataset: DatasetT, validation_mask: NDArray[np.bool_]) -> tuple[DatasetT, DatasetT | None]:
    """Split a dataset by the mask (N,) of what is held out; None for the validation set where nothing is."""
    rows = [torch.from_numpy(np.flatnonzero(part)) for part in (~validation_mask, validation_mask)]
    return dataset.subset(rows[0]), dataset.subset(rows[1]) if len(rows[1]) else None


def identified(
    config: TrainingConfig,
    monitor: Monitor,
    training: FingerprintedDataset,
    validation: FingerprintedDataset | None,
    *settings: Any,
) -> TrainingConfig:
    """Add to the settings of a training what else must be equal for its checkpoint to be resumed.

    Args:
        config: of the training.
        monitor: without a checkpoint nothing is added.
        training: learned from.
        validation: held out; None for nothing.
        settings: whatever shapes network and loss, told apart by its `repr`.
    """
    if monitor.checkpoint is None:
        return config
    validated = None if validation is None else validation.fingerprint("")
    return replace(config, identity=training.fingerprint(repr((settings, validated))))
