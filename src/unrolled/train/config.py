"""Settings of a training, hooks into it, and how it reports."""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from unrolled.train.history import Unit
from unrolled.train.optimizer import ParameterGroup
from unrolled.validation import ErrorCollector, check_path

Callback = Callable[[dict[str, Any]], object]
AverageGradients = Callable[[Sequence[nn.Parameter], int], object]
ArrangeRows = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class AveragingConfig:
    """Settings of a `WeightAverage`.

    Args:
        decay: share of the average that one step keeps, above 0; 1 weighs all steps alike.
        start_step: steps before the first that is averaged.
    """

    decay: float
    start_step: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training.

    Args:
        max_steps: steps of the optimizer at most; the learning rate falls to 0 over this many.
        val_check_steps: steps between two checks: each validates, writes the checkpoint and adds a record.
        batch_size: examples a step.
        learning_rate: its peak, reached after the first twentieth of the steps.
        weight_decay: AdamW's.
        clip_norm: gradients longer than this are shortened to it.
        patience: checks without a lower validation loss before the training stops early.
        seed: of shuffling and dropout.
        stateful: read the examples in order, unshuffled, and hand the state that the loss returns to the
            next batch: truncated backpropagation through time. The state starts anew with every pass.
        averaging: validate and keep averaged weights; None for the weights as they are.
        unit: what the progress line and the history count in.
        identity: what else must be equal, such as a digest of the data, for a checkpoint to be resumed.
    """

    max_steps: int
    val_check_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    patience: int = 8
    seed: int = 0
    stateful: bool = False
    averaging: AveragingConfig | None = None
    unit: Unit = "step"
    identity: str = ""

    def __post_init__(self) -> None:
        # a grid of settings holds numpy's numbers, which neither JSON nor torch's split takes
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, numbers.Real) and not isinstance(value, bool):
                plain = int(value) if isinstance(value, numbers.Integral) else float(value)
                object.__setattr__(self, setting.name, plain)

    @classmethod
    def of_epochs(cls, max_epochs: int, n_examples: int, batch_size: int, **settings: Any) -> TrainingConfig:
        """Count in epochs, each a pass over all examples with one check at its end.

        >>> config = TrainingConfig.of_epochs(3, n_examples=100, batch_size=8, learning_rate=0.01)
        >>> config.max_steps, config.val_check_steps
        (39, 13)
        """
        steps = steps_per_epoch(n_examples, batch_size)
        settings |= {"max_steps": max_epochs * steps, "val_check_steps": steps, "unit": "epoch"}
        return cls(batch_size=batch_size, **settings)

    @classmethod
    def within_bounds(
        cls, bounds: EpochBounds, n_examples: int, *, max_epochs: int | None, batch_size: int,
        patience: int | None, averaged: float | None = None, **settings: Any,
    ) -> TrainingConfig:  # fmt: skip
        """Count in epochs, by default those of the bounds, in batches that few examples make smaller.

        Args:
            bounds: of the epochs.
            n_examples: to learn from.
            max_epochs: epochs; None for those of the bounds.
            batch_size: of many examples, see `bounded_batch_size`.
            patience: epochs without a lower loss; None for all.
            averaged: share of all steps that averaged weights mostly come from, in the second half of the
                training; None for no averages.
            settings: as of `TrainingConfig`.

        >>> bounds, usual = EpochBounds(16, 60, 600), {"batch_size": 32, "patience": None}
        >>> config = TrainingConfig.within_bounds(bounds, 2700, max_epochs=None, learning_rate=0.01, **usual)
        >>> config.max_steps, config.patience
        (1360, 16)
        """
        batch_size = bounded_batch_size(batch_size, n_examples)
        steps = steps_per_epoch(n_examples, batch_size)
        max_epochs = max_epochs or bounds.epochs(steps)
        if averaged is not None:
            memory = max(2.0, averaged * max_epochs * steps)
            settings["averaging"] = AveragingConfig(1 - 1 / memory, start_step=max_epochs * steps // 2)
        return cls.of_epochs(max_epochs, n_examples, batch_size, patience=patience or max_epochs, **settings)


@dataclass(frozen=True)
class TrainingHooks:
    """Functions of the caller that take part in a training; each may be left out.

    Args:
        initialize: called with a new network before its training, with the random state of its seed; for
            weights that depend on the data.
        parameter_groups: called with the network; returns groups of parameters, each with its own learning
            rate, weight decay and start. Parameters with `requires_grad=False` are frozen and belong to none.
        average_gradients: called between backward and clipping with the parameters and the number of
            targets in the batch; for means over several processes.
        arrange_rows: called with the shuffled rows of the next steps and the batch size; returns them in the
            order in which batches are cut. For batches of like length: see `unrolled.train.batching`.
    """

    initialize: Callable[[Any], object] | None = None
    parameter_groups: Callable[[Any], Sequence[ParameterGroup]] | None = None
    average_gradients: AverageGradients | None = None
    arrange_rows: ArrangeRows | None = None


@dataclass(frozen=True)
class Monitor:
    """Checkpoint, progress line and callbacks of a training.

    Args:
        checkpoint: a folder with one checkpoint for each network; None for none.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the work takes more
            than two seconds.
        callbacks: called after every check with a new dict of plain numbers and texts: stage, member,
            n_members, step, max_steps, epoch, train_loss, validation_loss, learning_rate and seconds.
        start_s: when the work began, by `time.perf_counter`.
    """

    checkpoint: Path | None = None
    verbose: bool | None = False
    callbacks: tuple[Callback, ...] = ()
    start_s: float = field(default_factory=time.perf_counter, compare=False)

    @classmethod
    def from_arguments(cls, checkpoint: Any, callbacks: Any, *, verbose: bool | None) -> Monitor:
        """Check these arguments of a `fit`.

        Raises:
            ArgumentError: `checkpoint` is no path, or `callbacks` are not several functions.

        >>> Monitor.from_arguments(None, print, verbose=False)
        Traceback (most recent call last):
        unrolled.errors.ArgumentError: callbacks: expected a list of functions, got <built-in ...
        """
        faults = ErrorCollector()
        folder = None if checkpoint is None else faults.collect(check_path, "checkpoint", checkpoint)
        are_several = isinstance(callbacks, Iterable) and not isinstance(callbacks, str)
        functions = tuple(callbacks) if are_several else (callbacks,)
        wrong = [each for each in functions if not callable(each)]
        if wrong or not are_several:
            got, way = (wrong[0], "Leave it out") if wrong else (callbacks, "Put it in a list")
            faults.add(f"callbacks: expected a list of functions, got {got!r}. {way}.")
        faults.raise_if_any()
        return cls(folder, None if verbose is None else bool(verbose), functions)


NO_HOOKS, SILENT = TrainingHooks(), Monitor()


def steps_per_epoch(n_examples: int, batch_size: int) -> int:
    """Count the steps of one pass over the data; its last batch is filled up from the next shuffle."""
    return math.ceil(n_examples / batch_size)


class EpochBounds(NamedTuple):
    """Epochs of a training where the user names none: as many as make `min_steps`, within bounds.

    Args:
        least: epochs of many examples.
        most: epochs of few.
        min_steps: steps of the optimizer.

    >>> bounds = EpochBounds(least=16, most=60, min_steps=600)
    >>> bounds.epochs(5), bounds.epochs(20), bounds.epochs(500)
    (60, 30, 16)
    """

    least: int
    most: int
    min_steps: int

    def epochs(self, steps: int) -> int:
        """Return the epochs for so many steps an epoch."""
        return min(max(self.least, math.ceil(self.min_steps / steps)), self.most)


def bounded_batch_size(batch_size: int, n_examples: int) -> int:
    """Bound a batch to a sixteenth of the examples, but to no fewer than 8, and to all of them.

    >>> bounded_batch_size(64, 29_000), bounded_batch_size(64, 200), bounded_batch_size(64, 5)
    (64, 12, 5)
    """
    return min(batch_size, max(8, n_examples // 16), n_examples)
