"""Measure whether gradients survive the way back through time, on the network as it is.

For each layer and direction, with s_t its state (of an LSTM h and c together) and T a row's last step:

    norm k steps back     mean over sequences of ‖∂loss/∂s_{T-k}‖, all paths from the loss
    share k steps back    mean over sequences of ‖∂(u·s_T)/∂s_{T-k}‖, u the direction of ∂loss/∂s_T, ‖u‖ = 1:
                          what the recurrence alone hands back, also where a readout reads every state
    growth                exp of the slope of log share over k ≥ 1, by least squares: its factor a step. The
                          first step is left out: there u turns into a direction of the recurrence
    Lyapunov exponent     mean of log ‖J_t v‖ / ‖v‖, J_t = ∂s_t/∂s_{t-1} along the sequences, v carried on

    exploding   the share at the first step is more than 10 and grows by more than 5 % a step, or it is more
                than 1,000, or something is not finite
    vanishing   the share is less than 1/1,000 and falls by more than 10 % a step
    healthy     otherwise

A layer behind a stem with strides moves once in several steps of the input. The norms and the outcome are
those of its own moves; growth and exponent are given for a step of the input, as the other probes count.

A gradient that falls by less than 10 % a step is still above a thousandth 65 steps back. A memory of that
length looks like this, and so slow a fall is called healthy on sequences of any length.

Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks (2013), for
growth and the two names; Engelken, Wolf and Abbott, Lyapunov spectra of chaotic recurrent neural networks
(2023), for the exponent. Here the state starts at zero with every sequence, as the model's does.

Shapes: N sequences, B of them at once, T steps, K steps back, H units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError
from unrolled.formatting import quantity
from unrolled.probe.measure.gradient_flow import gradient_flow
from unrolled.probe.measure.half_life import Floats
from unrolled.probe.measure.jacobian import (
    Spectrum,
    jacobian_spectrum,
    lyapunov_exponent,
    recurrent_spectra,
    saturated_share,
    visited_points,
)
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.stepwise import DirectionRun
from unrolled.probe.wording.claims import checked
from unrolled.probe.wording.scores import compared_numbers
from unrolled.record import Record
from unrolled.train.threads import shared_processors
from unrolled.validation import check_int

Outcome = Literal["vanishing", "exploding", "healthy"]

_MOST_SEQUENCES = 256  # a random sample of more
_EXPLODED, _GROWING, _BEYOND_DOUBT = 10.0, 1.05, 1000.0
_VANISHED, _FALLING = 1e-3, 0.9
_LEAST = 1e-30  # smaller shares cannot be distinguished from 0 in float32


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """Gradient flow through one layer in one direction.

    Args:
        name: the layer's name in a sentence.
        layer: position in the stack, from 1 at the input.
        is_reverse: whether it reads from the end.
        norm: (K,) mean norm of the loss gradient by the state k moves of the layer back.
        share: (K,) share of a gradient at the last state that the recurrence hands back k moves.
        growth: factor of the share a step of the input; None where the layer moves once.
        total_growth: the gradient at the first state over that at the last, by the growth.
        outcome: "vanishing", "exploding" or "healthy".
        recurrent: spectral radius and norm of W_hh, gate by gate.
        jacobian: spectral radius and norm of ∂s_t/∂s_{t-1}, one move of the layer: medians over some of them.
        lyapunov: the largest exponent, a step of the input: below 0 differences are forgotten, above 0 they
            grow.
        saturated: gate by gate the share of units and steps whose activation is at most a tenth as steep as
            it can be; of a ReLU the share that is off.
    """

    name: str
    layer: int
    is_reverse: bool
    norm: Floats
    share: Floats
    growth: float | None
    total_growth: float
    outcome: Outcome
    recurrent: dict[str, Spectrum]
    jacobian: Spectrum
    lyapunov: float
    saturated: dict[str, float]


@dataclass(frozen=True, eq=False)
class GradientsResult(Record):
    """Gradient flow of each layer, an outcome, and what to change.

    Args:
        sentence: the result for a person.
        name: the model's name in the sentence.
        outcome: the outcome of the worst layer.
        advice: what to change, most useful first; empty where it is healthy.
        layers: each layer and direction, from the input on.
        worst_layer: position in `layers` of the one that the sentence describes: one that explodes before one
            that vanishes, and of those alike the one whose growth is farthest from 1.
        sequences: (K,) number of sequences that are that long.
        stride: steps of the input for one move of the layer.
        n_steps: steps of the input that K moves cover.
    """

    kind: ClassVar[str] = "gradients"

    sentence: str
    name: str
    outcome: Outcome
    advice: tuple[str, ...]
    layers: tuple[LayerGradients, ...]
    worst_layer: int
    sequences: NDArray[np.int64]
    stride: int = 1
    n_steps: int = 0

    @property
    def steps_back(self) -> NDArray[np.int64]:
        """Steps of the input back (K,) of each move of the layer."""
        return np.arange(len(self.sequences)) * self.stride

    @property
    def growth(self) -> float | None:
        """Factor a step back, of the worst layer."""
        return self.layers[self.worst_layer].growth

    @property
    def lyapunov(self) -> float:
        """Largest Lyapunov exponent of the worst layer."""
        return self.layers[self.worst_layer].lyapunov

    @property
    def jacobian(self) -> Spectrum:
        """Spectral radius and norm of a step of the worst layer."""
        return self.layers[self.worst_layer].jacobian

    @property
    def reach(self) -> float:
        """Steps back after which a thousandth of a gradient is left; infinite where it does not fall."""
        growth = self.growth
        if growth is None or growth >= 1:
            return math.inf
        return math.log(_VANISHED) / math.log(growth) if growth > 0 else 1.0

    def __str__(self) -> str:
        return self.sentence

    def to_frame(self) -> Any:
        """Return a pandas frame, one row a layer, direction and step back: norm, share, sequences."""
        K = len(self.sequences)
        directions = ["reverse" if layer.is_reverse else "forward" for layer in self.layers]
        columns = {
            "layer": np.repeat([layer.layer for layer in self.layers], K),
            "direction": np.repeat(directions, K),
            "steps_back": np.tile(self.steps_back, len(self.layers)),
            "norm": np.concatenate([layer.norm for layer in self.layers]),
            "share": np.concatenate([layer.share for layer in self.layers]),
            "sequences": np.tile(self.sequences, len(self.layers)),
        }
        return to_frame(columns, "pandas")

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and the growth, ready for JSON; what is not finite becomes None."""
        return {**super().to_dict(), "growth": self.growth}


@shared_processors()
def gradients(model: Any, X: Any, y: Any, *, random_state: int = 0) -> GradientsResult:
    """Measure whether a model's gradients vanish, explode or hold on their way back through time.

    The recurrent layer runs one step at a time, each state a tensor of its own: equal to the whole run to the
    bit, on the same path. Of an ensemble the first network is measured, of several recurrent layers in a row
    the last.

    Args:
        model: fitted estimator or torch module with a recurrent layer: see `as_probed_model`.
        X: sequences of any lengths. Of more than 256 a random sample is used.
        y: their labels or numbers.
        random_state: seed of the sample and of random directions.

    Returns:
        A record that prints as one sentence.

    Raises:
        ArgumentError: the model has no recurrent layer, or y is missing.
        DataError: X or y cannot be used.

    Steps are those of X. A layer behind a stem with strides moves less often; the sentence then says so.

    >>> from torch import nn
    >>> class Last(nn.Module):
    ...     def __init__(self, scale):
    ...         super().__init__()
    ...         self.rnn, self.head = nn.RNN(1, 8, nonlinearity="relu", batch_first=True), nn.Linear(8, 1)
    ...         nn.init.eye_(self.rnn.weight_hh_l0).data.mul_(scale)
    ...     def forward(self, x):
    ...         return self.head(self.rnn(x)[0][:, -1])
    >>> X = np.random.default_rng(0).normal(size=(20, 15, 1))
    >>> [gradients(Last(scale), X, X[:, 0, 0]).outcome for scale in (1.0, 1.6)]
    ['healthy', 'exploding']
    """
    seed = check_int("gradients random_state", random_state, most=2**62)
    probed = as_probed_model(model, X, y, caller="gradients")
    if probed.targets is None:
        raise ArgumentError("gradients y: expected the labels or numbers of X, to compute a loss; got None.")
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(probed), generator=rng)[:_MOST_SEQUENCES].sort().values
    flow = gradient_flow(probed, rows, rng)
    stride = probed.stride()
    layers = tuple(
        _layer(runs, norm, share, rng, stride)
        for runs, norm, share in zip(flow.runs, flow.norms, flow.shares, strict=True)
    )
    worst = max(range(len(layers)), key=lambda k: _urgency(layers[k]))
    advice = _advice(layers[worst], flow.runs[worst][0])
    result = GradientsResult(
        sentence="",
        name=probed.name,
        outcome=layers[worst].outcome,
        advice=advice,
        layers=layers,
        worst_layer=worst,
        sequences=flow.sequences,
        stride=stride,
        n_steps=min(len(flow.sequences) * stride, int(probed.lengths.max())),
    )
    return checked(replace(result, sentence=_sentence(result)))


def _layer(
    runs: list[DirectionRun], norm: Floats, share: Floats, rng: torch.Generator, stride: int
) -> LayerGradients:
    first = runs[0]
    growth = _growth(share)
    total_growth = 1.0 if growth is None else growth ** (len(share) - 1)
    points = visited_points(runs)
    is_finite = bool(np.isfinite(norm).all() and np.isfinite(share).all() and points.is_finite())
    return LayerGradients(
        name=first.name,
        layer=first.layer + 1,
        is_reverse=first.is_reverse,
        norm=norm,
        share=share,
        growth=None if growth is None else growth ** (1 / stride),
        total_growth=total_growth,
        outcome=_outcome(growth, total_growth) if is_finite else "exploding",
        recurrent=recurrent_spectra(first),
        jacobian=jacobian_spectrum(first, points, rng),
        lyapunov=lyapunov_exponent(first, points, rng) / stride,
        saturated=saturated_share(first, points, rng),
    )


def _growth(share: Floats) -> float | None:
    """Fit the factor a step by least squares on log share; 0 where nothing comes back at all."""
    if len(share) < 2:
        return None
    first = min(1, len(share) - 2)
    steps = np.flatnonzero(np.isfinite(share) & (share > _LEAST))
    steps = steps[steps >= first]
    if len(steps) < 2:
        return 0.0 if np.isfinite(share).all() else math.inf
    return float(np.exp(np.polyfit(steps, np.log(share[steps]), 1)[0]))


def _outcome(growth: float | None, total_growth: float) -> Outcome:
    if growth is None:
        return "healthy"
    if total_growth > _BEYOND_DOUBT or (total_growth > _EXPLODED and growth > _GROWING):
        return "exploding"
    return "vanishing" if total_growth < _VANISHED and growth < _FALLING else "healthy"


def _urgency(layer: LayerGradients) -> tuple[int, float]:
    """Rank a layer: exploding above vanishing above healthy, then by the distance of its growth from 1."""
    rank = {"exploding": 2, "vanishing": 1, "healthy": 0}[layer.outcome]
    growth = 1.0 if layer.growth is None else layer.growth
    return rank, abs(math.log(max(growth, _LEAST)))


def _advice(layer: LayerGradients, run: DirectionRun) -> tuple[str, ...]:
    """List what to change, most useful first."""
    phi, is_plain = getattr(run.cell, "nonlinearity", None), len(layer.recurrent) == 1
    gated = ["a gated cell (GRU or LSTM)"] if is_plain else []
    if layer.outcome == "exploding":
        bounded = ["a bounded activation (tanh)"] if is_plain and phi not in {"tanh", "sigmoid"} else []
        start = "an orthogonal initialisation of the recurrent weights, or a smaller one"
        return ("clip the gradient's norm", start, *bounded, *gated, "a lower learning rate")
    if layer.outcome == "vanishing":
        steeper = ["tanh or ReLU in place of sigmoid"] if phi == "sigmoid" else []
        start = (
            "an orthogonal initialisation of the recurrent weights"
            if is_plain
            else "gates that start open (a forget or update bias of 1 or more)"
        )
        pooled = [] if _bypasses_recurrence(layer) else ["a readout that pools every state"]
        return (*steeper, *gated, start, *pooled, "shorter sequences")
    return ()


def _bypasses_recurrence(layer: LayerGradients) -> bool:
    """Tell whether the loss reaches the first states on other paths than the recurrence."""
    return bool(layer.norm[-1] > max(_VANISHED, 10 * layer.share[-1]) * layer.norm[0])


def _sentence(result: GradientsResult) -> str:
    layer = result.layers[result.worst_layer]
    if layer.growth is None:
        if result.n_steps > 1:
            steps = quantity(result.n_steps, "step")
            return (
                f"The {steps} of the sequences are one move of {result.name}, whose stem passes on every "
                f"{result.stride}: no gradient goes back through time."
            )
        return f"The sequences have one step: no gradient of {result.name} goes back through time."
    place = "" if len(result.layers) == 1 else f" ({layer.name})"
    conclusion = {
        "exploding": "they explode",
        "vanishing": (
            "they vanish in the recurrence, and steps farther back train it only on other paths: its readout "
            "or a layer above"
            if _bypasses_recurrence(layer)
            else "they vanish, and steps farther back hardly train it"
        ),
        "healthy": "they are healthy",
    }[result.outcome]
    radius = layer.jacobian.radius
    move = "a step" if result.stride == 1 else f"{result.stride} steps"
    details = "" if radius is None else f"spectral radius of {move} {radius:.2f}, "
    details += f"Lyapunov exponent {layer.lyapunov:+.{2 if result.stride == 1 else 4}f}"
    details += "" if result.stride == 1 else f" a step; its state moves once in {move}"
    lead_in = {"exploding": "Change", "vanishing": "If they matter, change", "healthy": ""}[result.outcome]
    change = f" {lead_in}: {', '.join(result.advice)}." if result.advice else ""
    return f"Gradients of {result.name}{place} {_trend(result, layer)}: {conclusion} ({details}).{change}"


def _trend(result: GradientsResult, layer: LayerGradients) -> str:
    """Describe the growth of the share as a verb: "fall by a factor of 0.50 a step back"."""
    assert layer.growth is not None
    T, factor = result.n_steps, f"by a factor of {_factor_text(layer.growth)} a step back"
    if not (math.isfinite(layer.total_growth) and np.isfinite([layer.norm, layer.share]).all()):
        return "are no longer finite"
    if layer.growth > 1 and (result.outcome == "exploding" or layer.growth**result.stride > _GROWING):
        return f"grow {factor}, {_multiple(layer.total_growth)} over {T} steps"
    if layer.growth < 1:
        return f"fall {factor}" + (
            f", to a thousandth after {result.reach:.0f} of {T} steps" if result.reach < T else ""
        )
    return f"hold: a factor of {_factor_text(layer.growth)} a step back"


def _factor_text(factor: float) -> str:
    """Format a factor, with as many digits as show that it is not 1.

    >>> _factor_text(0.5), _factor_text(0.9987)
    ('0.50', '0.999')
    """
    text = f"{factor:.2f}"
    return compared_numbers(factor, 1.0)[0] if text == "1.00" else text


def _multiple(factor: float) -> str:
    return f"{factor:.0f}-fold" if factor < 1e4 else f"10^{math.log10(factor):.0f}-fold"
