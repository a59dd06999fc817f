"""Spectra, exponents and saturation equal formulas and slow loops."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.nn import GRU, LSTM, RNN
from unrolled.probe.measure.jacobian import (
    Spectrum,
    jacobian_spectrum,
    lyapunov_exponent,
    recurrent_spectra,
    saturated_share,
    visited_points,
)
from unrolled.probe.model.layer_hook import capture_calls
from unrolled.probe.model.stepwise import DirectionRun, run_stepwise


def strand_of(layer: nn.Module, N: int = 6, T: int = 50) -> DirectionRun:
    """The one strand of a layer in float64, over noise."""
    layer, lengths = layer.double(), torch.full((N,), T)
    with capture_calls(layer) as calls:
        layer(torch.randn(N, T, layer.input_size, dtype=torch.float64))
    (run,) = run_stepwise(calls[0], lengths)[2]
    return run


def rng() -> torch.Generator:
    """Generator with one seed for every test."""
    return torch.Generator().manual_seed(0)


def slow_jacobians(layer: nn.Module, run: DirectionRun) -> list[np.ndarray]:
    """∂s_t/∂s_{t-1} of each step of row 0, by central differences of the layer itself."""
    parts, width = len(run.states[0]), sum(part.shape[-1] for part in run.states[0])
    sizes, result = [part.shape[-1] for part in run.states[0]], []

    def after(t: int, flat: Tensor) -> Tensor:
        state = tuple(part[None, None] for part in torch.split(flat, sizes))
        _, final = layer(run.inputs[t, :1][None], state if parts > 1 else state[0])
        return torch.cat([part.flatten() for part in (final if parts > 1 else (final,))])

    with torch.no_grad():
        for t in range(len(run.inputs)):
            flat = torch.cat([part[0] for part in run.states[t]])
            steps = 1e-5 * torch.eye(width, dtype=torch.float64)
            columns = [(after(t, flat + step) - after(t, flat - step)) / 2e-5 for step in steps]
            result.append(torch.stack(columns, 1).numpy())
    return result


@pytest.mark.parametrize("options", [{}, {"layer_norm": True, "zoneout": 0.2}])
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_the_jacobian_is_that_of_the_layer(kind: type, options: dict) -> None:
    """Median radius and norm over all steps of one sequence, by differences; with layer norm and zoneout."""
    layer = kind(2, 4, batch_first=True, **options).eval()
    run = strand_of(layer, N=1, T=11)
    slow = slow_jacobians(layer, run)
    result = jacobian_spectrum(run, visited_points([run]), rng())
    radii = [np.abs(np.linalg.eigvals(each)).max() for each in slow]
    middle = (len(slow) - 1) // 2
    assert result.radius == pytest.approx(sorted(radii)[middle], rel=1e-6)
    assert result.norm == pytest.approx(sorted(np.linalg.norm(each, 2) for each in slow)[middle], rel=1e-6)


@pytest.mark.parametrize(("gain", "is_chaotic"), [(0.8, False), (3.0, True)])
def test_the_largest_exponent_is_that_of_a_qr_loop(gain: float, is_chaotic: bool) -> None:
    """One long trajectory of a random tanh network, all exponents by QR, forwards; its sign says chaos."""
    torch.manual_seed(1)
    layer = RNN(1, 20, batch_first=True)
    nn.init.normal_(layer.weight_hh_l0, std=gain / 20**0.5)
    run = strand_of(layer, N=4, T=700)
    q, logs = np.eye(20), []
    weight = layer.weight_hh_l0.detach().numpy()
    for state in run.states[1:]:
        slope = 1 - state.h[0].detach().numpy() ** 2
        q, r = np.linalg.qr(slope[:, None] * weight @ q)
        logs.append(np.log(np.abs(np.diag(r))))
    expected = np.mean(logs[60:], axis=0).max()
    result = lyapunov_exponent(run, visited_points([run]), rng())
    assert result == pytest.approx(expected, abs=0.05)
    assert (result > 0) == is_chaotic


def test_the_steps_are_taken_in_their_order() -> None:
    """Two units, on in turn, hand a gradient to one another; in another order nothing comes through."""
    layer = RNN(1, 2, nonlinearity="relu", bias=False, batch_first=True).double()
    layer.weight_ih_l0.data = torch.tensor([[99.0], [-99.0]], dtype=torch.float64)
    layer.weight_hh_l0.data = torch.tensor([[0.0, 0.5], [0.5, 0.0]], dtype=torch.float64)
    with capture_calls(layer) as calls:
        layer(torch.tensor([1.0, -1.0] * 5, dtype=torch.float64).expand(6, -1)[..., None])
    (run,) = run_stepwise(calls[0], torch.full((6,), 10))[2]
    assert lyapunov_exponent(run, visited_points([run]), rng()) == pytest.approx(np.log(0.5))


def test_spectra_are_those_of_each_gate() -> None:
    """Gate by gate in torch's order; a projection is not square, and has no radius."""
    layer = GRU(2, 4, batch_first=True)
    result = recurrent_spectra(strand_of(layer, T=3))
    for gate, block in zip(("reset", "update", "new"), layer.weight_hh_l0.detach().chunk(3), strict=True):
        assert result[gate].radius == pytest.approx(np.abs(np.linalg.eigvals(block.numpy())).max())
        assert result[gate].norm == pytest.approx(np.linalg.norm(block.numpy(), 2))
    projected = strand_of(nn.LSTM(2, 4, proj_size=3, batch_first=True, dtype=torch.float64), T=3)
    assert recurrent_spectra(projected)["forget"].radius is None
    assert isinstance(jacobian_spectrum(projected, visited_points([projected]), rng()), Spectrum)


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("tanh", lambda a: 1 - np.tanh(a) ** 2),
        ("sigmoid", lambda a: 4 / (1 + np.exp(-a)) / (1 + np.exp(a))),
        ("relu", lambda a: a > 0),
        ("leaky_relu", lambda a: np.where(a > 0, 1, 0.01)),
        ("prelu", lambda a: np.where(a > 0, 1, 0.25)),
        ("softsign", lambda a: 1 / (1 + np.abs(a)) ** 2),
        ("elu", lambda a: np.where(a > 0, 1, np.exp(a))),
        ("hardtanh", lambda a: np.abs(a) < 1),
        (torch.sin, lambda a: np.abs(np.cos(a))),
    ],
)
def test_saturation_is_counted_by_the_slope(name: object, slope: object) -> None:
    """At most a tenth of the steepest, of the sums before the activation; wide weights, so that many are."""
    layer = RNN(3, 5, batch_first=True, nonlinearity=name)
    layer.weight_ih_l0.data *= 4
    run = strand_of(layer, N=3, T=40)
    x, (h, *_), *_ = run.valid_steps()
    sums = x @ layer.weight_ih_l0.T + h @ layer.weight_hh_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0
    expected = float((slope(sums.detach().numpy()) <= 0.1).mean())
    assert saturated_share(run, visited_points([run]), rng())["hidden"] == pytest.approx(expected, abs=1e-3)
    if name not in {"leaky_relu", "prelu"}:
        assert expected > 0 or name == "softsign"


def test_gates_saturate_by_themselves() -> None:
    """A forget gate held open is; the others are counted from the values of the formulas."""
    layer = LSTM(3, 5, batch_first=True)
    layer.bias_hh_l0.data[5:10] = 50.0
    layer.weight_ih_l0.data[10:] *= 9
    run = strand_of(layer, N=3, T=40)
    result = saturated_share(run, visited_points([run]), rng())
    x, (h, _), *_ = run.valid_steps()
    sums = x @ layer.weight_ih_l0.T + h @ layer.weight_hh_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0
    g, o = torch.tanh(sums[:, 10:15]), torch.sigmoid(sums[:, 15:])
    assert list(result) == ["input", "forget", "cell", "output"]
    assert result["forget"] == 1
    assert result["output"] == pytest.approx(float((4 * o * (1 - o) <= 0.1).double().mean()))
    assert result["cell"] == pytest.approx(float((1 - g**2 <= 0.1).double().mean()))
    assert result["output"] > 0.05
