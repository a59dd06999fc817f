"""The training loop: shuffled windows, fused Adam, one cycle of the learning rate, the best weights kept."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from unrolled.errors import ModelLoadError, TrainingError
from unrolled.train.checkpoint import load_checkpoint, save_checkpoint, select_prefix
from unrolled.train.history import History, TrainingRecord
from unrolled.train.optimizer import AdamW

_random_state = threading.RLock()
_SEED_STRIDE = 1_000_003  # between members: farther apart than anyone's neighbouring seeds


class Dataset(Protocol):
    """What can be trained on: a number of examples, and any of them as one batch."""

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor) -> Any:
        """The examples at these positions, in whatever form the loss takes."""


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of one training.

    Args:
        max_epochs: epochs at most; the learning rate falls to 0 over this many.
        batch_size: examples a step.
        learning_rate: its peak, reached after the first twentieth of the steps.
        steps_per_epoch: an epoch is this many steps, whether the examples last for more or have to be
            shuffled again, so that large sets and small ones are judged equally often.
        weight_decay: AdamW's.
        clip_norm: gradients longer than this are shortened to it.
        patience: epochs without a better validation loss before the training stops.
        seed: of the shuffling and of dropout.
        identity: whatever else must be the same, such as a digest of the data, for a checkpoint to go on.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    steps_per_epoch: int
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    patience: int = 8
    seed: int = 0
    identity: str = ""


@torch.enable_grad()
def fit(
    network: nn.Module,
    loss: Callable[[nn.Module, Any], Tensor],
    training: Dataset,
    validation: Dataset | None,
    plan: TrainingConfig,
    *,
    checkpoint: Path | None = None,
    tell: Callable[[int, TrainingRecord], object] = lambda _, __: None,
) -> History:
    """Train `network` in place; it ends with the best weights seen.

    The best are those of the lowest validation loss, or the last where there is no validation set. Ctrl-C
    ends the training as if it had been stopped early: the best weights so far are kept, and the history
    says "interrupted". The random state of the caller is left as it was.

    Args:
        network: its parameters are changed.
        loss: `loss(network, batch)`, a mean over the batch.
        training: what to train on.
        validation: what to judge each epoch by; None to keep the weights of the last.
        plan: the settings.
        checkpoint: a folder that holds the training after each epoch; if it exists, the training goes on
            from there, and ends exactly as one that was never interrupted (on a GPU, where dropout draws
            from a state of its own, without dropout only).
        tell: called after each epoch with its number and its record.

    Raises:
        TrainingError: the loss is no longer finite.
        ModelLoadError: the checkpoint is damaged, or was made with other settings.
        StorageError: the checkpoint cannot be written.
    """
    devices = {parameter.device for parameter in network.parameters() if parameter.is_cuda}
    with seeded(plan.seed, devices):
        run = _Training(network, loss, training, validation, plan=plan, checkpoint=checkpoint)
        return run.to_the_end(tell)


def member_seed(seed: int, member: int) -> int:
    """The seed of a member of an ensemble; the first has the ensemble's own.

    Ensembles of neighbouring seeds share no member.

    >>> member_seed(7, 0), member_seed(7, 1) == member_seed(8, 0)
    (7, False)
    """
    return seed + member * _SEED_STRIDE


@contextmanager
def seeded(seed: int, devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """Draw from torch's random state as this seed sets it, and leave the caller's as it was.

    That state is the whole process's: a second thread that asks for it waits.
    """
    with _random_state, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


class _Training:
    """The state of one training between two epochs: all that a checkpoint has to hold."""

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[nn.Module, Any], Tensor],
        training: Dataset,
        validation: Dataset | None,
        *,
        plan: TrainingConfig,
        checkpoint: Path | None,
    ) -> None:
        self.network, self.loss, self.plan, self.checkpoint = network, loss, plan, checkpoint
        self.training, self.validation = training, validation
        self.optimizer = AdamW(
            network.parameters(),
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            clip_norm=plan.clip_norm,
        )
        self.epochs: list[TrainingRecord] = []
        self.best: dict[str, Tensor] = _copy(network)
        self.best_epoch = 0

    def to_the_end(self, tell: Callable[[int, TrainingRecord], object]) -> History:
        self._resume()
        stopped = self._ended()
        try:
            while not stopped:
                self._epoch()
                self._save()
                tell(len(self.epochs), self.epochs[-1])
                stopped = self._ended()
        except KeyboardInterrupt:
            if not self.best_epoch:
                raise  # nothing was learned yet
            stopped = "interrupted"
        self.network.load_state_dict(self.best)
        self.network.eval()
        seconds = sum(epoch.seconds for epoch in self.epochs)
        return History(tuple(self.epochs), self.best_epoch, stopped, seconds)

    def _ended(self) -> Any:
        if len(self.epochs) >= self.plan.max_epochs:
            return "finished"
        waited = len(self.epochs) - self.best_epoch
        return "early" if self.validation is not None and waited >= self.plan.patience else None

    def _epoch(self) -> None:
        start_s = time.perf_counter()
        order = _shuffled(len(self.training), self.plan.steps_per_epoch * self.plan.batch_size)
        self.network.train()
        total = 0.0
        for step in range(self.plan.steps_per_epoch):
            rows = order[step * self.plan.batch_size : (step + 1) * self.plan.batch_size]
            total += self._step(rows, len(self.epochs) * self.plan.steps_per_epoch + step)
        mean = total / self.plan.steps_per_epoch
        judged = None if self.validation is None else self._judge(self.validation)
        self._require_finite(mean, judged)
        rate = self.optimizer.learning_rate
        record = TrainingRecord(len(self.epochs) + 1, mean, judged, rate, time.perf_counter() - start_s)
        self.epochs.append(record)
        best = self.epochs[self.best_epoch - 1].validation_loss if self.best_epoch else None
        if judged is None or best is None or judged < best:
            self.best, self.best_epoch = _copy(self.network), record.epoch

    def _step(self, rows: Tensor, step: int) -> float:
        steps = self.plan.max_epochs * self.plan.steps_per_epoch
        self.optimizer.learning_rate = self.plan.learning_rate * _one_cycle(step, steps)
        self.optimizer.zero_grad()
        value = self.loss(self.network, self.training.batch(rows))
        value.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return value.item()

    @torch.no_grad()
    def _judge(self, examples: Dataset) -> float:
        """Mean loss over all examples, in batches large enough to be quick and small enough to fit."""
        self.network.eval()
        chunks = torch.split(torch.arange(len(examples)), max(1024, self.plan.batch_size))
        total = sum(self.loss(self.network, examples.batch(rows)).item() * len(rows) for rows in chunks)
        return total / len(examples)

    def _require_finite(self, mean: float, judged: float | None) -> None:
        if math.isfinite(mean) and (judged is None or math.isfinite(judged)):
            return
        value, kind = (mean, "training") if not math.isfinite(mean) else (judged, "validation")
        raise TrainingError(
            f"The {kind} loss is no longer finite in epoch {len(self.epochs) + 1} ({value}). Lower "
            f"learning_rate (now {self.plan.learning_rate:g}), choose activation='tanh', or a transform "
            "that keeps values small, such as transform='auto'."
        )

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        tensors |= {f"best.{name}": t for name, t in self.best.items()}
        tensors |= self.optimizer.tensors() | {"random_state": torch.get_rng_state()}
        record = {
            "plan": asdict(self.plan),
            "examples": len(self.training),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
        }
        save_checkpoint(self.checkpoint, tensors, record)

    def _resume(self) -> None:
        saved = None if self.checkpoint is None else load_checkpoint(self.checkpoint)
        if saved is None:
            return
        tensors, record = saved
        now = {"plan": asdict(self.plan), "examples": len(self.training)}
        if {key: record.get(key) for key in now} != now or not self._fits(select_prefix("network.", tensors)):
            raise ModelLoadError(
                f"{self.checkpoint}: this checkpoint was made with other settings or data. "
                "Delete the folder to train from the start, or give back the settings it was made with."
            )
        try:
            epochs = [TrainingRecord(**epoch) for epoch in record["epochs"]]
            self.network.load_state_dict(select_prefix("network.", tensors))
            self.optimizer.load_tensors(tensors)
            torch.set_rng_state(tensors["random_state"])
            self.best, self.best_epoch, self.epochs = (
                select_prefix("best.", tensors),
                record["best_epoch"],
                epochs,
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as fault:
            raise ModelLoadError(
                f"{self.checkpoint}: not a whole checkpoint ({type(fault).__name__}: {fault}). "
                "Delete the folder to train from the start."
            ) from fault

    def _fits(self, saved: dict[str, Tensor]) -> bool:
        """Whether these are weights of this very network."""
        own = {name: tensor.shape for name, tensor in self.network.state_dict().items()}
        return own == {name: tensor.shape for name, tensor in saved.items()}


def _one_cycle(step: int, steps: int) -> float:
    """Share of the peak learning rate: a short climb, then half a cosine down to 0."""
    climb = min(1.0, (step + 1) / (0.05 * steps))
    return climb * 0.5 * (1 + math.cos(math.pi * step / steps))


def _shuffled(examples: int, wanted: int) -> Tensor:
    """(wanted,) positions: as many shuffles of all examples as it takes."""
    shuffles = [torch.randperm(examples) for _ in range(-(-wanted // examples))]
    return torch.cat(shuffles)[:wanted]


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
