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

from unrolled.data.alignment import match_columns
from unrolled.data.axes import axes_words, warn_of_few_steps
from unrolled.data.clips import channels_of, frame_words, require_pixel_range
from unrolled.data.padding import warn_of_equal_ends
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.data.splits import holdout_fraction, holdout_mask
from unrolled.errors import ArgumentError
from unrolled.formatting import quantity
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.metadata import MetadataRequester
from unrolled.models.parameters import Boolean, Choice, FloatRange, IntRange, RandomSource, UnusedBeside
from unrolled.models.persistence import ARRAY, PLAIN, record_field
from unrolled.models.recurrent_core import CELLS
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.inputs import (
    SequenceInputs,
    count_columns,
    count_table_steps,
    feature_names,
    read_inputs,
    require_features,
    require_frame_shape,
    require_table_steps,
)
from unrolled.models.sequence.missing import MISSING_METHODS, fill_missing, inputs_of
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.models.sequence.samples import TrainingSamples, collect_samples, fill_and_scale
from unrolled.models.sequence.training import (
    EncodedTargets,
    ensemble_outputs,
    fit_networks,
    solve_networks,
    stopping_facts,
    training_config,
)
from unrolled.models.streaming.sequence import SequenceStates
from unrolled.models.summary import Fact, network_fact, sequence_card_footer
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.nn.modules.pooling import POOLINGS
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import Ensemble, report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import optional_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_UNITS, _RESERVOIR_UNITS = 64, 512  # where hidden_size is None
_POOLING = "last+mean+max"
_CHANNELS, _RESERVOIR_CHANNELS = 64, 256  # of the stem
_AT_ONCE = "is solved at once, without epochs"
_CALLER = 4  # frames between a warning and the call of fit
_FEW, _MEMBERS = 500, 4  # sequences below which initial weights matter, and networks to average them out


class SequenceEstimator(MetadataRequester, NetworkEstimator):
    """Base of SequenceClassifier, SequenceRegressor and SequenceTagger.

    A subclass validates y (`_check_targets`), encodes it (`_encode_targets`), and makes predictions of what
    the networks put out.
    """

    _fit_call = "fit(X, y)"
    _per_step = False
    _network_class, _config_class = SequenceNetwork, SequenceNetworkConfig
    _stream_states = SequenceStates
    _learned: ClassVar = {
        "feature_names_in_": ARRAY._replace(is_optional=True),  # of frames
        "max_length_": PLAIN,
        "n_epochs_": PLAIN,
        "n_features_in_": PLAIN,
        "seed_": PLAIN,
        "scaler_": record_field(StandardScaler),
        "stopping_reason_": PLAIN,
        "_axes": PLAIN,
        "_dtype": PLAIN,
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
        UnusedBeside(("missing",), "solver", ("reservoir",), "learns no rates", only=("decay",)),
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
    layout: Annotated[str | None, Choice(("ntc", "nct"))]
    missing: Annotated[str | None, Choice(MISSING_METHODS)]

    feature_names_in_: NDArray[Any]
    max_length_: int
    n_epochs_: int
    n_features_in_: int
    scaler_: StandardScaler
    seed_: int
    stopping_reason_: str
    _axes: str  # how X was read, in words
    _dtype: str  # of the values
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
        layout: str | None = None,
        missing: str | None = None,
        random_state: RandomSource = 0,
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
        *,
        sample_weight: Any = None,
        groups: Any = None,
        lengths: Any = None,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from sequences and their targets.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            X: N sequences: a list of (T_i, F) or (T_i,) arrays, an (N, T, F) array, an (N, T) array or
                frame of one number a step, a long or nested frame, a `Sequences`; or N clips: a list of
                (T_i, H, W) or (T_i, C, H, W) arrays, an array of one axis more.
            y: N targets, one a sequence; for a tagger N arrays of T_i, one a step. An index, of pandas, that
                holds the ids of a frame X is aligned with them; so it is of weights and groups.
            sample_weight: N weights, at least 0: one of k counts as k copies of the sequence would.
            groups: N names; sequences of one group (a speaker, a patient) are held out together, and by a
                reservoir left out together.
            lengths: N steps of each sequence, where arrays are padded; NaN at a sequence's end needs none.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict: stage, member, n_members, step,
                max_steps, epoch, train_loss, validation_loss, learning_rate, seconds. An error in one ends
                the fit and leaves the model as it was.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line; or a reservoir, which
                has no epochs, is given a checkpoint or callbacks.
            DataError: X, y, groups, weights or lengths cannot be used as they are.
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
        name, seed = type(self).__name__, self._draw_seed()
        inputs = self._read(X, lengths)
        if self.layout is None:
            warn_of_few_steps(X, inputs.data, f"{name} X", stacklevel=_CALLER)
        if lengths is None:
            warn_of_equal_ends(inputs.data, f"{name} X", stacklevel=_CALLER)
        samples = collect_samples(inputs.data, self._check_targets(y, inputs), sample_weight, groups)
        targets = self._encode_targets(samples)
        validation_mask = self._validation_mask(len(samples.data), targets.strata, samples.groups, seed)
        samples, scaler = fill_and_scale(samples, self.missing, validation_mask)
        ensemble = self._fit_ensemble(samples, scaler, targets, validation_mask, seed, monitor)
        table_steps = count_table_steps(X, inputs.data, lists=True)
        learned = targets.learned | feature_names(X, inputs.data)
        learned |= {
            "history_": ensemble.history,
            "max_length_": int(samples.data.lengths.max()),
            "n_features_in_": table_steps or count_columns(inputs.data),
            "scaler_": scaler,
            "seed_": seed,
            "_axes": axes_words(inputs.data),
            "_dtype": str(inputs.data.values.dtype),
            "_header": inputs.data.header,
            "_table_steps": table_steps,
            **stopping_facts(self.solver, ensemble.history, validation_mask, self.validation_fraction),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    @property
    def _min_steps(self) -> int:
        """Steps of a training on few sequences, where the user names no epochs."""
        return 400

    def _validation_mask(
        self, n: int, strata: Ints | None, groups: Ints | None, seed: int
    ) -> NDArray[np.bool_]:
        """Draw (n,) true for the sequences to hold out; a reservoir needs none."""
        if self.solver == "reservoir":
            return np.zeros(n, dtype=bool)
        fraction = holdout_fraction(self.validation_fraction, n)
        return holdout_mask(n, fraction, seed, strata=strata, groups=groups)

    def _fit_ensemble(
        self,
        samples: TrainingSamples,
        scaler: StandardScaler,
        targets: EncodedTargets,
        validation_mask: NDArray[np.bool_],
        seed: int,
        monitor: Monitor,
    ) -> Ensemble[SequenceNetwork]:
        weights = None if samples.weights is None else torch.from_numpy(samples.weights)
        dataset = self._dataset(samples.data, scaler, targets.values, weights)
        network_config = self._make_config(samples.data, targets.output_size)
        n_members = self._member_count(samples.n_copies)
        if self.solver == "reservoir":
            return solve_networks(
                dataset, targets, network_config,
                groups=samples.groups, n_members=n_members, seed=seed, device=self.device,
            )  # fmt: skip
        n_training = int((~validation_mask).sum())
        config = training_config(
            n_training, n_copies=n_training + samples.n_copies - len(samples.data), min_steps=self._min_steps,
            max_epochs=optional_int(self.max_epochs), batch_size=optional_int(self.batch_size),
            patience=optional_int(self.patience), learning_rate=self.learning_rate, seed=seed,
        )  # fmt: skip
        with self._name_remedies():
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

    def tensors(self, X: Any) -> tuple[Tensor, Tensor]:
        """Return the inputs of the networks: scaled values (N, T, F), zero beyond a length, and lengths (N,).

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X is not like what was fitted on.
        """
        data = self._like_fitted(X).data
        return self._dataset(data, self.scaler_).batch(torch.arange(len(data)))[:2]

    def output_classes(self) -> NDArray[Any] | None:
        """Return the classes (K,) whose logits the networks put out; None where they put out numbers."""
        return None

    def output_scale(self) -> tuple[float, float]:
        """Return the mean and the scale that turn the outputs of the networks into predictions."""
        return 0.0, 1.0

    def _check_targets(self, y: Any, inputs: SequenceInputs) -> NDArray[Any]:
        """Validate y: (N,), or (ΣT,) with one a step, in the order of the sequences."""
        raise NotImplementedError

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        raise NotImplementedError

    def _dataset(
        self,
        data: Sequences,
        scaler: StandardScaler,
        targets: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> SequenceDataset:
        return SequenceDataset.from_sequences(
            data, scaler, targets, weights=weights, per_step=self._per_step, device=self.device
        )

    def _outputs(self, data: Sequences) -> Iterator[tuple[Ints, Tensor, Ints]]:
        """Yield rows (B,), the outputs of each network for them (M, B, ...), and their lengths (B,)."""
        dataset = self._dataset(data, self.scaler_)
        for batch_rows in dataset.length_batches():
            rows = batch_rows.cpu().numpy()
            yield rows, ensemble_outputs(self.networks_, dataset, batch_rows), data.lengths[rows]

    def _like_fitted(self, X: Any, lengths: Any = None) -> SequenceInputs:
        """Convert X to sequences with the features of those fitted on, in the same order."""
        self._require_fitted()
        name = type(self).__name__
        shape = np.shape(X) if isinstance(X, np.ndarray) and X.dtype.kind != "O" else ()
        require_table_steps(shape[1] if len(shape) == 2 else 0, self._table_steps, name)
        inputs = self._read(X, lengths)
        require_frame_shape(inputs.data, self.network_config_.frame_shape, f"{name} X")
        if inputs.data.has_frames:
            require_pixel_range(inputs.data, self._dtype, f"{name} X")
            return inputs
        require_table_steps(count_table_steps(X, inputs.data, lists=False), self._table_steps, name)
        expected = len(self.scaler_.mean) // inputs_of(1, self.missing)
        data = match_columns(inputs.data, self._header, expected, f"{name} X")
        require_features(data, expected, f"{name} X", shape, self.layout)
        return inputs._replace(data=fill_missing(data, self.missing, self.scaler_.mean[:expected]))

    def _read(self, X: Any, lengths: Any) -> SequenceInputs:
        return read_inputs(
            X, f"{type(self).__name__} X",
            layout=self.layout, lengths=lengths, missing=self.missing, per_step=self._per_step,
        )  # fmt: skip

    def __sklearn_tags__(self) -> Any:
        """Describe an estimator that takes NaN where `missing` is given."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing is not None
        return tags

    def _make_config(self, data: Sequences, output_size: int) -> SequenceNetworkConfig:
        is_reservoir = self.solver == "reservoir"
        config = SequenceNetworkConfig(
            input_size=int(np.prod(data.feature_shape)),
            output_size=output_size,
            cell=self.cell,
            hidden_size=int(self.hidden_size or (_RESERVOIR_UNITS if is_reservoir else _UNITS)),
            num_layers=int(self.num_layers),
            activation=self.activation,
            dropout=float(self.dropout),
            bidirectional=bool(self.bidirectional),
            pooling=_POOLING if self.pooling is None else self.pooling,
            per_step=self._per_step,
            direct_inputs=is_reservoir,
            missing=self.missing,
            frame_shape=channels_of(data) if data.has_frames else (),
        )
        stem_channels = _RESERVOIR_CHANNELS if is_reservoir else _CHANNELS
        return config.fitted_to(data.lengths, stem_channels=stem_channels if self.stem else 0)

    def _facts(self) -> tuple[Fact, ...]:
        config = self.network_config_
        inputs = inputs_of(1, self.missing)
        gaps = ", each with whether it is missing and since when" if inputs > 1 else ""
        reads = f"{quantity(config.input_size // inputs, 'feature')} a step{gaps}, {config.stem_words}"
        if config.frame_shape:
            frames = f"frames of {frame_words(config.frame_shape)}"
            reads = f"{frames}, by convolutions to {config.step_size} features, {config.stem_words}"
        return (
            network_fact(config, bidirectional=config.bidirectional),
            Fact("Fitted on", self._axes),
            Fact("Reads", reads),
            Fact("Answers from", config.readout_words),
            Fact("Epochs", self.stopping_reason_),
        )

    def _card_footer(self) -> str:
        return sequence_card_footer(type(self).__name__)
