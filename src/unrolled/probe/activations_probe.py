"""The same training with one activation after another: how does each learn, and does it hold?

A plain recurrent network and a linear readout of its last state, as in the lesson: no stem, no pooling and,
so that an activation that explodes is seen to, gradients are not clipped. Everything but the activation is
the same: data, split, seeds, epochs, learning rate.

Shapes: N sequences, T steps, F inputs, H units, E epochs, S seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data.io.arrays import as_sequences
from unrolled.data.io.frames import to_frame
from unrolled.data.io.targets import as_labels, as_numbers
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.splits import seeded_folds
from unrolled.errors import TrainingError
from unrolled.jsonable import to_jsonable
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.probe.gradients_probe import gradients
from unrolled.probe.measure.retrain import RowIndices
from unrolled.probe.model.adapter import ProbedModel, as_probed_model
from unrolled.probe.wording import aligned, percent
from unrolled.train.config import Monitor, TrainingConfig
from unrolled.train.loop import seeded
from unrolled.train.trainer import fit_ensemble
from unrolled.validation import ErrorCollector, check_choice, check_float, check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFAULT_ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "prelu")
_LEAST_HELD_OUT = 4  # sequences; with fewer, all are trained on and judged
_QUARTERS = 4
_BATCH = 32
_GRADIENTS_OF = 64  # sequences whose gradients are looked at


@dataclass(frozen=True, eq=False)
class ActivationRuns:
    """Several trainings with one activation.

    Args:
        name: it.
        losses: (S, E) training loss of each epoch; NaN after a training that broke down.
        diverged: (S,) true where the loss was no longer finite, or ended above what it began with.
        scores: (S,) accuracy, or error of numbers, on held-out sequences; NaN where it broke down.
        growth_before: (S,) factor by which a gradient grows a step back, in the network as it began.
        growth_after: (S,) the same after training; NaN where it broke down.
        seconds: mean time of one training.
    """

    name: str
    losses: Floats
    diverged: NDArray[np.bool_]
    scores: Floats
    growth_before: Floats
    growth_after: Floats
    seconds: float

    @property
    def diverged_share(self) -> float:
        """The share of seeds that diverged."""
        return float(self.diverged.mean())

    @property
    def score(self) -> float:
        """The mean score of the seeds that did not break down; NaN where all did."""
        return _mean(self.scores)


@dataclass(frozen=True, eq=False)
class ActivationsResult:
    """The same training with each activation.

    Args:
        sentence: what to tell a person.
        rows: an activation each, in the order that was asked for.
        task: "class" or "number": whether a score is an accuracy or an error.
        best: the name of the activation with the best mean score, among those that diverged least.
        held_out: sequences that the scores were judged on; 0 if they were too few, and all were trained on
            and judged.
        sequences: N.
        epochs: E.
    """

    kind: ClassVar[str] = "activations"

    sentence: str
    rows: tuple[ActivationRuns, ...]
    task: Literal["class", "number"]
    best: str
    held_out: int
    sequences: int
    epochs: int

    def to_frame(self) -> Any:
        """A row an activation, as a pandas frame: means over the seeds."""
        score = "accuracy" if self.task == "class" else "error"
        columns = {
            "activation": np.array([row.name for row in self.rows]),
            score: np.array([row.score for row in self.rows]),
            "diverged": np.array([row.diverged_share for row in self.rows]),
            "loss": np.array([_mean(row.losses[:, -1]) for row in self.rows]),
            "growth_before": np.array([_mean(row.growth_before) for row in self.rows]),
            "growth_after": np.array([_mean(row.growth_after) for row in self.rows]),
            "seconds": np.array([row.seconds for row in self.rows]),
        }
        return to_frame(columns, "pandas")

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; what broke down is None."""
        rows = []
        for row in self.rows:
            lists = {name: value for name, value in vars(row).items() if isinstance(value, np.ndarray)}
            rows.append({"name": row.name, "seconds": row.seconds, **to_jsonable(lists)})
        return {"kind": self.kind, **vars(self), "rows": rows}

    def plot(self) -> Any:
        """Loss curves, scores and the growth of gradients."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow between neighbours)

        return figure(self)

    def __str__(self) -> str:
        score = "accuracy" if self.task == "class" else "error"
        rows = [["activation", score, "last loss", "diverged", "gradient growth: at first", "trained"]]
        for row in self.rows:
            numbers = (row.score, _mean(row.losses[:, -1]))
            growths = (_mean(row.growth_before), _mean(row.growth_after))
            cells = [*(f"{value:.3g}" for value in numbers), percent(row.diverged_share)]
            rows.append([row.name, *cells, *(f"{value:.3g}" for value in growths)])
        return f"{aligned(rows)}\n\n{self.sentence}"


def activations(
    X: Any, y: Any, *, activations: Sequence[str] = DEFAULT_ACTIVATIONS, seeds: int = 5,
    hidden_size: int = 32, max_epochs: int = 30, learning_rate: float = 1e-2, random_state: int = 0,
) -> ActivationsResult:  # fmt: skip
    """Train a plain recurrent network with each of several activations, from several seeds.

    A quarter of the sequences, a share of each class, is held out for the scores.

    Args:
        X: whatever `unrolled.data.io.arrays.as_sequences` takes.
        y: their labels; numbers with decimals are taken as numbers to answer.
        activations: names that `unrolled.nn.RNN` knows.
        seeds: trainings with each.
        hidden_size: H.
        max_epochs: epochs of each.
        learning_rate: the peak of the cycle.
        random_state: of the split, and of the first seed.

    Raises:
        ArgumentError: an argument is out of range; all faults are told at once.
        DataError: X or y cannot be used.

    >>> X = np.random.default_rng(0).normal(size=(40, 6))
    >>> told = activations(X, X[:, -1] > 0, activations=["tanh", "relu"], seeds=2, max_epochs=5)
    >>> [(row.name, row.losses.shape, row.diverged_share) for row in told.rows]
    [('tanh', (2, 5), 0.0), ('relu', (2, 5), 0.0)]
    """
    _check(activations, seeds, hidden_size, max_epochs, learning_rate, random_state)
    task = _TrainingTask(X, y, hidden_size, random_state)
    config = TrainingConfig.of_epochs(
        max_epochs,
        len(task.trained),
        min(_BATCH, len(task.trained)),
        learning_rate=learning_rate,
        weight_decay=0.0,
        clip_norm=math.inf,
    )
    rows = tuple(
        _train_seeds(name, task, config, range(random_state, random_state + seeds)) for name in activations
    )
    best = min(rows, key=lambda row: _rank(row, task.kind))
    return ActivationsResult(
        sentence=_sentence(rows, best, task.kind),
        rows=rows,
        task=task.kind,
        best=best.name,
        held_out=len(task.judged) if len(task.trained) < task.count else 0,
        sequences=task.count,
        epochs=max_epochs,
    )


class _TrainingTask:
    """What all trainings share: scaled sequences, encoded y, the split."""

    def __init__(self, X: Any, y: Any, hidden_size: int, seed: int) -> None:
        sequences = as_sequences(X, who="activations X")
        self.kind: Literal["class", "number"] = "class"
        self.spread = 1.0
        self.y: NDArray[Any]
        if _are_decimals(y):
            numbers = as_numbers(y, len(sequences), who="activations y")
            scaler = StandardScaler.fit(numbers)
            self.kind, self.spread = "number", float(scaler.scale)
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
        self.judged = np.flatnonzero(quarter) if enough else np.arange(self.count)
        self.trained = np.flatnonzero(~quarter) if enough else np.arange(self.count)

    def subject(self, network: nn.Module, rows: Ints) -> ProbedModel:
        """These sequences, asked of this network."""
        return as_probed_model(
            network, [self.arrays[row] for row in rows], self.y[rows], caller="activations"
        )

    def growth(self, network: nn.Module) -> float:
        """The factor by which a gradient grows a step back."""
        rows = self.trained[:_GRADIENTS_OF]
        growth = gradients(network, [self.arrays[row] for row in rows], self.y[rows]).growth
        return float("nan") if growth is None else growth


def _are_decimals(y: Any) -> bool:
    """Whether these are numbers with decimals, and so no classes."""
    numbers = np.asarray(y)
    return numbers.dtype.kind == "f" and bool((numbers != np.round(numbers)).any())


def _train_seeds(name: str, task: _TrainingTask, config: TrainingConfig, seeds: range) -> ActivationRuns:
    """The trainings with one activation."""
    start_s = time.perf_counter()
    runs = [
        _train_once(replace(task.sizes, activation=name), task, replace(config, seed=seed)) for seed in seeds
    ]
    losses, diverged, scores, before, after = (np.array(each) for each in zip(*runs, strict=True))
    seconds = (time.perf_counter() - start_s) / len(seeds)
    return ActivationRuns(name, losses, diverged, scores, before, after, seconds)


def _train_once(
    sizes: SequenceNetworkConfig, task: _TrainingTask, config: TrainingConfig
) -> tuple[list[float], bool, float, float, float]:
    """One training: losses of its epochs, whether it diverged, score, growth before and after."""
    with seeded(config.seed):
        network = SequenceNetwork(sizes)
    probed, growth = task.subject(network, task.trained), task.growth(network)
    at_first = float(probed.score().losses.mean())
    losses: list[float] = []

    def loss(module: nn.Module, rows: Tensor) -> Tensor:
        raw = probed.call(module, probed.values_at(rows), probed.lengths[rows], rows)
        return probed.losses(probed.log_probabilities(raw), rows).mean()

    try:
        ensemble = fit_ensemble(
            lambda: network,
            loss,
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
    scores = task.subject(network, task.judged).score()
    mean = float(scores.losses.mean())
    score = float(scores.accuracies.mean()) if task.kind == "class" else math.sqrt(mean) * task.spread
    return losses, losses[-1] > at_first, score, growth, task.growth(network)


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


def _rank(row: ActivationRuns, kind: str) -> tuple[float, float]:
    """Lower is better: trainings that diverged first, then the score."""
    score = -row.score if kind == "class" else row.score
    return row.diverged_share, math.inf if math.isnan(score) else score


def _sentence(rows: tuple[ActivationRuns, ...], best: ActivationRuns, kind: str) -> str:
    format_score = percent if kind == "class" else "{:.3g}".format
    verb = "is right in" if kind == "class" else "has an error of"
    names = [row.name for row in rows if row.diverged.any()]
    broke = f"; trainings diverged with {', '.join(names)}" if names else "; no training diverged"
    if len(rows) == 1:
        return f"With {best.name} the network {verb} {format_score(best.score)}{broke}."
    worst = max(rows, key=lambda row: _rank(row, kind))
    if not math.isfinite(worst.score):
        return f"With {best.name} the network does best: it {verb} {format_score(best.score)}{broke}."
    spread = _seed_spread(rows)
    if abs(best.score - worst.score) <= spread:
        return (
            f"The activation makes no difference here: with {best.name} the network {verb} "
            f"{format_score(best.score)}, with {worst.name} {format_score(worst.score)}, no "
            f"farther apart than seeds{broke}."
        )
    alike = [
        row.name
        for row in rows
        if row is not best
        and row.diverged_share == best.diverged_share
        and abs(best.score - row.score) <= spread
    ]
    shared = f" (no farther apart than seeds: {', '.join(alike)})" if alike else ""
    return (
        f"With {best.name} the network does best{shared}: it {verb} {format_score(best.score)}, "
        f"with {worst.name} {format_score(worst.score)}{broke}."
    )


def _seed_spread(rows: tuple[ActivationRuns, ...]) -> float:
    """Twice the standard error of a difference between two activations' mean scores, from the seeds."""
    counts = [int(np.isfinite(row.scores).sum()) for row in rows]
    variances = [float(np.nanvar(row.scores, ddof=1)) for row, n in zip(rows, counts, strict=True) if n > 1]
    n = min([count for count in counts if count > 1], default=1)
    return 2 * math.sqrt(2 * float(np.mean(variances)) / n) if variances else math.inf


def _mean(values: Floats) -> float:
    """Of what is finite; NaN where nothing is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
