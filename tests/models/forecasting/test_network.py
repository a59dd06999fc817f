"""The network reads a window and answers every step of the horizon from its newest state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from unrolled.data.preprocess.transforms import Transform
from unrolled.models.forecasting.network import (
    QUANTILES,
    ForecastNetwork,
    ForecastNetworkConfig,
    _asinh,
    quantile_loss,
)
from unrolled.models.forecasting.windows import EncodedSeries, ForecastBatch, Windows
from unrolled.models.recurrent_core import CELLS


def _windows(season: int = 3, horizon: int = 4) -> Windows:
    rng, rule = np.random.default_rng(0), Transform("difference", 3)
    y = np.cumsum(rng.normal(size=50))
    ahead = rng.normal(size=(50 + horizon, 2))
    track = EncodedSeries(rule.apply(y, rule.learn(y)), rng.normal(size=(50, 1)), ahead)
    return Windows([track], window=9, horizon=horizon, season=season, usual_share=1.0)


def _network(
    cell: str, windows: Windows, *, num_layers: int = 1, dropout: float = 0.0, hidden_size: int = 5
) -> ForecastNetwork:
    torch.manual_seed(0)
    sizes = ForecastNetworkConfig(
        cell=cell, inputs=windows.inputs.shape[1], window=windows.window, recent=windows.recent,
        horizon=windows.horizon, hidden_size=hidden_size, num_layers=num_layers, dropout=dropout,
        anchors=windows.anchors, ahead=windows.ahead,
    )  # fmt: skip
    return ForecastNetwork(sizes)


def _batch(windows: Windows) -> ForecastBatch:
    return windows.batch(windows.rows(0, np.array([10, 25, 48])))


@pytest.mark.parametrize("cell", CELLS)
def test_every_input_reaches_every_step(cell: str) -> None:
    """The newest row of the window, the level, the anchors, the horizon's inputs and the context count."""
    windows = _windows()
    network, batch = _network(cell, windows), _batch(windows)
    with torch.no_grad():  # away from the quiet weights that it begins with
        network.readout.raw_quantiles.weight.normal_()
        network.readout.anchor_weights.weight.normal_()
    fields = ("inputs", "levels", "anchors", "ahead", "context")
    moved = {name: getattr(batch, name).clone().requires_grad_() for name in fields}
    answer = network(batch._replace(**moved))
    assert answer.shape == (3, 4, len(QUANTILES))
    for k in range(4):
        slopes = torch.autograd.grad(answer[:, k].sum(), list(moved.values()), retain_graph=True)
        for name, slope in zip(fields, slopes, strict=True):
            newest = slope[:, -1] if name == "inputs" else slope
            assert (newest.flatten(1).abs().sum(1) > 0).all(), (name, k)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_each_readout_reads_its_own_step(cell: str) -> None:
    """The core's state at that step, beside the other inputs there, window by window."""
    windows = _windows()
    network = _network(cell, windows).eval()
    batch = windows.batch(windows.rows(0, np.array([30, 41])), torch.tensor([[0, 2, 5], [4, 1, 3]]))
    states, _ = network.core(batch.inputs)
    each = [states[b, at] for b in range(2) for at in batch.readouts[b]]
    moves = torch.cat([batch.levels, batch.anchors.flatten(1)], 1).asinh()
    seen = torch.cat([torch.stack(each), batch.context, moves, batch.ahead.flatten(1)], 1)
    torch.testing.assert_close(network(batch), network.readout(seen, batch.anchors))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_asinh_is_torchs(dtype: torch.dtype) -> None:
    """Up to rounding, over all that a batch may hold, 0 among it; and so is its gradient."""
    x = torch.linspace(-60, 60, 2401, dtype=dtype, requires_grad=True)
    ours, theirs = _asinh(x), x.asinh()
    torch.testing.assert_close(ours, theirs, rtol=3e-7, atol=1e-12)
    slopes = [torch.autograd.grad(y.sum(), x)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*slopes, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_asinh_loses_no_digits_of_tiny_and_huge_numbers(dtype: torch.dtype) -> None:
    """From 1e-30 to 1e38, of either sign, relative to each."""
    sizes = torch.logspace(-30, 38, 1001, dtype=dtype)
    x = torch.cat([-sizes, sizes])
    expected = torch.from_numpy(np.arcsinh(x.double().numpy())).to(dtype)
    torch.testing.assert_close(_asinh(x), expected, rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_readout_back_in_the_window_sees_no_later_row(cell: str) -> None:
    """Rows after it, altered, leave its answer alone."""
    windows = _windows()
    network = _network(cell, windows, num_layers=2).eval()
    back = torch.tensor([[3, 0]])
    batch = windows.batch(windows.rows(0, np.array([30])), back)
    altered = batch.inputs.clone()
    altered[:, -3:] += 1
    one, other = network(batch), network(batch._replace(inputs=altered))
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[1], other[1])


def test_the_loss_is_its_definition() -> None:
    """Mean pinball over levels, in proportion to the weight, over the observed steps alone."""
    windows = _windows()
    network, batch = _network("gru", windows).eval(), _batch(windows)
    answer, lost = network(batch).detach().numpy(), []
    for m in range(3):
        for k in range(4):
            if batch.target_mask[m, k] > 0:
                error = float(batch.target[m, k]) - answer[m, k]
                pinball = np.maximum(np.array(QUANTILES) * error, (np.array(QUANTILES) - 1) * error)
                lost.append(float(batch.weight[m]) * pinball.mean())
    assert len(lost) == 9  # the last origin knows one step of its horizon
    assert quantile_loss(network, batch).item() == pytest.approx(np.mean(lost), rel=1e-5)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _with_live_readout(network: ForecastNetwork) -> ForecastNetwork:
    """Leave the quiet weights that it begins with."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in network.readout.parameters():
            parameter.normal_(std=0.3)
    return network


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("cell", "more"),
    [
        ("lstm", {}), ("gru", {"dropout": 0.3}), ("rnn", {"num_layers": 2, "dropout": 0.3}),
        ("lstm", {"season": 1}), ("lstm", {"readouts": 1}), ("gru", {"earliest": 2, "readouts": 1}),
        ("gru", {"hidden_size": 33, "horizon": 41}),
    ],
    ids=str,
)  # fmt: skip
def test_the_kernels_train_as_autograd_does(cell: str, more: dict[str, Any], threads: int) -> None:
    """Loss and the gradient of every weight; dropout draws the same masks in both."""
    more = {"season": 3, "readouts": 3, "horizon": 4, **more}
    windows, earliest = _windows(more.pop("season"), more.pop("horizon")), more.pop("earliest", 10)
    back = torch.randint(0, 4, (70, more.pop("readouts")), generator=torch.Generator().manual_seed(3))
    network = _with_live_readout(_network(cell, windows, **more)).train()
    back = back.clamp(max=earliest - 2 if earliest < 6 else 3)
    batch = windows.batch(np.resize(windows.rows(0, np.arange(earliest, 49)), 70), back)
    assert bool(batch.starts.any()) == (earliest < 8)
    assert network.trains_without_autograd(batch)
    results = []
    with _threads(threads):
        for fused in (True, False):
            network.zero_grad()
            torch.manual_seed(5)
            with patch.object(ForecastNetwork, "trains_without_autograd", lambda *_, fused=fused: fused):
                loss = network.loss(batch)
            assert (loss.backward is not None) == fused
            (loss.backward or loss.value.backward)()
            results.append((loss.value, {name: p.grad for name, p in network.named_parameters()}))
    (value, gradients), (plain, expected) = results
    torch.testing.assert_close(value, plain.detach(), rtol=1e-6, atol=1e-6)
    for name, gradient in expected.items():
        size = float(gradient.abs().max())
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-5, atol=1e-6 * (1e-3 + size))


def test_any_number_of_threads_gives_the_same_gradients() -> None:
    """To the bit, of the readout's weights and of the loss: the order of a sum is not the threads'."""
    windows = _windows()
    network = _with_live_readout(_network("lstm", windows, hidden_size=40)).train()
    batch = windows.batch(np.resize(windows.rows(0, np.arange(10, 49)), 300))
    results = []
    for threads in (1, 2, 3):
        with _threads(threads):
            loss = network.loss(batch)
            loss.backward()
        results.append([loss.value, *(p.grad.clone() for p in network.readout.parameters())])
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


def test_what_the_kernels_cannot_train_is_left_to_autograd() -> None:
    """No recurrence, another dtype, a hook, a weight that is frozen."""
    windows = _windows()
    batch = _batch(windows)
    plain, hooked, frozen = (_network("lstm", windows) for _ in range(3))
    feedforward = _network("feedforward", windows)
    assert plain.trains_without_autograd(batch)
    hooked.readout.hidden.register_forward_hook(lambda *_: None)
    frozen.readout.hidden.bias.requires_grad_(False)
    double = batch._replace(inputs=batch.inputs.double())
    assert not any(each.trains_without_autograd(batch) for each in (feedforward, hooked, frozen))
    assert not plain.trains_without_autograd(double)
    for network in (feedforward, hooked, frozen):
        loss = network.train().loss(batch)
        assert loss.backward is None
        loss.value.backward()
    assert frozen.readout.hidden.bias.grad is None


def test_evaluation_takes_the_same_loss() -> None:
    """And no gradient, whatever the mode."""
    windows = _windows()
    network, batch = _network("gru", windows).eval(), _batch(windows)
    with torch.no_grad():
        torch.testing.assert_close(network.loss(batch).value, quantile_loss(network, batch))
    assert network.loss(batch).backward is None


def test_a_loss_that_is_not_finite_is_passed_on() -> None:
    """The trainer tells by it that a training broke."""
    windows = _windows()
    network, batch = _network("lstm", windows).train(), _batch(windows)
    with torch.no_grad():
        network.readout.raw_quantiles.bias[0] = torch.nan
    assert network.loss(batch).value.isnan()


def test_dropout_acts_in_training_alone() -> None:
    """And between layers too where there are several."""
    windows = _windows()
    network, batch = _network("lstm", windows, num_layers=2, dropout=0.5), _batch(windows)
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))
