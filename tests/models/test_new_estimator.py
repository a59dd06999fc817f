"""An estimator for a new task is its network, its dataset and under 60 lines on the base."""

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.data.io.arrays import as_sequences
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, ModelLoadError, NotFittedError
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.parameters import Choice, IntRange, UnusedBeside
from unrolled.models.persistence import record_field
from unrolled.models.recurrent_core import CoreConfig, recurrent_core
from unrolled.models.summary import Fact, network_fact
from unrolled.train.config import Callback, Monitor, TrainingConfig
from unrolled.train.ensemble import fit_ensemble, report_interruption


@dataclass(frozen=True, kw_only=True)
class NextStepConfig(CoreConfig):
    """Settings of a network: those of its core, and F features."""

    input_size: int


class NextStepNetwork(nn.Module):
    """Network that puts out the next step after each step: (B, T, F) to (B, T, F)."""

    def __init__(self, config: NextStepConfig) -> None:
        super().__init__()
        self.config = config
        self.core = recurrent_core(config, config.input_size)
        self.head = nn.Linear(config.hidden_size, config.input_size)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        states, _ = self.core(values, lengths=lengths)
        outputs: Tensor = self.head(states)
        return outputs


class NextStepBatch(NamedTuple):
    """Sequences padded with zeros, and the steps of each."""

    values: Tensor  # (B, T, F)
    lengths: Tensor  # (B,)


class NextStepDataset:
    """Scaled sequences, padded when a batch is made."""

    def __init__(self, data: Sequences, scaler: StandardScaler) -> None:
        flat = torch.from_numpy(scaler.transform(data.values)).float()
        self._parts, self._lengths = flat.split(data.lengths.tolist()), torch.from_numpy(data.lengths)

    def __len__(self) -> int:
        return len(self._parts)

    def batch(self, rows: Tensor) -> NextStepBatch:
        values = nn.utils.rnn.pad_sequence([self._parts[row] for row in rows.tolist()], batch_first=True)
        return NextStepBatch(values, self._lengths[rows])


def next_step_loss(network: nn.Module, batch: NextStepBatch) -> Tensor:
    """Mean squared error of every step but the first, padding left out."""
    predictions = network(batch.values, batch.lengths)[:, :-1]
    is_step = torch.arange(1, batch.values.shape[1]) < batch.lengths[:, None]
    return F.mse_loss(predictions[is_step], batch.values[:, 1:][is_step])


class NextStepModel(NetworkEstimator):
    """Predict the step after the last one of each sequence."""

    _fit_call = "fit(X)"
    _network_class, _config_class = NextStepNetwork, NextStepConfig
    _learned: ClassVar = {"scaler_": record_field(StandardScaler)}
    _unused = (UnusedBeside(("activation",), "cell", ("gru",), "has its own"),)

    cell: Annotated[str, Choice(("gru", "rnn"))]
    activation: Annotated[str, Choice(("tanh", "relu"))]
    hidden_size: Annotated[int, IntRange(least=1, most=512)]
    max_epochs: Annotated[int, IntRange(least=1)]
    n_members: Annotated[int, IntRange(least=1)]
    scaler_: StandardScaler

    def __init__(
        self, *, cell: str = "gru", activation: str = "tanh", hidden_size: int = 8, max_epochs: int = 30,
        learning_rate: float = 0.02, n_members: int = 1, random_state: int = 0, device: str = "cpu",
    ) -> None:  # fmt: skip
        self._store_parameters(locals())

    def fit(self, X: Any, y: None = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        self.check_parameters()
        start_s, data = time.perf_counter(), as_sequences(X, who="NextStepModel X")
        scaler = StandardScaler.fit(data.values)
        config = NextStepConfig(
            input_size=data.values.shape[1], hidden_size=self.hidden_size, cell=self.cell,
            activation=self.activation,
        )  # fmt: skip
        settings = {"batch_size": 8, "learning_rate": self.learning_rate, "seed": self.random_state}
        ensemble = fit_ensemble(
            lambda: NextStepNetwork(config).to(self.device), next_step_loss, NextStepDataset(data, scaler),
            None, TrainingConfig.of_epochs(self.max_epochs, len(data), **settings),
            n_members=self.n_members, monitor=Monitor(callbacks=tuple(callbacks)),
        )  # fmt: skip
        report_interruption(ensemble)
        learned = {"history_": ensemble.history, "scaler_": scaler, "seconds_": time.perf_counter() - start_s}
        self._set_learned(ensemble.networks, learned)
        return self

    @torch.inference_mode()
    def predict(self, X: Any) -> NDArray[np.float64]:
        self._require_fitted()
        data = as_sequences(X, who="NextStepModel X")
        values, lengths = NextStepDataset(data, self.scaler_).batch(torch.arange(len(data)))
        outputs = torch.stack([network(values, lengths) for network in self.networks_]).mean(0)
        return self.scaler_.inverse_transform(outputs[torch.arange(len(data)), lengths - 1].double().numpy())

    def _facts(self) -> tuple[Fact, ...]:
        return (network_fact(self.network_config_), Fact("Epochs", str(self.history_.count)))

    def _card_footer(self) -> str:
        return "Load it with `NextStepModel.load(folder)`."


QUICK: dict[str, Any] = {"hidden_size": 3, "max_epochs": 2}


def _waves(count: int = 12) -> list[NDArray[np.float64]]:
    """Ragged sine waves and their cosines around 5, each from its own phase."""
    rng = np.random.default_rng(0)
    angles = [
        phase + 0.6 * np.arange(steps)
        for phase, steps in zip(rng.uniform(0, 6, count), rng.integers(7, 14, count), strict=True)
    ]
    return [np.stack([np.sin(angle), np.cos(angle)], 1) + 5 for angle in angles]


def test_it_takes_under_sixty_lines() -> None:
    """Of the class, its docstring and its declarations counted."""
    assert len(inspect.getsource(NextStepModel).splitlines()) < 60


def test_it_learns_the_next_step() -> None:
    """Far better than the last value, on sequences that it was not fitted on."""
    waves = _waves(60)
    model = NextStepModel(max_epochs=60).fit(waves[:40])
    X, y = [wave[:-1] for wave in waves[40:]], np.stack([wave[-1] for wave in waves[40:]])
    last = np.stack([x[-1] for x in X])
    assert np.abs(model.predict(X) - y).mean() < 0.3 * np.abs(last - y).mean()


def test_saved_and_loaded_is_identical(tmp_path: Path) -> None:
    """Predictions to the bit, history, config and facts; several networks."""
    model = NextStepModel(**QUICK, cell="rnn", activation="relu", n_members=2).fit(_waves())
    loaded = NextStepModel.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(_waves()), model.predict(_waves()))
    assert loaded.get_params() == model.get_params()
    assert (loaded.history_, loaded.network_config_) == (model.history_, model.network_config_)
    assert loaded.summary() == model.summary()
    card = (tmp_path / "model" / "README.md").read_text()
    assert "# A NextStepModel of unrolled" in card
    assert "| Network | RNN, relu, 1 layer of 3 units |" in card
    assert "| Networks | the mean of 2 |" in card


def test_another_class_does_not_load_it(tmp_path: Path) -> None:
    """The folder says whose it is."""

    class Other(NextStepModel):
        pass

    with pytest.raises(ModelLoadError, match=r"expected an Other, .* found NextStepModel"):
        Other.load(NextStepModel(**QUICK).fit(_waves()).save(tmp_path / "model"))


def test_a_clone_is_not_fitted_and_fits_to_the_same_result() -> None:
    """Seeds come from the parameters alone."""
    model = NextStepModel(**QUICK, random_state=3).fit(_waves())
    twin = clone(model)
    assert repr(twin) == "NextStepModel(hidden_size=3, max_epochs=2, random_state=3)"
    with pytest.raises(NotFittedError, match=r"NextStepModel: not fitted yet. Call fit\(X\) first"):
        twin.predict(_waves())
    np.testing.assert_array_equal(twin.fit(_waves()).predict(_waves()), model.predict(_waves()))


def test_wrong_parameters_are_named_together() -> None:
    """Each with what is allowed; what does nothing beside another is refused."""
    with pytest.raises(ArgumentError) as fault:
        NextStepModel(cell="gruu", hidden_size=0, learning_rate=-1, device="cdua").fit(_waves())
    lines = [line.partition(":")[0] for line in str(fault.value).splitlines()]
    assert lines == ["cell", "hidden_size", "learning_rate", "device"]
    with pytest.raises(ArgumentError, match=r"activation: cell='gru' has its own; got 'relu'\. Leave it out"):
        NextStepModel(activation="relu").fit(_waves())


def test_a_failed_fit_leaves_the_model_as_it_was() -> None:
    """A callback that raises ends the fit."""
    model = NextStepModel(**QUICK).fit(_waves())
    facts = dict(vars(model))

    def fail(_: dict[str, Any]) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        model.fit(_waves(5), callbacks=[fail])
    assert vars(model) == facts
