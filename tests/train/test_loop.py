"""The loop keeps the best weights, stops when it should, and goes on to the bit where it was stopped."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError, ModelLoadError, StorageError, TrainingError
from unrolled.train.config import TrainingConfig, TrainingHooks
from unrolled.train.history import History, TrainingRecord
from unrolled.train.loop import fit
from unrolled.train.optimizer import ParameterGroup

CONFIG = TrainingConfig(max_steps=30, val_check_steps=6, batch_size=8, learning_rate=0.02, seed=3)
STEPS = CONFIG.val_check_steps  # of one check


class Pairs:
    """y = a known linear function of x, with noise; remembers which rows were read."""

    def __init__(self, count: int, seed: int = 0) -> None:
        made = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 3, generator=made)
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(count, generator=made)
        self.rows_read: list[Tensor] = []

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        self.rows_read.append(rows)
        return self.x[rows], self.y[rows]


def _network() -> nn.Module:
    torch.manual_seed(11)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 1))


def _loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    x, y = batch
    return ((network(x)[:, 0] - y) ** 2).mean()


def _fit(
    config: TrainingConfig = CONFIG, network: nn.Module | None = None, **options: Any
) -> tuple[nn.Module, History]:
    network = network or _network()
    history = fit(network, options.pop("loss", _loss), Pairs(40), Pairs(16, seed=1), config, **options)
    return network, history


def _same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _scripted(script: list[float], made: list[Tensor]) -> Callable[[nn.Module, Any], Tensor]:
    """A loss whose validation follows a script, an entry a check; weights at each are kept in `made`."""

    def loss(network: nn.Module, batch: Any) -> Tensor:
        if network.training:
            return _loss(network, batch)
        made.append(network[0].weight.detach().clone())
        return torch.tensor(script[len(made) - 1])

    return loss


def test_the_loss_falls() -> None:
    """A linear function is learned, and what happened is recorded check by check."""
    _, history = _fit(replace(CONFIG, max_steps=12 * STEPS))
    losses = [record.validation_loss for record in history.records]
    assert history.best.validation_loss == min(losses) < 0.5 * losses[0]
    assert [record.step for record in history.records] == list(range(STEPS, 12 * STEPS + 1, STEPS))
    assert history.stopped == "finished"
    assert history.seconds == pytest.approx(sum(record.seconds for record in history.records))


def test_the_best_weights_are_kept() -> None:
    """It ends with the weights of the lowest validation loss, in evaluation mode."""
    made: list[Tensor] = []
    network, history = _fit(loss=_scripted([3.0, 1.0, 2.0, 1.0, 4.0], made))
    assert history.best_step == 2 * STEPS  # the first of two equals
    assert torch.equal(network[0].weight, made[1])
    assert not torch.equal(network[0].weight, made[4])
    assert not network.training


def test_without_validation_the_last_weights_are_kept() -> None:
    """And no check is too many."""
    network, config = _network(), replace(CONFIG, patience=1)
    weights: list[Tensor] = []
    history = fit(
        network, _loss, Pairs(40), None, config, on_check=lambda _: weights.append(network[0].weight.clone())
    )
    assert (history.best_step, history.stopped, len(history.records)) == (5 * STEPS, "finished", 5)
    assert torch.equal(network[0].weight, weights[-1])


def test_the_last_check_takes_the_steps_that_are_left() -> None:
    """15 steps with a check after every 6 make checks at 6, 12 and 15; epochs are passes over the data."""
    _, history = _fit(replace(CONFIG, max_steps=15))
    assert [record.step for record in history.records] == [6, 12, 15]
    assert [record.epoch for record in history.records] == [6 / 5, 12 / 5, 3.0]  # 40 examples, 8 a step
    assert history.unit == "step"


def test_patience_counts_checks_without_a_better_one() -> None:
    """Three checks after the best, it stops early."""
    script = [3.0, 1.0, *[2.0] * 20]
    _, history = _fit(replace(CONFIG, max_steps=22 * STEPS, patience=3), loss=_scripted(script, []))
    assert (history.stopped, history.best_step, len(history.records)) == ("early", 2 * STEPS, 5)


def test_every_example_is_seen_equally_often() -> None:
    """Batches are shuffles of all examples, one after the other, different from check to check."""
    training = Pairs(20)
    fit(
        _network(),
        _loss,
        training,
        None,
        replace(CONFIG, max_steps=10, val_check_steps=5),
    )
    first, second = torch.cat(training.rows_read[:5]), torch.cat(training.rows_read[5:])
    for rows in (first, second):
        assert all(sorted(part.tolist()) == list(range(20)) for part in rows.split(20))
    assert not torch.equal(first, second)


def test_gradients_are_clipped(gradient_lengths: list[float]) -> None:
    """A loss a million times as steep has a gradient of length 1 when it reaches the optimizer."""
    config = replace(CONFIG, max_steps=1)
    fit(nn.Linear(3, 1), lambda net, batch: 1e6 * _loss(net, batch), Pairs(40), None, config)
    assert gradient_lengths == [pytest.approx(1.0, abs=1e-5)]


def test_the_learning_rate_climbs_and_falls_to_nearly_nothing() -> None:
    """One cycle over all steps."""
    _, history = _fit(replace(CONFIG, max_steps=20 * STEPS, patience=99))
    rates = [record.learning_rate for record in history.records]
    assert max(rates) == rates[0] <= CONFIG.learning_rate
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1e-3 * CONFIG.learning_rate


def test_the_same_seed_gives_the_same_weights() -> None:
    """To the bit, dropout included; another seed gives others."""
    assert _same(_fit()[0], _fit()[0])
    assert not _same(_fit()[0], _fit(replace(CONFIG, seed=4))[0])


def test_it_learns_where_torch_records_no_gradients() -> None:
    """Inside torch.no_grad() the training is the same, and gradients stay off afterwards."""
    with torch.no_grad():
        inside = _fit()[0]
        assert not torch.is_grad_enabled()
    assert _same(inside, _fit()[0])


def test_the_callers_random_state_is_left_alone() -> None:
    """Whatever is drawn inside, the caller's next number is the one it would have been."""
    network = _network()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    _fit(network=network)
    assert torch.equal(torch.get_rng_state(), before)


class _PowerCutError(Exception):
    pass


def _stop_after(checks: int, error: type[BaseException]) -> Callable[[TrainingRecord], None]:
    def on_check(record: TrainingRecord) -> None:
        if record.step == checks * STEPS:
            raise error

    return on_check


@pytest.mark.parametrize("checks", [1, 3])
@pytest.mark.parametrize("error", [_PowerCutError, KeyboardInterrupt])
def test_a_resumed_training_ends_as_one_that_was_never_stopped(
    checks: int, error: type[BaseException], tmp_path: Path
) -> None:
    """Same weights to the bit, same losses, same rates: shuffles, dropout and moments go on."""
    whole, history = _fit(checkpoint=tmp_path / "whole")
    folder = tmp_path / "a" / "cut"  # folders on the way are made
    try:
        _, first = _fit(checkpoint=folder, on_check=_stop_after(checks, error))
        assert (first.stopped, len(first.records)) == ("interrupted", checks)
    except _PowerCutError:
        pass
    torch.manual_seed(999)  # another process has another random state
    resumed, again = _fit(checkpoint=folder)
    assert _same(resumed, whole)
    assert [replace(record, seconds=0) for record in again.records] == [
        replace(record, seconds=0) for record in history.records
    ]
    assert (again.best_step, again.stopped) == (history.best_step, history.stopped)


def test_a_checkpoint_changes_nothing(tmp_path: Path) -> None:
    """With one or without, the weights are the same; finished, it is only read."""
    folder = tmp_path / "c"
    assert _same(_fit(checkpoint=folder)[0], _fit()[0])
    steps: list[int] = []
    again, _ = _fit(checkpoint=folder, on_check=lambda record: steps.append(record.step))
    assert steps == []
    assert _same(again, _fit()[0])


def test_a_planted_loss_of_the_random_state_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume that forgets it does not equal the whole run: the test above can fail."""
    with pytest.raises(_PowerCutError):
        _fit(checkpoint=tmp_path / "c", on_check=_stop_after(2, _PowerCutError))
    monkeypatch.setattr(torch, "set_rng_state", lambda _: None)
    assert not _same(_fit(checkpoint=tmp_path / "c")[0], _fit()[0])


@pytest.mark.parametrize(
    "change", [{"learning_rate": 0.5}, {"max_steps": 6 * STEPS}, {"seed": 4}, {"identity": "other data"}]
)
def test_a_checkpoint_of_other_settings_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    """The sentence says both ways out."""
    _fit(replace(CONFIG, max_steps=STEPS), checkpoint=tmp_path / "c")
    with pytest.raises(ModelLoadError) as fault:
        _fit(replace(CONFIG, **{"max_steps": STEPS, **change}), checkpoint=tmp_path / "c")
    assert str(fault.value) == (
        f"{tmp_path / 'c'}: this checkpoint was made with other settings or data. "
        "Delete the folder to train from the start, or give back the settings it was made with."
    )


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    """Wider layers do not take its weights."""
    config = replace(CONFIG, max_steps=STEPS)
    _fit(config, checkpoint=tmp_path / "c")
    wider = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Dropout(0.2), nn.Linear(6, 1))
    with pytest.raises(ModelLoadError, match="other settings or data"):
        _fit(config, wider, checkpoint=tmp_path / "c")


def test_a_checkpoint_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A file stands where the folder should."""
    (tmp_path / "c").write_text("a file")
    with pytest.raises(ModelLoadError, match="expected the folder of a checkpoint, got a file"):
        _fit(checkpoint=tmp_path / "c")
    with pytest.raises(StorageError, match="cannot be written"):
        _fit(checkpoint=tmp_path / "c" / "below")


def _nan_loss(network: nn.Module, batch: Any) -> Tensor:
    return _loss(network, batch) * float("nan")


def _infinite_validation(network: nn.Module, batch: Any) -> Tensor:
    return _loss(network, batch) * (1.0 if network.training else float("inf"))


@pytest.mark.parametrize(
    ("loss", "start"),
    [
        (_nan_loss, "The training loss is no longer finite (nan) by step 6."),
        (_infinite_validation, "The validation loss is no longer finite (inf) by step 6."),
    ],
)
def test_a_loss_that_is_not_finite_says_what_to_change(loss: Any, start: str) -> None:
    """Which loss, by which step, and what to lower; an estimator names its parameters besides."""
    with pytest.raises(TrainingError) as fault:
        _fit(loss=loss)
    assert str(fault.value) == f"{start} Lower learning_rate (now 0.02)."


def test_weights_that_the_last_step_broke_are_refused() -> None:
    """Without validation nobody else would see them: the loss of a step is that of the weights before it."""
    config = replace(CONFIG, max_steps=1, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"training loss is no longer finite \((nan|inf)\) by step 1\."):
        fit(_network(), _loss, Pairs(40), None, config)
    fit(_network(), _loss, Pairs(40), None, replace(config, learning_rate=0.02))


def test_ctrl_c_keeps_the_best_weights() -> None:
    """Between the third check and the fourth: the best of the first three stand, and the history says so."""
    made: list[Tensor] = []
    scripted, calls = _scripted([3.0, 1.0, 2.0], made), []

    def loss(network: nn.Module, batch: Any) -> Tensor:
        calls.append(network.training)
        if calls.count(True) == 3 * STEPS + 2:
            raise KeyboardInterrupt
        return scripted(network, batch)

    network, history = _fit(loss=loss)
    assert (history.stopped, history.best_step, len(history.records)) == ("interrupted", 2 * STEPS, 3)
    assert torch.equal(network[0].weight, made[1])
    assert not network.training


def test_ctrl_c_before_the_first_check_is_ctrl_c() -> None:
    """There is nothing to keep yet."""

    def loss(network: nn.Module, batch: Any) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(loss=loss)


def _interrupt(network: nn.Module, batch: Any) -> Tensor:
    raise KeyboardInterrupt


def _every_parameter_twice(network: nn.Module) -> list[ParameterGroup]:
    return [ParameterGroup(list(network.parameters()))] * 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, None),
        ({"loss": _nan_loss}, TrainingError),
        ({"loss": _interrupt}, KeyboardInterrupt),
        ({"on_step": _interrupt}, TypeError),
        ({"hooks": TrainingHooks(parameter_groups=_every_parameter_twice)}, ArgumentError),
        ({"config": replace(CONFIG, stateful=True, batch_size=7)}, ArgumentError),
    ],
    ids=["trained", "not finite", "ctrl-c", "callback", "groups", "stateful"],
)
def test_the_parameters_stay_in_their_memory(options: Any, error: Any) -> None:
    """However the training ends, also before its first step: who shares that memory sees the weights."""
    network = _network()
    seen = network.state_dict()
    before = [(tensor.data_ptr(), tensor.clone()) for tensor in seen.values()]
    with nullcontext() if error is None else pytest.raises(error):
        _fit(network=network, **options)
    for tensor, parameter, (address, start) in zip(seen.values(), network.parameters(), before, strict=True):
        assert parameter.data_ptr() == address
        torch.testing.assert_close(tensor, parameter.data, rtol=0, atol=0, equal_nan=True)
        assert parameter.grad is None
        if error is None:
            assert not torch.equal(tensor, start)
        if error is ArgumentError:
            assert torch.equal(tensor, start)
