"""Training loop of one network: shuffled batches, AdamW, one cycle of the rate, the best weights kept."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError, ModelLoadError, TrainingError
from unrolled.train.averaging import WeightAverage
from unrolled.train.checkpoint import load_checkpoint, save_checkpoint, select_prefix
from unrolled.train.config import NO_HOOKS, TrainingConfig, TrainingHooks, steps_per_epoch
from unrolled.train.history import Ending, History, TrainingRecord
from unrolled.train.optimizer import AdamW, ParameterGroup
from unrolled.train.threads import shared_processors

State = tuple[Tensor, ...]

_random_state = threading.RLock()
_SEED_STRIDE = 1_000_003  # between members: farther apart than anyone's neighbouring seeds
_VALIDATION_BATCH = 1024  # at least: large enough to be quick, small enough to fit


class Dataset(Protocol):
    """Examples to train on: their number, and any of them as one batch."""

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor) -> Any:
        """Return the examples at these positions, in whatever form the loss takes."""


class BatchLoss(NamedTuple):
    """Loss of a batch whose number of targets differs from batch to batch, or that passes a state on.

    Args:
        value: () mean over the targets of the batch.
        n_targets: how many these are: the weight of the batch in means over several. None where it is in
            proportion to the number of examples.
        state: what a stateful training hands to the loss of the next batch.
        backward: computes the gradients of all parameters: writes some over their `.grad`, adds the others to
            it, which is 0 before. None for `value.backward()`.
    """

    value: Tensor
    n_targets: int | None = None
    state: State | None = None
    backward: Callable[[], object] | None = None


Loss = Callable[..., Tensor | BatchLoss]


@shared_processors()
@torch.enable_grad()
def fit(
    network: nn.Module,
    loss: Loss,
    training: Dataset,
    validation: Dataset | None,
    config: TrainingConfig,
    *,
    checkpoint: Path | None = None,
    hooks: TrainingHooks = NO_HOOKS,
    on_check: Callable[[TrainingRecord], object] = lambda _: None,
    on_step: Callable[[int], object] = lambda _: None,
) -> History:
    """Train `network` in place; it ends with the best weights seen, in evaluation mode.

    The best are those of the lowest validation loss, or the last where there is no validation set. Ctrl-C
    ends the training as if it had stopped early: the best weights so far are kept, and the history says
    "interrupted". The random state of the caller is left as it was.

    Args:
        network: its parameters are changed.
        loss: `loss(network, batch)` returns a mean over the batch, or a `BatchLoss`. Where the training is
            stateful, `loss(network, batch, state)` returns a `BatchLoss` with the next state.
        training: what to train on.
        validation: what each check validates on; None to keep the last weights.
        config: the settings.
        checkpoint: a folder that holds the training after each check. If it exists, the training is resumed
            from there, and ends exactly as one that was never stopped (on a GPU, where dropout draws from a
            state of its own, only without dropout).
        hooks: parameter groups, and a function that averages gradients over processes.
        on_check: called with the record of each check.
        on_step: called with the number of steps taken, after each.

    Raises:
        TrainingError: the loss is no longer finite.
        ArgumentError: a parameter is in no group or in two, or a stateful training cannot cut the data
            into whole batches.
        ModelLoadError: the checkpoint is damaged, or was made with other settings.
        StorageError: the checkpoint cannot be written.
    """
    devices = {parameter.device for parameter in network.parameters() if parameter.is_cuda}
    with seeded(config.seed, devices):
        optimizer = AdamW(
            (hooks.parameter_groups or _one_group)(network),
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            clip_norm=config.clip_norm,
        )
        try:
            run = _Run(
                network, optimizer, loss, training, validation,
                config=config, checkpoint=checkpoint, hooks=hooks,
            )  # fmt: skip
            return run.to_the_end(on_check, on_step)
        finally:
            optimizer.release()


def member_seed(seed: int, member: int) -> int:
    """Return the seed of a member of an ensemble; the first has the ensemble's own.

    Ensembles of neighbouring seeds share no member.

    >>> member_seed(7, 0), member_seed(7, 1) == member_seed(8, 0)
    (7, False)
    """
    return seed + member * _SEED_STRIDE


@contextmanager
def seeded(seed: int, devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """Draw from torch's random state as this seed sets it, and leave the caller's as it was.

    That state belongs to the whole process: a second thread that wants it waits.
    """
    with _random_state, torch.random.fork_rng(devices=devices):
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:  # which would keep a stack trace for every kind of device that may yet come into use
            torch.default_generator.manual_seed(seed)
        yield


class _Run:
    """State of one training between two checks: all that a checkpoint has to hold."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: AdamW,
        loss: Loss,
        training: Dataset,
        validation: Dataset | None,
        *,
        config: TrainingConfig,
        checkpoint: Path | None,
        hooks: TrainingHooks,
    ) -> None:
        self.optimizer, self.average_gradients = optimizer, hooks.average_gradients
        self.arrange_rows = hooks.arrange_rows
        self.network, self.loss, self.config, self.checkpoint = network, loss, config, checkpoint
        self.training, self.validation = training, validation
        _require_each_once(network, optimizer.parameters)
        if config.stateful and len(training) % config.batch_size:
            raise ArgumentError(
                f"stateful training: expected a number of examples that batch_size={config.batch_size} "
                f"divides, so that every batch goes on where the one before it ended; got {len(training)}."
            )
        self.average = None if config.averaging is None else WeightAverage(network, config.averaging)
        self.step = 0
        self.state: State | None = None
        self.records: list[TrainingRecord] = []
        self.weights: dict[str, Tensor] = network.state_dict()  # the network's own memory
        self.best = {name: tensor.clone() for name, tensor in self.weights.items()}
        self.best_step = self.n_waited = 0  # checks since the best
        self.best_loss: float | None = None
        self.batch: Any = None  # of the last step

    def to_the_end(
        self, on_check: Callable[[TrainingRecord], object], on_step: Callable[[int], object]
    ) -> History:
        self._resume()
        stopped = self._ended()
        try:
            while not stopped:
                self._train_and_check(on_step)
                self._save()
                on_check(self.records[-1])
                stopped = self._ended()
        except KeyboardInterrupt:
            if not self.best_step:
                raise  # nothing was learned yet
            stopped = "interrupted"
        self.network.load_state_dict(self.best)
        self.network.eval()
        self._require_finite_end()
        seconds = sum(record.seconds for record in self.records)
        return History(tuple(self.records), self.best_step, stopped, seconds, self.config.unit)

    def _ended(self) -> Ending | None:
        if self.step >= self.config.max_steps:
            return "finished"
        return "early" if self.validation is not None and self.n_waited >= self.config.patience else None

    def _train_and_check(self, on_step: Callable[[int], object]) -> None:
        start_s = time.perf_counter()
        n_steps = min(self.config.val_check_steps, self.config.max_steps - self.step)
        rows = self._next_rows(n_steps * self.config.batch_size)
        if not self.network.training:
            self.network.train()
        total, weights = 0.0, 0
        for batch_rows in torch.split(rows, self.config.batch_size):
            value, weight = self._step(batch_rows)
            total, weights = total + weight * value, weights + weight
            on_step(self.step)
        train_loss = total / weights
        with nullcontext() if self.average is None else self.average.applied():
            validation_loss = None if self.validation is None else self._validate(self.validation)
            self._require_finite(train_loss, validation_loss)
            record = TrainingRecord(
                step=self.step,
                epoch=self.step / steps_per_epoch(len(self.training), self.config.batch_size),
                train_loss=train_loss,
                validation_loss=validation_loss,
                learning_rate=self.optimizer.learning_rate,
                seconds=time.perf_counter() - start_s,
            )
            self.records.append(record)
            if validation_loss is None or self.best_loss is None or validation_loss < self.best_loss:
                torch._foreach_copy_(list(self.best.values()), list(self.weights.values()))
                self.best_step, self.best_loss, self.n_waited = self.step, validation_loss, 0
            else:
                self.n_waited += 1

    def _step(self, rows: Tensor) -> tuple[float, int]:
        """Take one step; returns the loss of its batch and the weight of that loss."""
        config = self.config
        self.optimizer.learning_rate = config.learning_rate * _one_cycle(self.step, config.max_steps)
        self.optimizer.progress = self.step / config.max_steps
        if config.stateful and rows[0] == 0:
            self.state = None
        self.batch = self.training.batch(rows)
        batch_loss = self._batch_loss(self.batch, self.state)
        self.optimizer.zero_grad(set_to_none=batch_loss.backward is None)
        (batch_loss.backward or batch_loss.value.backward)()
        if self.average_gradients is not None:
            self.average_gradients(self.optimizer.parameters, _weight(batch_loss, len(rows)))
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.step)
        self.step += 1
        self.state = batch_loss.state and tuple(each.detach() for each in batch_loss.state)
        return batch_loss.value.item(), _weight(batch_loss, 1)

    @torch.no_grad()
    def _validate(self, dataset: Dataset) -> float:
        """Return the mean loss over all examples."""
        self.network.eval()
        size = self.config.batch_size
        size = size if self.config.stateful else max(_VALIDATION_BATCH, size)
        total, weights, state = 0.0, 0, None
        for rows in torch.split(torch.arange(len(dataset)), size):
            batch_loss = self._batch_loss(dataset.batch(rows), state)
            weight, state = _weight(batch_loss, len(rows)), batch_loss.state
            total, weights = total + batch_loss.value.item() * weight, weights + weight
        return total / weights

    def _batch_loss(self, batch: Any, state: State | None) -> BatchLoss:
        stateful = self.config.stateful
        value = self.loss(self.network, batch, state) if stateful else self.loss(self.network, batch)
        return value if isinstance(value, BatchLoss) else BatchLoss(value)

    def _next_rows(self, count: int) -> Tensor:
        """(count,) positions: as many shuffles of all examples as it takes; stateful, in order."""
        n_examples = len(self.training)
        if self.config.stateful:
            return torch.arange(count).add_(self.step * self.config.batch_size).remainder_(n_examples)
        shuffles = [torch.randperm(n_examples) for _ in range(-(-count // n_examples))]
        rows = shuffles[0] if count == n_examples else torch.cat(shuffles)[:count]
        return rows if self.arrange_rows is None else self.arrange_rows(rows, self.config.batch_size)

    def _require_finite(self, train_loss: float, validation_loss: float | None) -> None:
        if math.isfinite(train_loss) and (validation_loss is None or math.isfinite(validation_loss)):
            return
        is_training = not math.isfinite(train_loss)
        value, data = (train_loss, "training") if is_training else (validation_loss, "validation")
        raise TrainingError(
            f"The {data} loss is no longer finite ({value}) by step {self.step}. Lower learning_rate (now "
            f"{self.config.learning_rate:g})."
        )

    @torch.no_grad()
    def _require_finite_end(self) -> None:
        """Pass if the weights after the last step have a finite loss, which without validation nobody saw."""
        if self.validation is None and self.batch is not None:
            self._require_finite(self._batch_loss(self.batch, None).value.item(), None)

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        tensors = {f"network.{name}": t for name, t in self.weights.items()}
        tensors |= {f"best.{name}": t for name, t in self.best.items()}
        tensors |= {f"state.{k}": t for k, t in enumerate(self.state or ())}
        tensors |= self.optimizer.tensors() | {"random_state": torch.get_rng_state()}
        if self.average is not None:
            tensors |= self.average.tensors()
        progress = {"records": [asdict(each) for each in self.records], "best_step": self.best_step}
        save_checkpoint(self.checkpoint, tensors, self._identity() | progress)

    def _resume(self) -> None:
        saved = None if self.checkpoint is None else load_checkpoint(self.checkpoint)
        if saved is None:
            return
        tensors, record = saved
        identity = self._identity()
        weights = select_prefix("network.", tensors)
        if {key: record.get(key) for key in identity} != identity or not self._fits(weights):
            raise ModelLoadError(
                f"{self.checkpoint}: this checkpoint was made with other settings or data. "
                "Delete the folder to train from the start, or give back the settings it was made with."
            )
        try:
            records = [TrainingRecord(**each) for each in record["records"]]
            self.network.load_state_dict(weights)
            self.optimizer.load_tensors(tensors)
            if self.average is not None:
                self.average.load_tensors(tensors)
            torch.set_rng_state(tensors["random_state"])
            state = select_prefix("state.", tensors)
            self.state = tuple(state[str(k)] for k in range(len(state))) or None
            best_record = next(each for each in records if each.step == record["best_step"])
            for name, best in self.best.items():
                best.copy_(tensors[f"best.{name}"])
            self.best_loss = best_record.validation_loss
            self.step, self.best_step, self.records = records[-1].step, best_record.step, records
            self.n_waited = sum(each.step > self.best_step for each in records)
        except (KeyError, IndexError, StopIteration, TypeError, ValueError, RuntimeError) as fault:
            raise ModelLoadError(
                f"{self.checkpoint}: not a whole checkpoint ({type(fault).__name__}: {fault}). "
                "Delete the folder to train from the start."
            ) from fault

    def _identity(self) -> dict[str, Any]:
        """Return what must be equal for a checkpoint to be resumed."""
        return {"config": asdict(self.config), "n_examples": len(self.training)}

    def _fits(self, saved: dict[str, Tensor]) -> bool:
        """Tell whether these are weights of this very network."""
        shapes = {name: tensor.shape for name, tensor in self.weights.items()}
        return shapes == {name: tensor.shape for name, tensor in saved.items()}


def _one_group(network: nn.Module) -> list[ParameterGroup]:
    return [ParameterGroup([p for p in network.parameters() if p.requires_grad])]


def _require_each_once(network: nn.Module, grouped: list[nn.Parameter]) -> None:
    """Pass if every parameter that learns is in one group: one in none would stay as it is unsaid."""
    for name, parameter in network.named_parameters():
        times = sum(parameter is each for each in grouped)
        if parameter.requires_grad and times != 1:
            raise ArgumentError(
                f"parameter_groups: expected every parameter that learns in one group; {name!r} is in "
                f"{times}. Freeze it with requires_grad_(False), or name it once."
            )


def _weight(batch_loss: BatchLoss, default: int) -> int:
    return default if batch_loss.n_targets is None else batch_loss.n_targets


def _one_cycle(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: a short climb, then half a cosine down to 0."""
    climb = min(1.0, (step + 1) / (0.05 * steps))
    return climb * 0.5 * (1 + math.cos(math.pi * step / steps))
