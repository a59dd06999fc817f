"""Train the same network with one activation after another: how does each learn, and does it hold?

A plain recurrent network with a linear readout of its last state, without stem and pooling. Gradients are not
clipped, so that an activation that explodes is seen to. Everything but the activation is the same: data,
split, seeds, epochs, learning rate.

Shapes: N sequences, T steps, F inputs, H units, E epochs, S seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unrolled.data.io.arrays import as_sequences
from unrolled.data.io.targets import as_labels, as_numbers
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.splits import seeded_folds
from unrolled.errors import ArgumentError, TrainingError
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.probe.activations_result import ActivationRuns, ActivationsResult
from unrolled.probe.gradients_probe import gradients
from unrolled.probe.measure.retrain import RowIndices, require_trainable, unpadded
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.layer_hook import find_recurrent_layer
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.targets import align_to_frame
from unrolled.probe.model.unwrap import unwrap_model
from unrolled.probe.wording.activations import activations_sentence, rank
from unrolled.probe.wording.claims import checked
from unrolled.probe.wording.scores import Task
from unrolled.train.config import Monitor, TrainingConfig
from unrolled.train.ensemble import fit_ensemble
from unrolled.train.loop import seeded
from unrolled.train.progress import ProgressLine
from unrolled.train.threads import shared_processors
from unrolled.validation import ErrorCollector, check_choice, check_float, check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFAULT_ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "prelu")
_LEAST_HELD_OUT = 4  # sequences; with fewer, all are trained on and scored
_QUARTERS = 4
_HIDDEN_SIZE = 32  # without a model
_BATCH = 32
_GRADIENTS_OF = 64  # sequences whose gradients are measured


@shared_processors()
def activations(
    model: Any = None, X: Any = None, y: Any = None, *,
    activations: Sequence[str] = DEFAULT_ACTIVATIONS, seeds: int = 5,
    hidden_size: int | None = None, max_epochs: int = 30, learning_rate: float = 1e-2, random_state: int = 0,
) -> ActivationsResult:  # fmt: skip
    """Train a plain recurrent network with each of several activations, from several seeds.

    A quarter of the sequences, stratified by class, is held out for the scores.

    Args:
        model: fitted estimator or torch module whose data it is: see `unrolled.probe.as_probed_model`. The
            networks have as many units as it, and of a Pipeline X is transformed. It may be left out:
            `activations(X, y)`.
        X: sequences: whatever `unrolled.data.io.arrays.as_sequences` takes.
        y: their labels; numbers with decimals are regression targets.
        activations: names that `unrolled.nn.RNN` knows.
        seeds: number of trainings with each.
        hidden_size: H; None for that of the model, or 32.
        max_epochs: E.
        learning_rate: peak of the one-cycle schedule.
        random_state: seed of the split, and the first training seed.

    Returns:
        A record that prints as a table and one sentence.

    Raises:
        ArgumentError: an argument is out of range; all faults are reported at once.
        DataError: X or y cannot be used.

    >>> X = np.random.default_rng(0).normal(size=(40, 6))
    >>> result = activations(X, X[:, -1] > 0, activations=["tanh", "relu"], seeds=2, max_epochs=5)
    >>> [(row.name, row.losses.shape, row.diverged_share) for row in result.rows]
    [('tanh', (2, 5), 0.0), ('relu', (2, 5), 0.0)]
    """
    model, X, y = _model_and_data(model, X, y)
    hidden_size = _units_of(model) if hidden_size is None else hidden_size
    _check(activations, seeds, hidden_size, max_epochs, learning_rate, random_state)
    task = _TrainingTask(X, y, hidden_size, random_state)
    config = TrainingConfig.of_epochs(
        max_epochs,
        len(task.train),
        min(_BATCH, len(task.train)),
        learning_rate=learning_rate,
        weight_decay=0.0,
        clip_norm=math.inf,
    )
    seed_range = range(random_state, random_state + seeds)
    with ProgressLine("activations", len(activations) * seeds, shown=None, unit="trainings") as line:
        rows = tuple(
            _train_seeds(name, task, config, seed_range, line, k * seeds)
            for k, name in enumerate(activations)
        )
    best = min(rows, key=lambda row: rank(row, task.kind))
    held_out = len(task.test) if len(task.train) < task.count else 0
    return checked(
        ActivationsResult(
            sentence=activations_sentence(rows, best, task.kind, held_out),
            rows=rows,
            task=task.kind,
            best=best.name,
            held_out=held_out,
            sequences=task.count,
            epochs=max_epochs,
        )
    )


def _model_and_data(model: Any, X: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return model, X and y, the model None where only X and y are given.

    Raises:
        ArgumentError: y is missing.
    """
    is_model = isinstance(model, nn.Module) or hasattr(model, "fit") or hasattr(model, "module_")
    if model is not None and not is_model and y is None:
        model, X, y = None, model, X
    if y is None:
        raise ArgumentError(
            "activations y: expected the labels or numbers of X, to train on; got None. Give model, X and y, "
            "or X and y."
        )
    if model is not None:
        model, X = unwrap_model(model, X, caller="activations")
        require_trainable(model)
        probed = as_probed_model(model, X, caller="activations")
    y = align_to_frame(y, X, per_step=False, caller="activations y")
    if getattr(model, "missing", None) is not None:  # its networks read the gaps as they were filled
        X = unpadded(probed.values, probed.lengths)
    return model, X, y


def _units_of(model: Any) -> int:
    """Return the units of a model's recurrent layer, or the default."""
    networks = [model] if isinstance(model, nn.Module) else list(getattr(model, "networks_", ()))
    layer = find_recurrent_layer(networks[0]) if networks else None
    return int(getattr(layer, "hidden_size", _HIDDEN_SIZE))


class _TrainingTask:
    """Data that all trainings share: scaled sequences, encoded targets, the split."""

    def __init__(self, X: Any, y: Any, hidden_size: int, seed: int) -> None:
        sequences = as_sequences(X, who="activations X")
        self.kind: Task = "class"
        self.scale = 1.0
        self.y: NDArray[Any]
        if _are_decimals(y):
            numbers = as_numbers(y, len(sequences), who="activations y")
            scaler = StandardScaler.fit(numbers)
            self.kind, self.scale = "number", float(scaler.scale)
            self.y, strata, answers = scaler.transform(numbers), np.zeros(len(y), dtype=int), 1
        else:
            labels = as_labels(y, len(sequences), who="activations y")
            classes, self.y = np.unique(labels, return_inverse=True)
            strata, answers = self.y, max(len(classes), 2)
        flat = StandardScaler.fit(sequences.values).transform(sequences.values)
        self.arrays, self.count = np.split(flat, sequences.offsets[1:-1]), len(sequences)
        self.sizes = SequenceNetworkConfig(flat.shape[1], answers, cell="rnn", hidden_size=hidden_size)
        quarter = seeded_folds(strata, _QUARTERS, seed) == 0
        enough = quarter.sum() >= _LEAST_HELD_OUT
        self.test = np.flatnonzero(quarter) if enough else np.arange(self.count)
        self.train = np.flatnonzero(~quarter) if enough else np.arange(self.count)

    def probed(self, network: nn.Module, rows: Ints) -> ProbedModel:
        """Pair a network with some of the sequences."""
        return as_probed_model(
            network, [self.arrays[row] for row in rows], self.y[rows], caller="activations"
        )

    def growth(self, network: nn.Module) -> float:
        """Measure the factor by which a gradient grows a step back."""
        rows = self.train[:_GRADIENTS_OF]
        growth = gradients(network, [self.arrays[row] for row in rows], self.y[rows]).growth
        return float("nan") if growth is None else growth


def _are_decimals(y: Any) -> bool:
    """Tell whether y holds numbers with decimals, and so no classes."""
    numbers = np.asarray(y)
    return numbers.dtype.kind == "f" and bool((numbers != np.round(numbers)).any())


def _train_seeds(
    name: str, task: _TrainingTask, config: TrainingConfig, seeds: range, line: ProgressLine, done: int
) -> ActivationRuns:
    """Train with one activation, once for each seed; `done` trainings of the line are over."""
    start_s, runs = time.perf_counter(), []
    for seed in seeds:
        runs.append(_train_once(replace(task.sizes, activation=name), task, replace(config, seed=seed)))
        line.advance(done + len(runs))
    losses, diverged, scores, before, after = (np.array(each) for each in zip(*runs, strict=True))
    seconds = (time.perf_counter() - start_s) / len(seeds)
    return ActivationRuns(name, losses, diverged, scores, before, after, seconds)


def _train_once(
    sizes: SequenceNetworkConfig, task: _TrainingTask, config: TrainingConfig
) -> tuple[list[float], bool, float, float, float]:
    """Train once: return epoch losses, whether it diverged, score, gradient growth before and after."""
    with seeded(config.seed):
        network = SequenceNetwork(sizes)
    probed, growth = task.probed(network, task.train), task.growth(network)
    initial_loss = float(probed.score().losses.mean())
    losses: list[float] = []
    try:
        ensemble = fit_ensemble(
            lambda: network,
            probed.training_loss,
            RowIndices(len(probed)),
            None,
            config,
            monitor=Monitor(callbacks=(lambda record: losses.append(record["train_loss"]),)),
        )
    except TrainingError:
        epochs = config.max_steps // config.val_check_steps
        losses += [float("nan")] * (epochs - len(losses))
        return losses, True, float("nan"), growth, float("nan")
    if ensemble.is_interrupted:
        raise KeyboardInterrupt  # half a training would be compared with whole ones
    scores = task.probed(network, task.test).score()
    mean = float(scores.losses.mean())
    score = float(scores.accuracies.mean()) if task.kind == "class" else math.sqrt(mean) * task.scale
    return losses, losses[-1] > initial_loss, score, growth, task.growth(network)


def _check(
    names: Sequence[str], seeds: int, hidden_size: int, max_epochs: int, rate: float, seed: int
) -> None:
    faults = ErrorCollector()
    for name in names:
        faults.collect(check_choice, "activations", name, NONLINEARITIES)
    faults.collect(check_int, "activations: how many", len(names), least=1)
    faults.collect(check_int, "seeds", seeds, least=1)
    faults.collect(check_int, "hidden_size", hidden_size, least=1)
    faults.collect(check_int, "max_epochs", max_epochs, least=1)
    faults.collect(check_float, "learning_rate", rate, above=0)
    faults.collect(check_int, "random_state", seed)
    faults.raise_if_any()
