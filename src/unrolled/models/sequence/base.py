"""Base of the estimators of sequences: parameters, one way to fit, batches of network outputs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.alignment import match_columns, names_steps
from unrolled.data.io.arrays import as_sequences
from unrolled.data.io.targets import as_groups
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.data.splits import holdout_fraction, holdout_mask
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quantity
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.parameters import Boolean, Choice, FloatRange, IntRange, UnusedBeside
from unrolled.models.persistence import ARRAY, PLAIN, record_field
from unrolled.models.recurrent_core import CELLS
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.models.sequence.training import (
    EncodedTargets,
    ensemble_outputs,
    fit_networks,
    solve_networks,
    stopping_reason,
    training_config,
)
from unrolled.models.summary import Fact, network_fact
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.nn.modules.pooling import POOLINGS
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import Ensemble, report_interruption
from unrolled.train.history import History
from unrolled.train.threads import shared_processors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_UNITS, _RESERVOIR_UNITS = 64, 512  # where hidden_size is None
_POOLING = "last+mean+max"
_CHANNELS, _RESERVOIR_CHANNELS = 64, 256  # of the stem
_AT_ONCE = "is solved at once, without epochs"
_FEW, _MEMBERS = 500, 4  # sequences below which initial weights matter, and networks to average them out


class SequenceEstimator(NetworkEstimator):
    """Base of SequenceClassifier, SequenceRegressor and SequenceTagger.

    A subclass encodes y (`_encode_targets`) and makes predictions of what the networks put out.
    """

    _fit_call = "fit(X, y)"
    _per_step = False
    _network_class, _config_class = SequenceNetwork, SequenceNetworkConfig
    _learned: ClassVar = {
        "feature_names_in_": ARRAY._replace(is_optional=True),  # of frames
        "max_length_": PLAIN,
        "n_epochs_": PLAIN,
        "n_features_in_": PLAIN,
        "scaler_": record_field(StandardScaler),
        "stopping_reason_": PLAIN,
        "_header": PLAIN,
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
            ("max_epochs", "patience", "batch_size", "learning_rate", "validation_fraction", "dropout"),
            "solver", ("reservoir",), _AT_ONCE,
        ),
        UnusedBeside(("patience",), "validation_fraction", (0,), "holds nothing out"),
    )  # fmt: skip

    cell: Annotated[str, Choice(CELLS)]
    hidden_size: Annotated[int | None, IntRange(least=1, most=16_384)]  # beyond, weights take gigabytes
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    activation: Annotated[str, Choice(NONLINEARITIES)]
    bidirectional: Annotated[bool, Boolean()]
    stem: Annotated[bool, Boolean()]
    pooling: Annotated[str | None, Choice(POOLINGS, separator="+")]
    solver: Annotated[str, Choice(("gradient", "reservoir"))]
    n_members: Annotated[int | None, IntRange(least=1)]
    max_epochs: Annotated[int | None, IntRange(least=1)]
    validation_fraction: Annotated[float | None, FloatRange(least=0, most=0.5)]

    feature_names_in_: NDArray[Any]
    max_length_: int
    n_epochs_: int
    n_features_in_: int
    scaler_: StandardScaler
    stopping_reason_: str
    _header: tuple[str, ...]  # names of the features, or of the steps of a table; none where there were none
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
        patience: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        validation_fraction: float | None = None,
        random_state: int = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    @shared_processors()
    @torch.inference_mode(mode=False)  # whoever calls, what is made here has gradients
    def fit(
        self,
        X: Any,
        y: Any,
        groups: Any = None,
        *,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from sequences and their targets.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            X: N sequences: a list of (T_i, F) or (T_i,) arrays, an (N, T, F) array, an (N, T) array or
                frame of one number a step, a long or nested frame, a `Sequences`.
            y: N targets, one a sequence; for a tagger N arrays of T_i, one a step.
            groups: N names; sequences of one group (a speaker, a patient) are held out together, and by a
                reservoir left out together.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict: stage, member, n_members, step,
                max_steps, epoch, train_loss, validation_loss, learning_rate, seconds. An error in one ends
                the fit and leaves the model as it was.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line; or a reservoir, which
                has no epochs, is given a checkpoint or callbacks.
            DataError: X, y or groups cannot be used as it is.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        if self.solver == "reservoir" and (monitor.checkpoint is not None or monitor.callbacks):
            raise ArgumentError(
                f"checkpoint and callbacks: solver='reservoir' {_AT_ONCE}, so nothing is to be resumed or "
                f"followed; got checkpoint={checkpoint!r}, callbacks={callbacks!r}. Leave both out."
            )
        start_s = time.perf_counter()
        data = as_sequences(X, who=f"{type(self).__name__} X")
        targets = self._encode_targets(y, data)
        group_ids = None if groups is None else as_groups(groups, len(data))
        validation_mask = self._validation_mask(len(data), targets.strata, group_ids)
        # what is held out must not shape the scale that it is validated on
        values = data.values
        if validation_mask.any():
            values = values[np.repeat(~validation_mask, data.lengths)]
        scaler = StandardScaler.fit(values)
        ensemble = self._fit_ensemble(data, scaler, targets, validation_mask, group_ids, monitor)
        table_steps = _table_steps(X, data, lists=True)
        learned = targets.learned | _feature_names(X, data)
        learned |= {
            "history_": ensemble.history,
            "max_length_": int(data.lengths.max()),
            "n_features_in_": table_steps or _count_columns(data),
            "scaler_": scaler,
            "_header": data.header,
            "_table_steps": table_steps,
            **self._stopping(ensemble.history, validation_mask),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    def _validation_mask(self, n: int, strata: Ints | None, groups: Ints | None) -> NDArray[np.bool_]:
        """Draw (n,) true for the sequences to hold out; a reservoir needs none."""
        if self.solver == "reservoir":
            return np.zeros(n, dtype=bool)
        fraction = holdout_fraction(self.validation_fraction, n)
        return holdout_mask(n, fraction, int(self.random_state), strata=strata, groups=groups)

    def _fit_ensemble(
        self,
        data: Sequences,
        scaler: StandardScaler,
        targets: EncodedTargets,
        validation_mask: NDArray[np.bool_],
        groups: Ints | None,
        monitor: Monitor,
    ) -> Ensemble[SequenceNetwork]:
        dataset = self._dataset(data, scaler, targets.values)
        network_config = self._make_config(data, targets.output_size)
        n_members, seed = self._member_count(len(data)), int(self.random_state)
        if self.solver == "reservoir":
            return solve_networks(
                dataset, targets, network_config,
                groups=groups, n_members=n_members, seed=seed, device=self.device,
            )  # fmt: skip
        config = training_config(
            int((~validation_mask).sum()),
            max_epochs=_as_int(self.max_epochs),
            batch_size=_as_int(self.batch_size),
            patience=_as_int(self.patience),
            learning_rate=self.learning_rate,
            seed=seed,
        )
        ensemble = fit_networks(
            dataset, targets, network_config, config,
            validation_mask=validation_mask, n_members=n_members, device=self.device, monitor=monitor,
        )  # fmt: skip
        report_interruption(ensemble)
        return ensemble

    def _member_count(self, n_sequences: int) -> int:
        """Count the networks: several for few sequences, where the initial weights matter."""
        by_rule = _MEMBERS if self.solver == "gradient" and n_sequences < _FEW else 1
        return by_rule if self.n_members is None else int(self.n_members)

    def _stopping(self, history: History, validation_mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the number of epochs and the reason for it."""
        if self.solver == "reservoir":
            reason = "the readout was solved in closed form, its penalty chosen by leave-one-out errors."
            return {"n_epochs_": 0, "stopping_reason_": f"No epochs: {reason}"}
        reason = stopping_reason(
            history,
            n_sequences=len(validation_mask),
            n_validation=int(validation_mask.sum()),
            validation_fraction=self.validation_fraction,
        )
        return {"n_epochs_": history.count, "stopping_reason_": reason}

    def tensors(self, X: Any) -> tuple[Tensor, Tensor]:
        """Return the inputs of the networks: scaled values (N, T, F), zero beyond a length, and lengths (N,).

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X is not like what was fitted on.
        """
        data = self._like_fitted(X)
        values, lengths, _ = self._dataset(data, self.scaler_).batch(torch.arange(len(data)))
        return values, lengths

    def output_classes(self) -> NDArray[Any] | None:
        """Return the classes (K,) whose logits the networks put out; None where they put out numbers."""
        return None

    def output_scale(self) -> tuple[float, float]:
        """Return the mean and the scale that turn the outputs of the networks into predictions."""
        return 0.0, 1.0

    def _encode_targets(self, y: Any, data: Sequences) -> EncodedTargets:
        raise NotImplementedError

    def _dataset(
        self, data: Sequences, scaler: StandardScaler, targets: Tensor | None = None
    ) -> SequenceDataset:
        return SequenceDataset.from_sequences(
            data, scaler, targets, per_step=self._per_step, device=self.device
        )

    def _outputs(self, data: Sequences) -> Iterator[tuple[Ints, Tensor, Ints]]:
        """Yield rows (B,), the outputs of each network for them (M, B, ...), and their lengths (B,)."""
        dataset = self._dataset(data, self.scaler_)
        for batch_rows in dataset.length_batches():
            rows = batch_rows.cpu().numpy()
            yield rows, ensemble_outputs(self.networks_, dataset, batch_rows), data.lengths[rows]

    def _like_fitted(self, X: Any) -> Sequences:
        """Convert X to sequences with as many features as those fitted on."""
        self._require_fitted()
        name = type(self).__name__
        data = as_sequences(X, who=f"{name} X")
        steps = _table_steps(X, data, lists=False)
        if self._table_steps and steps and steps != self._table_steps:
            raise DataError(  # scikit-learn's words
                f"X has {steps} features, but {name} is expecting {self._table_steps} features as input: a "
                "column a step, as in fit. Sequences of other lengths are taken as a list, or as (N, T, 1)."
            )
        expected = len(self.scaler_.mean)
        data = match_columns(data, self._header, expected, f"{name} X")
        n_features = data.values.shape[1]
        if n_features != expected:
            way = "Select the columns that were fitted on, or fit a model on these."
            if n_features == 1 and np.shape(X)[1:] == (expected,):
                way = "A single sequence is given as [x]."
            raise DataError(
                f"{name} X: expected {expected} features a step, as in fit, got {n_features}. {way}"
            )
        return data

    def _make_config(self, data: Sequences, output_size: int) -> SequenceNetworkConfig:
        is_reservoir = self.solver == "reservoir"
        config = SequenceNetworkConfig(
            input_size=data.values.shape[1],
            output_size=output_size,
            cell=self.cell,
            hidden_size=int(self.hidden_size or (_RESERVOIR_UNITS if is_reservoir else _UNITS)),
            num_layers=int(self.num_layers),
            activation=self.activation,
            dropout=float(self.dropout),
            bidirectional=bool(self.bidirectional),
            pooling=_POOLING if self.pooling is None else self.pooling,
            per_step=self._per_step,
        )
        stem_channels = _RESERVOIR_CHANNELS if is_reservoir else _CHANNELS
        return config.fitted_to(data.lengths, stem_channels=stem_channels if self.stem else 0)

    def _facts(self) -> tuple[Fact, ...]:
        config = self.network_config_
        reads = f"{quantity(config.input_size, 'feature')} a step, {config.stem_words}"
        return (
            network_fact(config, bidirectional=config.bidirectional),
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


def _as_int(value: int | None) -> int | None:
    """Convert numpy's whole numbers, which overflow, to Python's."""
    return None if value is None else int(value)


def _table_steps(X: Any, data: Sequences, *, lists: bool) -> int:
    """Return T where X is a table, a row a sequence and a column a step: scikit-learn's features; else 0."""
    steps = int(data.lengths[0])
    shape = tuple(getattr(X, "shape", ()))
    if lists and isinstance(X, list | tuple):
        shape = (len(X), *np.shape(X[0]))
    is_table = shape == (len(data), steps) and data.values.shape[1] == 1 and (data.lengths == steps).all()
    return steps if is_table else 0


def _count_columns(data: Sequences) -> int:
    """Count the columns of the source: features, or steps of a table with a row a sequence."""
    n_features = data.values.shape[1]
    return len(data.header) if names_steps(data.header, n_features) else n_features


def _feature_names(X: Any, data: Sequences) -> dict[str, NDArray[Any]]:
    """Return the columns that were read as `feature_names_in_`, if all are named by texts."""
    if not data.header or not all(isinstance(name, str) for name in getattr(X, "columns", ())):
        return {}
    return {"feature_names_in_": np.array(data.header, dtype=object)}
