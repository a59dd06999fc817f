"""Training of ensembles for every estimator: seeds, checkpoints, progress, interruption, refit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from unrolled.train.config import NO_HOOKS, SILENT, Monitor, TrainingConfig, TrainingHooks
from unrolled.train.history import History, TrainingRecord
from unrolled.train.loop import Dataset, Loss, fit, member_seed, seeded
from unrolled.train.progress import ProgressLine

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Ensemble(Generic[Network]):
    """Networks that differ in their seeds.

    Args:
        networks: at least one; fewer than `n_members` after Ctrl-C.
        history: of the last of them.
        n_members: networks that were to be trained.
        n_complete: networks whose training was not cut short.
        validated: the network that chose the steps of a refit, where there was one.
    """

    networks: tuple[Network, ...]
    history: History
    n_members: int
    n_complete: int
    validated: Network | None = None

    @property
    def is_interrupted(self) -> bool:
        """Tell whether Ctrl-C ended the training."""
        return self.history.stopped == "interrupted"


def fit_ensemble(
    make_network: Callable[[], Network],
    loss: Loss,
    training: Dataset,
    validation: Dataset | None,
    config: TrainingConfig,
    *,
    n_members: int = 1,
    stage: str = "training",
    hooks: TrainingHooks = NO_HOOKS,
    monitor: Monitor = SILENT,
) -> Ensemble[Network]:
    """Train networks that differ in their seeds, one after the other, with `unrolled.train.loop.fit`.

    Ctrl-C leaves the members before the one that it cut short; in the first, the best weights so far.

    Args:
        make_network: called once for each member, with the random state of its seed.
        loss: see `fit`.
        training: what all of them train on.
        validation: what each check validates on; None to train for all steps.
        config: the settings; its seed is that of the first member.
        n_members: how many networks.
        stage: what this is called in the progress line, in records and in the folder of a checkpoint.
        hooks: functions that take part in the training.
        monitor: checkpoint, progress line and callbacks.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the first check of the first member: there is nothing to keep.
        TrainingError: the loss is no longer finite.
        ModelLoadError: a checkpoint is damaged, or was made with other settings.
        StorageError: a checkpoint cannot be written.

    >>> class Line:
    ...     def __len__(self): return 20
    ...     def batch(self, rows): return rows[:, None] / 20
    >>> def loss(network, x): return (network(x) - 2 * x).square().mean()
    >>> config = TrainingConfig.of_epochs(30, n_examples=20, batch_size=5, learning_rate=0.1)
    >>> two = fit_ensemble(lambda: nn.Linear(1, 1), loss, Line(), None, config, n_members=2)
    >>> len(two.networks), two.history.best.train_loss < 0.01
    (2, True)
    """
    complete: list[tuple[Network, History]] = []
    cut_short: list[tuple[Network, History]] = []
    try:
        for member in range(n_members):
            network, history = _fit_member(
                make_network, loss, training, validation,
                replace(config, seed=member_seed(config.seed, member)),
                place={"stage": stage, "member": member + 1, "n_members": n_members},
                hooks=hooks, monitor=monitor,
            )  # fmt: skip
            if history.stopped == "interrupted":
                cut_short.append((network, history))
                break
            complete.append((network, history))
    except KeyboardInterrupt:  # before the first check of a member
        if not complete:
            raise
    kept = complete or cut_short
    history = kept[-1][1]
    if len(complete) < n_members:
        history = replace(history, stopped="interrupted")
    return Ensemble(tuple(network for network, _ in kept), history, n_members, len(complete))


def fit_then_refit(
    make_network: Callable[[], Network],
    loss: Loss,
    split: tuple[Dataset, Dataset],
    everything: Dataset,
    configs: tuple[TrainingConfig, TrainingConfig],
    *,
    n_members: int = 1,
    hooks: TrainingHooks = NO_HOOKS,
    monitor: Monitor = SILENT,
) -> Ensemble[Network]:
    """Fit on a training split to choose the number of steps; then refit an ensemble on all data.

    The refit takes as many checks as were best in the validation fit, its learning rate falling to 0 over
    them; nothing validates it. Ctrl-C in the validation fit, or in the first member of the refit, leaves the
    network of the validation fit, whose loss is measured; later, the members that are complete.

    Args:
        make_network: as in `fit_ensemble`.
        loss: as in `fit_ensemble`.
        split: the training and the validation set of the validation fit.
        everything: all data.
        configs: settings of the validation fit, and of a refit for all steps.
        n_members: networks of the refit.
        hooks: as in `fit_ensemble`.
        monitor: as in `fit_ensemble`.

    Returns:
        The refitted networks with the history of the validation fit, and its network as `validated`.
    """
    first = fit_ensemble(
        make_network, loss, *split, configs[0], stage="validation fit", hooks=hooks, monitor=monitor
    )
    validated, history = first.networks[0], first.history
    unrefitted = Ensemble((validated,), history, n_members, 0, validated)
    if first.is_interrupted:
        return unrefitted
    refit_config = replace(configs[1], max_steps=_refit_steps(history.best_step, *configs))
    try:
        refit = fit_ensemble(
            make_network, loss, everything, None, refit_config,
            n_members=n_members, stage="refit", hooks=hooks, monitor=monitor,
        )  # fmt: skip
    except KeyboardInterrupt:  # before its first check
        return replace(unrefitted, history=replace(history, stopped="interrupted"))
    if refit.is_interrupted:
        history = replace(history, stopped="interrupted")
    complete = refit.networks[: refit.n_complete]
    return Ensemble(complete or (validated,), history, n_members, refit.n_complete, validated)


def report_interruption(ensemble: Ensemble[Network]) -> None:
    """Say on stderr what Ctrl-C left, if it ended the training."""
    if not ensemble.is_interrupted:
        return
    kept = f"{len(ensemble.networks)} of {ensemble.n_members} networks"
    if ensemble.n_members == 1:
        kept = f"{ensemble.history.unit} {ensemble.history.best_count}"
    sys.stderr.write(f"Interrupted: the model has the best weights so far ({kept}), not saved yet.\n")


def _refit_steps(best_step: int, config: TrainingConfig, refit_config: TrainingConfig) -> int:
    """Count the steps of a refit: as many checks as were best, each of as many steps as the refit has."""
    steps = round(best_step * refit_config.val_check_steps / config.val_check_steps)
    return min(steps, refit_config.max_steps)


def _fit_member(
    make_network: Callable[[], Network], loss: Loss, training: Dataset, validation: Dataset | None,
    config: TrainingConfig, *, place: dict[str, Any], hooks: TrainingHooks, monitor: Monitor,
) -> tuple[Network, History]:  # fmt: skip
    """Make and train one network; `place` holds its stage, its number and that of all, for the records."""
    with seeded(config.seed):
        network = make_network()
    if hooks.initialize is not None:
        with seeded(config.seed):
            hooks.initialize(network)
    label = "{stage}" if place["n_members"] == 1 else "{stage} {member} of {n_members}"
    label = label.format(**place)
    folder = monitor.checkpoint and monitor.checkpoint / label.replace(" ", "-")
    per_unit = config.val_check_steps if config.unit == "epoch" else 1
    total = config.max_steps // per_unit
    with ProgressLine(
        label, total, shown=monitor.verbose, unit=f"{config.unit}s", since_s=monitor.start_s
    ) as line:

        def on_step(step: int) -> None:
            if step % config.val_check_steps:  # the check has its loss to tell
                line.advance(step / per_unit)

        def on_check(record: TrainingRecord) -> None:
            shown = record.train_loss if record.validation_loss is None else record.validation_loss
            line.update(record.step // per_unit, f"{config.unit}s, loss {shown:.4g}")
            for callback in monitor.callbacks:
                # a new dict, a random state and a mode of its own: whatever it does changes nothing here
                with torch.random.fork_rng(devices=()), torch.enable_grad():
                    callback(place | {"max_steps": config.max_steps} | asdict(record))

        history = fit(
            network, loss, training, validation, config,
            checkpoint=folder, hooks=hooks, on_check=on_check, on_step=on_step,
        )  # fmt: skip
    return network, history
