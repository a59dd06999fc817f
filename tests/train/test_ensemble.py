"""The trainer makes ensembles, keeps what Ctrl-C leaves, resumes them, and refits on all data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unrolled.train.config import Monitor, TrainingConfig, TrainingHooks
from unrolled.train.ensemble import Ensemble, fit_ensemble, fit_then_refit, report_interruption
from unrolled.train.history import History
from unrolled.train.loop import member_seed, seeded

CONFIG = TrainingConfig.of_epochs(4, n_examples=20, batch_size=5, learning_rate=0.05, seed=9)
EPOCH = CONFIG.val_check_steps


class Points:
    """Points of a line."""

    def __init__(self, count: int = 20, seed: int = 0, noise: float = 0.1) -> None:
        made = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 2, generator=made)
        self.y = self.x @ torch.tensor([1.0, -2.0]) + noise * torch.randn(count, generator=made)

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.x[rows], self.y[rows]


def _make() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.2), nn.Linear(4, 1))


def _loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    x, y = batch
    return (network(x)[:, 0] - y).square().mean()


def _fit(**options: Any) -> Ensemble[nn.Module]:
    options = {"n_members": 3, "validation": None, "config": CONFIG, **options}
    validation, config = options.pop("validation"), options.pop("config")
    return fit_ensemble(_make, _loss, Points(), validation, config, **options)


def _same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _ctrl_c(member: int, epoch: int, stage: str = "training") -> Monitor:
    """A callback that stands for Ctrl-C after this epoch of this member."""

    def callback(record: dict[str, Any]) -> None:
        if (record["stage"], record["member"], record["epoch"]) == (stage, member, epoch):
            raise KeyboardInterrupt

    return Monitor(callbacks=(callback,))


def test_members_differ_in_their_seeds_alone() -> None:
    """Each is what it would be by itself with its own seed; no two are alike."""
    three = _fit().networks
    for member, network in enumerate(three):
        alone = _fit(n_members=1, config=replace(CONFIG, seed=member_seed(9, member))).networks[0]
        assert _same(network, alone)
    assert not _same(three[0], three[1])
    assert not _same(three[1], three[2])


def test_initialization_has_the_random_state_of_the_member() -> None:
    """The hook is called once for each network, before its training, as `seeded` sets the state."""
    drawn: list[float] = []

    def initialize(network: nn.Module) -> None:
        drawn.append(float(torch.rand(())))
        nn.init.zeros_(network[2].weight)

    plain, other = _fit(), _fit(hooks=TrainingHooks(initialize=initialize))
    expected = []
    for member in range(3):
        with seeded(member_seed(9, member)):
            expected.append(float(torch.rand(())))
    assert drawn == expected
    assert not _same(plain.networks[0], other.networks[0])


def test_the_random_state_of_the_caller_is_left_alone() -> None:
    """Networks, initialization, shuffling, dropout and callbacks draw from states of their own."""
    torch.manual_seed(5)
    before = torch.get_rng_state()
    _fit(monitor=Monitor(callbacks=(lambda _: torch.rand(3),)))
    assert torch.equal(torch.get_rng_state(), before)


def test_callbacks_get_plain_records_of_every_epoch() -> None:
    """Numbers and texts: which member, which step, which epoch, what it lost."""
    records: list[dict[str, Any]] = []
    ensemble = _fit(validation=Points(seed=1), monitor=Monitor(callbacks=(records.append,)))
    assert [(r["member"], r["epoch"], r["step"]) for r in records] == [
        (member, epoch, epoch * EPOCH) for member in (1, 2, 3) for epoch in (1, 2, 3, 4)
    ]
    assert {(r["stage"], r["n_members"], r["max_steps"]) for r in records} == {("training", 3, 4 * EPOCH)}
    assert all(type(value) in {int, float, str} for record in records for value in record.values())
    last = ensemble.history.records[-1]
    assert records[-1]["validation_loss"] == last.validation_loss
    assert records[-1]["seconds"] == last.seconds


def test_a_callback_cannot_change_the_training() -> None:
    """Not by the record that it gets, not by drawing random numbers or by switching gradients off."""

    def meddling(record: dict[str, Any]) -> None:
        torch.manual_seed(0)
        torch.rand(7)
        torch.set_grad_enabled(False)
        record.clear()

    seen: list[int] = []
    monitor = Monitor(callbacks=(meddling, lambda record: seen.append(len(record))))
    assert _same(_fit(monitor=monitor).networks[2], _fit().networks[2])
    assert set(seen) == {10}


def test_an_error_in_a_callback_reaches_the_caller() -> None:
    """And the random state is the caller's again."""

    def broken(record: dict[str, Any]) -> None:
        raise ZeroDivisionError(record["member"])

    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError, match="1"):
        _fit(monitor=Monitor(callbacks=(broken,)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("member", "kept", "complete"), [(1, 1, 0), (2, 1, 1), (3, 2, 2)])
def test_ctrl_c_keeps_the_members_before_it(
    member: int, kept: int, complete: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the first member it keeps the best weights so far; the sentence says what is left."""
    ensemble = _fit(monitor=_ctrl_c(member, epoch=2))
    assert (len(ensemble.networks), ensemble.n_complete) == (kept, complete)
    assert ensemble.is_interrupted
    assert len(ensemble.history.records) == (2 if member == 1 else 4)
    report_interruption(ensemble)
    sentence = f"Interrupted: the model has the best weights so far ({kept} of 3 networks), not saved yet.\n"
    assert capsys.readouterr().err == sentence


def test_ctrl_c_in_a_single_network_names_the_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    """Or the step, where checks end no epoch; without Ctrl-C there is nothing to say."""
    report_interruption(_fit(n_members=1, monitor=_ctrl_c(1, 3)))
    assert capsys.readouterr().err.endswith("so far (epoch 3), not saved yet.\n")
    config = replace(CONFIG, val_check_steps=3, unit="step")
    report_interruption(_fit(n_members=1, config=config, monitor=_ctrl_c(1, 3)))
    assert capsys.readouterr().err.endswith("so far (step 12), not saved yet.\n")
    report_interruption(_fit(n_members=1))
    assert capsys.readouterr().err == ""


def test_ctrl_c_before_the_first_check_keeps_what_there_is() -> None:
    """Nothing in the first member; in the second, the first."""

    def initialize(calls: list[int], limit: int) -> Callable[[nn.Module], None]:
        def hook(_: nn.Module) -> None:
            calls.append(1)
            if len(calls) == limit:
                raise KeyboardInterrupt

        return hook

    with pytest.raises(KeyboardInterrupt):
        _fit(hooks=TrainingHooks(initialize=initialize([], 1)))
    ensemble = _fit(hooks=TrainingHooks(initialize=initialize([], 2)))
    assert (len(ensemble.networks), ensemble.n_complete, ensemble.history.stopped) == (1, 1, "interrupted")
    assert _same(ensemble.networks[0], _fit().networks[0])


@pytest.mark.parametrize("member", [1, 2])
def test_an_interrupted_ensemble_is_resumed_to_the_bit(member: int, tmp_path: Path) -> None:
    """Each member has a folder; those that are complete are only read."""
    interrupted = replace(_ctrl_c(member, 2), checkpoint=tmp_path / "c")
    _fit(monitor=interrupted)
    records: list[dict[str, Any]] = []
    resumed = _fit(monitor=Monitor(tmp_path / "c", callbacks=(records.append,)))
    assert all(map(_same, resumed.networks, _fit().networks))
    assert (records[0]["member"], records[0]["epoch"]) == (member, 3)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        f"training-{k}-of-3" for k in (1, 2, 3)
    ]


def test_progress_counts_epochs_or_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, with the stage, the member and the loss, only where it is wanted."""
    _fit(n_members=1)
    assert capsys.readouterr() == ("", "")
    _fit(n_members=2, stage="refit", monitor=Monitor(verbose=True))
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("refit 2 of 2 4/4 epochs, loss ") for line in lines)
    _fit(n_members=1, config=replace(CONFIG, val_check_steps=3, unit="step"), monitor=Monitor(verbose=True))
    assert any(
        line.startswith("training 16/16 steps, loss ") for line in capsys.readouterr().err.splitlines()
    )


# ---- fit on a split, then refit on everything

REFIT_CONFIG = TrainingConfig(max_steps=40, val_check_steps=10, batch_size=5, learning_rate=0.05, seed=9)
SPLIT = (Points(), Points(seed=1))


def _refit(**options: Any) -> Ensemble[nn.Module]:
    return fit_then_refit(_make, _loss, SPLIT, Points(40, seed=2), (CONFIG, REFIT_CONFIG), **options)


def test_a_refit_takes_as_many_checks_as_were_best() -> None:
    """Ten steps each, and its networks are those of a training of so many steps on everything."""
    ensemble = _refit(n_members=2)
    first = _fit(n_members=1, validation=SPLIT[1], stage="validation fit")
    assert [record.validation_loss for record in ensemble.history.records] == [
        record.validation_loss for record in first.history.records
    ]
    assert _same(ensemble.validated, first.networks[0])
    config = replace(REFIT_CONFIG, max_steps=10 * ensemble.history.best_step // EPOCH)
    expected = fit_ensemble(_make, _loss, Points(40, seed=2), None, config, n_members=2)
    assert all(map(_same, ensemble.networks, expected.networks))


def test_a_refit_takes_no_more_steps_than_it_may() -> None:
    """Its own limit holds, though the validation fit was best at its end."""
    records: list[dict[str, Any]] = []
    configs = (CONFIG, replace(REFIT_CONFIG, max_steps=7))
    monitor = Monitor(callbacks=(records.append,))
    fit_then_refit(_make, _loss, SPLIT, Points(40), configs, monitor=monitor)
    assert [record["step"] for record in records if record["stage"] == "refit"] == [7]


@pytest.mark.parametrize(
    ("stage", "member", "networks", "complete"),
    [("validation fit", 1, 1, 0), ("refit", 1, 1, 0), ("refit", 2, 1, 1), ("refit", 3, 2, 2)],
)
def test_ctrl_c_leaves_the_validated_network_or_whole_members(
    stage: str, member: int, networks: int, complete: int
) -> None:
    """A member that is cut short never stands for one whose loss is measured."""
    plain = _refit(n_members=3)
    epoch = 1 if stage == "validation fit" else 1.25  # ten steps of 40 examples, five a step
    ensemble = _refit(n_members=3, monitor=_ctrl_c(member, epoch, stage))
    assert (len(ensemble.networks), ensemble.n_complete, ensemble.n_members) == (networks, complete, 3)
    assert ensemble.is_interrupted
    if complete:
        assert all(map(_same, ensemble.networks, plain.networks))
    else:
        assert ensemble.networks[0] is ensemble.validated


def test_ctrl_c_before_the_first_check_of_a_refit_leaves_the_validated_network() -> None:
    """There is something to keep: the network of the validation fit."""
    calls: list[int] = []

    def initialize(_: nn.Module) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    ensemble = _refit(hooks=TrainingHooks(initialize=initialize))
    assert ensemble.is_interrupted
    assert ensemble.networks == (ensemble.validated,)
    assert isinstance(ensemble.history, History)
