"""What the estimators of whole sequences share: arguments, one way to fit, tensors, a folder on disk."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled import __version__
from unrolled.data.io.arrays import as_sequences
from unrolled.data.io.targets import as_groups
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.models.estimator import SavedEstimator, save_model
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.models.sequence.training import Loss, SequenceSettings, ensemble_outputs, fit_networks, judges
from unrolled.models.summary import sequence_card
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.nn.modules.conv_stem import max_scales
from unrolled.nn.modules.pooling import POOLINGS
from unrolled.train.checkpoint import select_prefix
from unrolled.train.device import check_device
from unrolled.train.history import History
from unrolled.validation import ErrorCollector, check_choice, check_float, check_int, check_path

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS = ("rnn", "gru", "lstm", "feedforward")
SOLVERS = ("gradient", "reservoir")
_UNITS, _UNITS_SOLVED = 64, 512  # where hidden_size is None
_POOLING = "last+mean+max"
_CHANNELS, _CHANNELS_SOLVED = 64, 256  # patterns of the stem
_STEPS_READ = 200  # from twice as many on, the stem leaves the core fewer steps
_LONGEST_SPAN = 100  # steps that the slowest units remember at the start
_FEW, _MEMBERS = 500, 4  # sequences below which luck in the start matters, and the networks that even it out
RECURRENT_PARAMETERS = ("num_layers", "bidirectional", "pooling")  # what only recurrent cells use
GRADIENT_PARAMETERS = ("max_epochs", "batch_size", "learning_rate", "validation_fraction", "dropout")
_MOST = {"hidden_size": 16_384, "num_layers": 64}  # beyond, weights are counted in gigabytes
_FACTS = ("n_features_in_", "n_parameters_", "max_length_", "seconds_", "stopping_reason_")
_LIMIT = 1e6  # scaled values beyond it say "huge"; their squares must stay finite


@dataclass(frozen=True, eq=False)
class EncodedTargets:
    """What an estimator makes of y.

    Args:
        values: (N,), or (ΣT,) with one a step.
        answers: K, what the network is to answer.
        loss: a mean over a batch.
        strata: (N,) whose shares a held-out part keeps.
        class_weights: (K,) of the classes; None where the answers are numbers.
        learned: attributes of the fitted estimator.
    """

    values: Tensor
    answers: int
    loss: Loss
    strata: Ints | None = None
    class_weights: Tensor | None = None
    learned: dict[str, Any] = field(default_factory=dict)


class SequenceEstimator(SavedEstimator):
    """The common part of SequenceClassifier, SequenceRegressor and SequenceTagger.

    A subclass says what y becomes (`_targets`) and what the networks' answers mean (`predict`).
    """

    _fit_call = "fit(X, y)"
    _per_step = False
    _learned: tuple[str, ...] = ()  # arrays that a subclass learns

    def __init__(
        self,
        *,
        cell: str = "gru",
        hidden_size: int | None = None,
        num_layers: int = 1,
        activation: str = "tanh",
        bidirectional: bool = False,
        stem: str | None = "auto",
        pooling: str | None = None,
        dropout: float = 0.2,
        solver: str = "gradient",
        n_members: int | None = None,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        validation_fraction: float | None = None,
        random_state: int = 0,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.activation = activation
        self.bidirectional = bidirectional
        self.stem = stem
        self.pooling = pooling
        self.dropout = dropout
        self.solver = solver
        self.n_members = n_members
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    @torch.inference_mode(mode=False)  # whoever calls, what is made here has gradients
    def fit(self, X: Any, y: Any, groups: Any = None, *, checkpoint: str | Path | None = None) -> Self:
        """Learn from sequences and what is known of each.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            X: N sequences: a list of (T_i, F) or (T_i,) arrays, an (N, T, F) array, an (N, T) array or
                frame of one number a step, a long or nested frame, a `Sequences`.
            y: N answers, one a sequence; for a tagger N arrays of T_i, one a step.
            groups: N names; sequences of one group (a speaker, a patient) are held out together, and by a
                reservoir left out together.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder goes on from there, to the same result.

        Raises:
            ArgumentError: an argument is out of range; all faults are told at once.
            DataError: X, y or groups cannot be used as it is.
            TrainingError: the loss is no longer finite.
        """
        self._check_arguments()
        start_s = time.perf_counter()
        data = as_sequences(X, who=f"{type(self).__name__} X")
        targets = self._targets(y, data)
        grouped = None if groups is None else as_groups(groups, len(data))
        settings = self._settings(checkpoint, len(data))
        held = judges(settings, len(data), strata=targets.strata, groups=grouped)
        # what is held out must not shape what it judges
        scaler = StandardScaler.fit(
            data.values[np.repeat(~held, data.lengths)] if held.any() else data.values
        )
        examples = self._examples(data, scaler, targets.values)
        trained = fit_networks(
            examples,
            targets.loss,
            sizes=self._sizes(data, targets.answers),
            settings=settings,
            held=held,
            groups=grouped,
            class_weights=targets.class_weights,
        )
        # Nothing is learned before this line: a fit that fails leaves the model as it was.
        self.scaler_, self.networks_, self.history_ = scaler, trained.networks, trained.history
        self.stopping_reason_, self.sizes_ = trained.stopping, trained.networks[0].sizes
        for name, value in targets.learned.items():
            setattr(self, name, value)
        self.max_length_ = int(data.lengths.max())
        self._steps = _steps_as_columns(X, data, lists=True)
        self.n_features_in_ = self._steps or data.values.shape[1]
        self.n_parameters_ = sum(p.numel() for p in self.networks_[0].parameters())
        self.seconds_ = time.perf_counter() - start_s
        return self

    def tensors(self, X: Any) -> tuple[Tensor, Tensor]:
        """What the networks read: (N, T, F) scaled values, zero beyond a length, and (N,) lengths.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X is not like what was fitted on.
        """
        data = self._like_fitted(X)
        values, lengths, _ = self._examples(data, self.scaler_).batch(torch.arange(len(data)))
        return values, lengths

    def save(self, path: str | Path) -> Path:
        """Write the model as a folder of safetensors, JSON and a model card, whole or not at all.

        Raises:
            StorageError: it could not be written; what stood at `path` before still stands.
        """
        self._require_fitted()
        tensors = {
            f"network.{k}.{name}": tensor
            for k, network in enumerate(self.networks_)
            for name, tensor in network.state_dict().items()
        }
        learned = {name: getattr(self, name) for name in self._learned}
        config = {
            "estimator": type(self).__name__,
            "version": __version__,
            "params": self.get_params() | self._weights_as_pairs(),
            "learned": {name: [own.tolist(), own.dtype.str] for name, own in learned.items()},
            "scaler": self.scaler_.to_dict(),
            "steps": self._steps,
            "facts": {name: getattr(self, name) for name in _FACTS},
            "networks": len(self.networks_),
            "sizes": asdict(self.sizes_),
            "history": self.history_.to_dict(),
        }
        save_model(path, tensors, config, sequence_card(self))
        return Path(path)

    @classmethod
    def _given(cls, params: dict[str, Any]) -> dict[str, Any]:
        if isinstance(pairs := params.get("class_weight"), list):
            return params | {"class_weight": dict(pairs)}
        return params

    def _weights_as_pairs(self) -> dict[str, Any]:
        """Weights of classes for JSON, whose own dicts would make texts of the classes."""
        weights = self.get_params().get("class_weight")
        return {"class_weight": list(weights.items())} if isinstance(weights, Mapping) else {}

    def _restore(self, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
        """Take what was learned from the parts of a saved model."""
        for name, (values, kind) in config["learned"].items():
            setattr(self, name, np.array(values, dtype=kind)[()])  # [()]: a number, where it is one
        self.scaler_ = StandardScaler.from_dict(config["scaler"])
        self._steps = config["steps"]
        for name in _FACTS:
            setattr(self, name, config["facts"][name])
        self.sizes_ = SequenceNetworkConfig(**config["sizes"])
        networks = [SequenceNetwork(self.sizes_) for _ in range(config["networks"])]
        for k, network in enumerate(networks):
            network.load_state_dict(select_prefix(f"network.{k}.", tensors))
        self.networks_ = tuple(network.eval().to(self.device) for network in networks)
        self.history_ = History.from_dict(config["history"])

    def _targets(self, y: Any, data: Sequences) -> EncodedTargets:
        raise NotImplementedError

    def _examples(
        self, data: Sequences, scaler: StandardScaler, targets: Tensor | None = None
    ) -> SequenceDataset:
        """Scaled, as tensors on the device, made once."""
        values = np.zeros((len(data.values) + 1, data.values.shape[1]), dtype=np.float32)
        for k, (mean, scale) in enumerate(zip(*scaler, strict=True)):  # one float64 copy, of one feature
            values[:-1, k] = np.clip((data.values[:, k] - mean) / scale, -_LIMIT, _LIMIT)
        if targets is None:
            targets = torch.full((len(data.values) if self._per_step else len(data),), -1)
        if self._per_step:
            targets = torch.cat([targets, targets.new_full((1,), -1)])
        starts, lengths = torch.from_numpy(data.offsets[:-1]), torch.from_numpy(data.lengths)
        return SequenceDataset(
            torch.from_numpy(values).to(self.device),
            starts.to(self.device),
            lengths.to(self.device),
            targets.to(self.device),
            per_step=self._per_step,
        )

    def _answers(self, data: Sequences) -> Iterator[tuple[Ints, Tensor, Ints]]:
        """Positions of some sequences, what each network answers to them (M, B, ...), their lengths."""
        examples = self._examples(data, self.scaler_)
        for chosen in examples.length_batches():
            rows = chosen.cpu().numpy()
            yield rows, ensemble_outputs(self.networks_, examples, chosen), data.lengths[rows]

    def _like_fitted(self, X: Any) -> Sequences:
        """X as sequences, with as many features as those fitted on."""
        self._require_fitted()
        name = type(self).__name__
        data = as_sequences(X, who=f"{name} X")
        steps = _steps_as_columns(X, data, lists=False)
        if self._steps and steps and steps != self._steps:
            raise DataError(  # scikit-learn's words
                f"X has {steps} features, but {name} is expecting {self._steps} features as input: a column "
                "a step, as in fit. Sequences of other lengths are taken as a list, or as (N, T, 1)."
            )
        features, fitted = data.values.shape[1], len(self.scaler_.mean)
        if features != fitted:
            raise DataError(
                f"{name} X: expected {fitted} features a step, as in fit, got {features}. Select the columns "
                "that were fitted on, or fit a model on these."
            )
        return data

    def _sizes(self, data: Sequences, answers: int) -> SequenceNetworkConfig:
        units = _UNITS_SOLVED if self.solver == "reservoir" else _UNITS
        common = SequenceNetworkConfig(
            inputs=data.values.shape[1],
            answers=answers,
            cell=self.cell,
            hidden_size=units if self.hidden_size is None else int(self.hidden_size),
            num_layers=int(self.num_layers),
            activation=self.activation,
            dropout=self.dropout,
            bidirectional=bool(self.bidirectional),
            pooling=_POOLING if self.pooling is None else self.pooling,
            per_step=self._per_step,
        )
        if self.cell == "feedforward":
            return replace(common, steps=int(data.lengths.max()))
        usual = int(np.median(data.lengths))
        span = min(usual, _LONGEST_SPAN)
        if self.stem is None:
            return replace(common, span=span)
        stride = 1 if self._per_step else max(1, usual // _STEPS_READ)
        return replace(
            common,
            channels=_CHANNELS_SOLVED if self.solver == "reservoir" else _CHANNELS,
            scales=max_scales(usual),
            stride=stride,
            span=min(usual // stride, _LONGEST_SPAN),
        )

    def _settings(self, checkpoint: str | Path | None, count: int) -> SequenceSettings:
        """The settings of a training on `count` sequences."""
        by_rule = _MEMBERS if self.solver == "gradient" and count < _FEW else 1
        return SequenceSettings(
            solver=self.solver,
            max_epochs=None if self.max_epochs is None else int(self.max_epochs),
            batch_size=None if self.batch_size is None else int(self.batch_size),
            learning_rate=self.learning_rate,
            validation_fraction=self.validation_fraction,
            n_members=by_rule if self.n_members is None else int(self.n_members),
            seed=int(self.random_state),
            device=self.device,
            checkpoint=None if checkpoint is None else check_path("checkpoint", checkpoint),
            verbose=self.verbose,
        )

    def _check_arguments(self) -> None:
        faults = ErrorCollector()
        cell = faults.collect(check_choice, "cell", self.cell, CELLS)
        activation = faults.collect(check_choice, "activation", self.activation, NONLINEARITIES)
        for way in () if self.pooling is None else str(self.pooling).split("+"):
            faults.collect(check_choice, "pooling", way, POOLINGS)
        if self.stem is not None:
            faults.collect(check_choice, "stem", self.stem, ("auto",))
        if not isinstance(self.bidirectional, bool | np.bool_):
            faults.add(f"bidirectional: expected True or False, got {self.bidirectional!r}.")
        solver = faults.collect(check_choice, "solver", self.solver, SOLVERS)
        faults.collect(check_int, "num_layers", self.num_layers, least=1, most=_MOST["num_layers"])
        for name in ("hidden_size", "batch_size", "max_epochs", "n_members"):
            if getattr(self, name) is not None:
                faults.collect(check_int, name, getattr(self, name), least=1, most=_MOST.get(name))
        faults.collect(check_int, "random_state", self.random_state, most=2**62)
        faults.collect(check_device, self.device)
        faults.collect(check_float, "dropout", self.dropout, least=0, below=1)
        faults.collect(check_float, "learning_rate", self.learning_rate, above=0)
        if self.validation_fraction is not None:
            faults.collect(check_float, "validation_fraction", self.validation_fraction, least=0, most=0.5)
        if cell != "rnn" and activation not in {None, "tanh"}:
            faults.add(f"activation: only cell='rnn' takes another than 'tanh'; got {self.activation!r}.")
        if self._per_step and self.pooling is not None:
            faults.add(f"pooling: every step has its own answer, nothing is pooled; got {self.pooling!r}.")
        if cell == "feedforward":
            self._refuse_idle(
                RECURRENT_PARAMETERS, "cell='feedforward' is one layer without recurrence", faults
            )
        if solver == "reservoir":
            self._refuse_idle(
                GRADIENT_PARAMETERS, "solver='reservoir' is solved at once, without epochs", faults
            )
        faults.raise_if_any()

    def _refuse_idle(self, names: tuple[str, ...], why: str, faults: ErrorCollector) -> None:
        """Note arguments that would do nothing beside the others: whoever sets them believes they matter."""
        usual = default_parameters(names)
        for name in names:
            given = getattr(self, name)
            is_number = isinstance(given, int | float | np.number | np.bool_)
            if given is not usual[name] and not (is_number and given == usual[name]):
                faults.add(f"{name}: {why}; got {given!r}. Leave it out.")


def default_parameters(names: tuple[str, ...]) -> dict[str, Any]:
    """What these arguments of an estimator are where nobody gives them.

    >>> default_parameters(("num_layers", "pooling"))
    {'num_layers': 1, 'pooling': None}
    """
    parameters = inspect.signature(SequenceEstimator).parameters
    return {name: parameters[name].default for name in names}


def _steps_as_columns(X: Any, data: Sequences, *, lists: bool) -> int:
    """T where X is a table, a row a sequence and a column a step: scikit-learn's features; else 0."""
    steps = int(data.lengths[0])
    shape = tuple(getattr(X, "shape", ()))
    if lists and isinstance(X, list | tuple):
        shape = (len(X), *np.shape(X[0]))
    is_table = shape == (len(data), steps) and data.values.shape[1] == 1 and (data.lengths == steps).all()
    return steps if is_table else 0
