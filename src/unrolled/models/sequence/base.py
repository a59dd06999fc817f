"""Base of the estimators of sequences: parameters, one way to fit, batches of network outputs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.io.arrays import as_sequences
from unrolled.data.io.frames import is_frame
from unrolled.data.io.targets import as_groups
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quantity
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.parameters import Boolean, Choice, Device, FloatRange, IntRange, UnusedBeside
from unrolled.models.persistence import ARRAY, PLAIN, record_field
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.models.sequence.training import Loss, SequenceSettings, ensemble_outputs, fit_networks, judges
from unrolled.models.summary import Fact, network_fact
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.nn.modules.conv_stem import max_scales
from unrolled.nn.modules.pooling import POOLINGS
from unrolled.validation import check_path

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS = ("rnn", "gru", "lstm", "feedforward")
_UNITS, _RESERVOIR_UNITS = 64, 512  # where hidden_size is None
_POOLING = "last+mean+max"
_CHANNELS, _RESERVOIR_CHANNELS = 64, 256  # of the stem
_STEPS_READ = 200  # from twice as many on, the stem leaves the core fewer steps
_MAX_MEMORY_STEPS = 100  # that the slowest units remember at the start
_FEW, _MEMBERS = 500, 4  # sequences below which luck in the start matters, and the networks that even it out
_LIMIT = 1e6  # scaled values beyond it say "huge"; their squares must stay finite


@dataclass(frozen=True, eq=False)
class EncodedTargets:
    """What an estimator makes of y.

    Args:
        values: (N,), or (ΣT,) with one a step.
        output_size: K, numbers that the network puts out.
        loss: a mean over a batch.
        strata: (N,) whose shares a held-out part keeps.
        class_weights: (K,) of the classes; None where the answers are numbers.
        learned: attributes of the fitted estimator.
    """

    values: Tensor
    output_size: int
    loss: Loss
    strata: Ints | None = None
    class_weights: Tensor | None = None
    learned: dict[str, Any] = field(default_factory=dict)


class SequenceEstimator(NetworkEstimator):
    """Base of SequenceClassifier, SequenceRegressor and SequenceTagger.

    A subclass encodes y (`_encode_targets`) and makes predictions of what the networks put out.
    """

    _fit_call = "fit(X, y)"
    _per_step = False
    _network_class, _config_class = SequenceNetwork, SequenceNetworkConfig
    _learned: ClassVar = {
        "feature_names_in_": ARRAY,
        "max_length_": PLAIN,
        "n_epochs_": PLAIN,
        "n_features_in_": PLAIN,
        "scaler_": record_field(StandardScaler),
        "stopping_reason_": PLAIN,
        "_table_steps": PLAIN,
    }
    _unused = (
        UnusedBeside(
            ("activation",), "cell", ("gru", "lstm", "feedforward"),
            "has its own; only cell='rnn' takes another than 'tanh'",
        ),
        UnusedBeside(
            ("num_layers", "bidirectional", "pooling"), "cell", ("feedforward",),
            "is one layer without recurrence",
        ),
        UnusedBeside(
            ("max_epochs", "batch_size", "learning_rate", "validation_fraction", "dropout"),
            "solver", ("reservoir",), "is solved at once, without epochs",
        ),
    )  # fmt: skip

    cell: Annotated[str, Choice(CELLS)]
    hidden_size: Annotated[int | None, IntRange(least=1, most=16_384)]  # beyond, weights take gigabytes
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    activation: Annotated[str, Choice(NONLINEARITIES)]
    bidirectional: Annotated[bool, Boolean()]
    stem: Annotated[bool, Boolean()]
    pooling: Annotated[str | None, Choice(POOLINGS, separator="+")]
    dropout: Annotated[float, FloatRange(least=0, below=1)]
    solver: Annotated[str, Choice(("gradient", "reservoir"))]
    n_members: Annotated[int | None, IntRange(least=1)]
    max_epochs: Annotated[int | None, IntRange(least=1)]
    batch_size: Annotated[int | None, IntRange(least=1)]
    learning_rate: Annotated[float, FloatRange(above=0)]
    validation_fraction: Annotated[float | None, FloatRange(least=0, most=0.5)]
    random_state: Annotated[int, IntRange(most=2**62)]
    device: Annotated[str, Device()]
    verbose: bool

    feature_names_in_: NDArray[Any]
    max_length_: int
    n_epochs_: int
    n_features_in_: int
    scaler_: StandardScaler
    stopping_reason_: str
    _table_steps: int  # columns of a table whose rows are sequences; 0 for other input

    def __init__(
        self,
        *,
        cell: str = "gru",
        hidden_size: int | None = None,
        num_layers: int = 1,
        activation: str = "tanh",
        bidirectional: bool = False,
        stem: bool = True,
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
        self._store_parameters(locals())

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
        self._check_parameters()
        start_s = time.perf_counter()
        data = as_sequences(X, who=f"{type(self).__name__} X")
        targets = self._encode_targets(y, data)
        group_ids = None if groups is None else as_groups(groups, len(data))
        settings = self._settings(checkpoint, len(data))
        validation_mask = judges(settings, len(data), strata=targets.strata, groups=group_ids)
        # what is held out must not shape the scale that it is validated on
        values = data.values
        if validation_mask.any():
            values = values[np.repeat(~validation_mask, data.lengths)]
        scaler = StandardScaler.fit(values)
        trained = fit_networks(
            self._dataset(data, scaler, targets.values),
            targets.loss,
            sizes=self._make_config(data, targets.output_size),
            settings=settings,
            held=validation_mask,
            groups=group_ids,
            class_weights=targets.class_weights,
        )
        table_steps = _table_steps(X, data, lists=True)
        learned = targets.learned | _feature_names(X, data, table_steps)
        learned |= {
            "history_": trained.history,
            "max_length_": int(data.lengths.max()),
            "n_epochs_": 0 if self.solver == "reservoir" else len(trained.history.records),
            "n_features_in_": table_steps or data.values.shape[1],
            "scaler_": scaler,
            "seconds_": time.perf_counter() - start_s,
            "stopping_reason_": trained.stopping,
            "_table_steps": table_steps,
        }
        self._set_learned(trained.networks, learned)
        return self

    def tensors(self, X: Any) -> tuple[Tensor, Tensor]:
        """What the networks read: (N, T, F) scaled values, zero beyond a length, and (N,) lengths.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X is not like what was fitted on.
        """
        data = self._like_fitted(X)
        values, lengths, _ = self._dataset(data, self.scaler_).batch(torch.arange(len(data)))
        return values, lengths

    def _encode_targets(self, y: Any, data: Sequences) -> EncodedTargets:
        raise NotImplementedError

    def _dataset(
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
        examples = self._dataset(data, self.scaler_)
        for chosen in examples.length_batches():
            rows = chosen.cpu().numpy()
            yield rows, ensemble_outputs(self.networks_, examples, chosen), data.lengths[rows]

    def _like_fitted(self, X: Any) -> Sequences:
        """X as sequences, with as many features as those fitted on."""
        self._require_fitted()
        name = type(self).__name__
        data = as_sequences(X, who=f"{name} X")
        steps = _table_steps(X, data, lists=False)
        if self._table_steps and steps and steps != self._table_steps:
            raise DataError(  # scikit-learn's words
                f"X has {steps} features, but {name} is expecting {self._table_steps} features as input: a "
                "column a step, as in fit. Sequences of other lengths are taken as a list, or as (N, T, 1)."
            )
        features, fitted = data.values.shape[1], len(self.scaler_.mean)
        if features != fitted:
            raise DataError(
                f"{name} X: expected {fitted} features a step, as in fit, got {features}. Select the columns "
                "that were fitted on, or fit a model on these."
            )
        return data

    def _make_config(self, data: Sequences, output_size: int) -> SequenceNetworkConfig:
        is_solved = self.solver == "reservoir"
        common = SequenceNetworkConfig(
            input_size=data.values.shape[1],
            output_size=output_size,
            cell=self.cell,
            hidden_size=int(self.hidden_size or (_RESERVOIR_UNITS if is_solved else _UNITS)),
            num_layers=int(self.num_layers),
            activation=self.activation,
            dropout=self.dropout,
            bidirectional=bool(self.bidirectional),
            pooling=_POOLING if self.pooling is None else self.pooling,
            per_step=self._per_step,
        )
        if self.cell == "feedforward":
            return replace(common, flat_steps=int(data.lengths.max()))
        median_length = int(np.median(data.lengths))
        if not self.stem:
            return replace(common, memory_steps=min(median_length, _MAX_MEMORY_STEPS))
        stride = 1 if self._per_step else max(1, median_length // _STEPS_READ)
        return replace(
            common,
            stem_channels=_RESERVOIR_CHANNELS if is_solved else _CHANNELS,
            stem_scales=max_scales(median_length),
            stem_stride=stride,
            memory_steps=min(median_length // stride, _MAX_MEMORY_STEPS),
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

    def _facts(self) -> tuple[Fact, ...]:
        config = self.network_config_
        network = network_fact(
            config.cell,
            activation=config.activation,
            num_layers=config.num_layers,
            hidden_size=config.hidden_size,
            bidirectional=config.bidirectional,
        )
        reads = f"{quantity(config.input_size, 'feature')} a step, {config.stem_words}"
        return (
            network,
            Fact("Reads", reads),
            Fact("Answers from", config.readout_words),
            Fact("Epochs", self.stopping_reason_),
        )

    def _card_footer(self) -> str:
        name = type(self).__name__
        return (
            f"Load it with `unrolled.{name}.load(folder)`; nothing in this folder is code, and no sequence\n"
            "that it was fitted on is in it.\n\n"
            "This card holds no score: a score means something only beside simpler models, on the data that\n"
            "the model is meant for. Run `unrolled.compare(model, X, y)`."
        )


def _table_steps(X: Any, data: Sequences, *, lists: bool) -> int:
    """Return T where X is a table, a row a sequence and a column a step: scikit-learn's features; else 0."""
    steps = int(data.lengths[0])
    shape = tuple(getattr(X, "shape", ()))
    if lists and isinstance(X, list | tuple):
        shape = (len(X), *np.shape(X[0]))
    is_table = shape == (len(data), steps) and data.values.shape[1] == 1 and (data.lengths == steps).all()
    return steps if is_table else 0


def _feature_names(X: Any, data: Sequences, table_steps: int) -> dict[str, NDArray[Any]]:
    """Return the columns of a frame that were read as `feature_names_in_`, if all are named by texts."""
    if not is_frame(X):
        return {}
    columns, names = list(X.columns), list(data.columns)
    if table_steps:
        names = columns
    if not all(isinstance(name, str) and name in columns for name in names):
        return {}
    return {"feature_names_in_": np.array(names, dtype=object)}
