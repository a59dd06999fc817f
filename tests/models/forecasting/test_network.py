"""The network reads a window and answers every step of the horizon from its newest state."""

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


def _windows() -> Windows:
    rng, rule = np.random.default_rng(0), Transform("difference", 3)
    y = np.cumsum(rng.normal(size=50))
    track = EncodedSeries(rule.apply(y, rule.learn(y)), rng.normal(size=(50, 1)), rng.normal(size=(54, 2)))
    return Windows([track], window=9, horizon=4, season=3, usual_share=1.0)


def _network(cell: str, windows: Windows, *, num_layers: int = 1, dropout: float = 0.0) -> ForecastNetwork:
    torch.manual_seed(0)
    sizes = ForecastNetworkConfig(
        cell=cell, inputs=windows.inputs.shape[1], window=windows.window, recent=windows.recent,
        horizon=windows.horizon, hidden_size=5, num_layers=num_layers, dropout=dropout,
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


def test_dropout_acts_in_training_alone() -> None:
    """And between layers too where there are several."""
    windows = _windows()
    network, batch = _network("lstm", windows, num_layers=2, dropout=0.5), _batch(windows)
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))
