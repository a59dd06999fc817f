"""Measure how one step of a recurrence changes a small difference: spectra, Lyapunov exponent, saturation.

Derivatives are those of the cell's step, by automatic differentiation in float64, at inputs and states that
the model visits.

Shapes: R points, C what a layer reads, H units of a state, G gates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.nn.cells.core import GRUCell, LSTMCell, RNNCell, RNNState, RNNWeights
from unrolled.probe.model.stepwise import DirectionRun

_JACOBIANS = 16  # points whose Jacobian is taken whole
_CHAINS, _STEPS, _SETTLING = 16, 320, 64
_POINTS = 1024  # whose activations are measured
_SATURATED = 0.1  # of the steepest slope
_BOUNDED_GATES = {"new", "cell"}  # tanh; the others are sigmoids


class Spectrum(NamedTuple):
    """Growth of a vector under a matrix: in the long run, and in one step."""

    radius: float | None  # largest |eigenvalue|; None where it is not square
    norm: float  # largest singular value


class StatePoints(NamedTuple):
    """Inputs and states that the model visits: sequence after sequence, in the order of the run."""

    inputs: Tensor  # (R, C) float64
    before: tuple[Tensor, ...]  # (R, H) each part of the state

    def is_finite(self) -> bool:
        """Tell whether every state is finite."""
        return all(bool(torch.isfinite(part).all()) for part in self.before)

    def at(self, indices: Tensor) -> StatePoints:
        """Take the points at these indices."""
        return StatePoints(self.inputs[indices], tuple(part[indices] for part in self.before))


def visited_points(runs: list[DirectionRun]) -> StatePoints:
    """Collect all steps of all batches of a layer and direction."""
    each = [run.valid_steps() for run in runs]
    before = zip(*(points[1] for points in each), strict=True)
    return StatePoints(
        torch.cat([points[0] for points in each]).double(), tuple(torch.cat(part).double() for part in before)
    )


def recurrent_spectra(run: DirectionRun) -> dict[str, Spectrum]:
    """Compute the spectra of the recurrent weights W_hh, gate by gate; {} where the cell has none.

    >>> cell, weights = RNNCell(), RNNWeights(torch.ones(2, 1), torch.tensor([[0.5, 9.0], [0.0, 0.25]]))
    >>> run = DirectionRun(0, 1, False, cell, weights, (), torch.ones(1), torch.ones(1), ())
    >>> recurrent_spectra(run)["hidden"].radius
    0.5
    """
    gates, weight = getattr(run.cell, "gates", ()), getattr(run.weights, "weight_hh", None)
    if weight is None or not gates:
        return {}
    blocks = weight.double().chunk(len(gates))
    return {gate: _spectrum(block) for gate, block in zip(gates, blocks, strict=True)}


def jacobian_spectrum(run: DirectionRun, points: StatePoints, rng: torch.Generator) -> Spectrum:
    """Compute median spectral radius and norm of ∂s_t/∂s_{t-1} over some steps; of an LSTM s is h and c."""
    sample = points.at(_draw_indices(points, _JACOBIANS, rng))
    spectra = [_spectrum(_jacobian(run, sample.at(torch.tensor([k])))) for k in range(len(sample.inputs))]
    finite = [each for each in spectra if each.radius is not None]
    if not finite:
        return Spectrum(None, float("inf"))
    radius, norm = (
        torch.tensor([(each.radius, each.norm) for each in finite]).double().median(0).values.tolist()
    )
    return Spectrum(radius, norm)


def _jacobian(run: DirectionRun, point: StatePoints) -> Tensor:
    """Jacobian (ΣH, ΣH) at one point: a row of the batch for each unit of the new state."""
    n = sum(part.shape[-1] for part in point.before)
    copies = StatePoints(point.inputs.expand(n, -1), tuple(part.expand(n, -1) for part in point.before))
    return _vector_jacobian_product(run, copies, torch.eye(n).to(point.inputs))


def lyapunov_exponent(run: DirectionRun, points: StatePoints, rng: torch.Generator) -> float:
    """Estimate the largest Lyapunov exponent, in nats a step: the growth rate of a small difference.

    Random vectors start at 16 places and are carried back through 320 steps, as a gradient is: from one
    sequence's start to the end of the one before, and around. The product of all J has the same exponents
    as that of their transposes. The first 64 steps are left out: there the vectors turn to the direction that
    grows most. -inf where a step maps a vector to 0, NaN where a state is not finite.
    """
    if not points.is_finite():
        return float("nan")
    R = len(points.inputs)
    starts = torch.arange(_CHAINS) * R // _CHAINS
    v = torch.randn(_CHAINS, sum(part.shape[-1] for part in points.before), generator=rng).to(points.inputs)
    logs = []
    for t in range(_STEPS):
        v = _vector_jacobian_product(run, points.at((starts - t) % R), v / v.norm(dim=-1, keepdim=True))
        size = v.norm(dim=-1)
        if not size.all():
            return -float("inf")
        logs.append(size.log())
    return float(torch.stack(logs[_SETTLING:]).mean())


def _vector_jacobian_product(run: DirectionRun, points: StatePoints, v: Tensor) -> Tensor:
    """Product Jᵀ v (R, ΣH): the gradient by the state before a step, from v by the state after it."""
    with torch.enable_grad():
        before = tuple(part.detach().requires_grad_() for part in points.before)
        after = run.step(points.inputs, run.states[0]._make(before), _in_float64(run.weights))
        gradients = torch.autograd.grad(torch.cat(tuple(after), -1), before, v, allow_unused=True)
    return torch.cat(
        [torch.zeros_like(x) if g is None else g for g, x in zip(gradients, before, strict=True)], -1
    )


def saturated_share(run: DirectionRun, points: StatePoints, rng: torch.Generator) -> dict[str, float]:
    """Compute gate by gate the share of activations whose slope is at most a tenth of the steepest.

    The slope of a sigmoid σ is 4σ(1 - σ) of its steepest, that of a tanh 1 - tanh². {} for cells other than
    RNN, GRU and LSTM.
    """
    cell: Any = run.cell
    sample, weights = points.at(_draw_indices(points, _POINTS, rng)), _in_float64(run.weights)
    if isinstance(cell, RNNCell):
        return {"hidden": _rnn_saturated_share(cell, weights, sample)}
    if not isinstance(cell, GRUCell | LSTMCell):
        return {}
    state = run.states[0]._make(sample.before)
    shares = {}
    for gate, value in zip(cell.gates, cell.gate_values(sample.inputs, state, weights), strict=True):
        slope = 1 - value**2 if gate in _BOUNDED_GATES else 4 * value * (1 - value)
        shares[gate] = float((slope <= _SATURATED).double().mean())
    return shares


def _rnn_saturated_share(cell: RNNCell, weights: RNNWeights, points: StatePoints) -> float:
    """Compute the share for any activation by its derivative; the steepest is searched between -8 and 8."""
    sums = RNNCell("identity").step(points.inputs, RNNState(points.before[0]), weights).h  # (R, H)
    H = sums.shape[-1]
    alone = RNNWeights(torch.eye(H).to(sums), torch.zeros(H, H).to(sums), slope=weights.slope)

    def slope(a: Tensor) -> Tensor:
        with torch.enable_grad():
            a = a.detach().requires_grad_()
            return torch.autograd.grad(cell.step(a, RNNState(torch.zeros_like(a)), alone).h.sum(), a)[0].abs()

    steepest = slope(torch.linspace(-8, 8, 1601).to(sums)[:, None].expand(-1, H)).max(0).values
    return float((slope(sums) <= _SATURATED * steepest).double().mean())


def _in_float64(weights: Any) -> Any:
    return weights._make(w if w is None else w.double() for w in weights)


def _draw_indices(points: StatePoints, most: int, rng: torch.Generator) -> Tensor:
    return torch.randperm(len(points.inputs), generator=rng)[:most]


def _spectrum(matrix: Tensor) -> Spectrum:
    if not torch.isfinite(matrix).all():
        return Spectrum(None, float("inf"))
    norm = float(torch.linalg.matrix_norm(matrix, 2))
    if matrix.shape[0] != matrix.shape[1]:
        return Spectrum(None, norm)
    return Spectrum(float(torch.linalg.eigvals(matrix).abs().max()), norm)
