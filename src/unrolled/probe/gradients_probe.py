"""Do gradients survive the way back through time? Measured on the network as it stands, step by step.

For each layer and direction, s_t its state (of an LSTM h and c together), T a row's last step:

    norm k steps back     mean over sequences of ‖∂loss/∂s_{T-k}‖, all paths from the loss
    share k steps back    mean over sequences of ‖∂(u·s_T)/∂s_{T-k}‖, u the direction of ∂loss/∂s_T, ‖u‖ = 1:
                          what the recurrence alone hands back, also where a readout reads every state
    growth                e to the slope of log share over k ≥ 1, by least squares: its factor a step. In the
                          first one the loss's direction turns into one of the recurrence's own
    Lyapunov exponent     mean of log ‖J_t v‖ / ‖v‖, J_t = ∂s_t/∂s_{t-1} along the sequences, v carried on

    exploding   the share at the first step is more than 10 and grows by more than 5 % a step, or it is more
                than 1,000, or something is not finite
    vanishing   it is less than 1/1,000 and falls by more than 10 % a step
    healthy     otherwise

A gradient that falls by less than 10 % a step is still above a thousandth 65 steps back: so slow a fall is
what a memory of that length looks like, and is called healthy on a sequence of any length.

Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks (2013), for
growth and the two names; Engelken, Wolf and Abbott, Lyapunov spectra of chaotic recurrent neural networks
(2023), for the exponent. Here the state begins at zero with every sequence, as the model's does.

Shapes: N sequences, B of them at once, T steps, K steps back, H units.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.errors import ArgumentError
from unrolled.jsonable import to_jsonable
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
from unrolled.validation import check_int

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["vanishing", "exploding", "healthy"]

_MOST_SEQUENCES = 256  # drawn where there are more
_EXPLODED, _GROWING, _BEYOND_DOUBT = 10.0, 1.05, 1000.0
_VANISHED, _FALLING = 1e-3, 0.9
_LEAST = 1e-30  # shares below are not told from 0 in float32


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """The way back through one layer in one direction.

    Args:
        name: what a sentence calls it.
        layer: which one, counted from 1 at the input.
        is_reverse: whether it reads from the end.
        norm: (K,) mean norm of the loss gradient by the state k steps back.
        share: (K,) of a gradient at the last state, what the recurrence hands back k steps.
        growth: factor of that a step; None for sequences of one step.
        total_growth: growth to the power K - 1: what a gradient from the last state is at the first, in
            multiples.
        outcome: "vanishing", "exploding" or "healthy".
        recurrent: spectral radius and norm of W_hh, gate by gate.
        jacobian: the same of ∂s_t/∂s_{t-1}: medians over some steps.
        lyapunov: the largest exponent, per step: below 0 what differs is forgotten, above 0 it grows.
        saturated: gate by gate the share of units and steps whose activation is at most a tenth as steep as
            it can be; of a ReLU those that are off.
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
class GradientsResult:
    """Whether gradients vanish or explode, and what to change.

    Args:
        sentence: what to tell a person.
        name: what the sentence calls the model.
        outcome: that of the layer the sentence is about.
        advice: what to change, most useful first; none where it is healthy.
        layers: each layer and direction, from the input on.
        worst_layer: position in `layers` of the one that the sentence is about: one that explodes before one
            that vanishes, and of those alike the one farthest from 1.
        sequences: (K,) how many are that long.
    """

    kind: ClassVar[str] = "gradients"

    sentence: str
    name: str
    outcome: Outcome
    advice: tuple[str, ...]
    layers: tuple[LayerGradients, ...]
    worst_layer: int
    sequences: NDArray[np.int64]

    @property
    def growth(self) -> float | None:
        """Factor a step back, of the layer that the sentence is about."""
        return self.layers[self.worst_layer].growth

    @property
    def lyapunov(self) -> float:
        """Largest Lyapunov exponent of the layer that the sentence is about."""
        return self.layers[self.worst_layer].lyapunov

    @property
    def jacobian(self) -> Spectrum:
        """Spectral radius and norm of a step of the layer that the sentence is about."""
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

    def to_frame(self) -> pd.DataFrame:
        """One row a layer, direction and step back: norm, share, sequences."""
        import pandas as pd  # noqa: PLC0415 (a frame is the only thing here that needs it)

        parts = [
            pd.DataFrame(
                {
                    "layer": each.layer,
                    "direction": "reverse" if each.is_reverse else "forward",
                    "steps_back": np.arange(len(each.norm)),
                    "norm": each.norm,
                    "share": each.share,
                    "sequences": self.sequences,
                }
            )
            for each in self.layers
        ]
        return pd.concat(parts, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Every field, ready for JSON; what is not finite is None."""
        return {"kind": self.kind, **to_jsonable(asdict(self)), "growth": self.growth}

    def plot(self) -> Any:
        """Shares over the steps back, as a plotly figure."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow upwards)

        return figure(self)


def gradients(model: Any, X: Any, y: Any, *, random_state: int = 0) -> GradientsResult:
    """Whether a model's gradients vanish, explode or hold on their way back through time.

    The layer is run in pieces of one step, each state a tensor of its own: the same run to the bit, on the
    same path. Of an ensemble it is the first network, of several recurrent layers in a row the last.

    Args:
        model: a fitted model of sequences, or a torch module with a recurrent layer; see `as_probed_model`.
        X: the sequences, of any lengths. Of more than 256 so many are drawn.
        y: their labels or numbers.
        random_state: of the draws.

    Returns:
        A record that prints as one sentence.

    Raises:
        ArgumentError: the model has no recurrent layer, there is no y, or X or y do not fit.

    Steps are those that the layer reads: after a stem with strides they are fewer than those of X.

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
    if y is None:
        raise ArgumentError(
            "gradients y: expected the labels or numbers of X, since a loss is taken; got None."
        )
    probed = as_probed_model(model, X, y, caller="gradients")
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(probed), generator=rng)[:_MOST_SEQUENCES].sort().values
    norms, shares, runs, sequences = gradient_flow(probed, rows, rng)
    layers = tuple(
        _layer(each, norm, share, rng) for each, norm, share in zip(runs, norms, shares, strict=True)
    )
    worst = max(range(len(layers)), key=lambda k: _urgency(layers[k]))
    outcome = layers[worst].outcome
    result = GradientsResult(
        "", probed.name, outcome, _advice(layers[worst], runs[worst][0]), layers, worst, sequences
    )
    return replace(result, sentence=_sentence(result))


def _layer(runs: list[DirectionRun], norm: Floats, share: Floats, rng: torch.Generator) -> LayerGradients:
    first = runs[0]
    growth = _growth(share)
    left = 1.0 if growth is None else growth ** (len(share) - 1)
    points = visited_points(runs)
    is_finite = bool(np.isfinite(norm).all() and np.isfinite(share).all() and points.is_finite())
    return LayerGradients(
        name=first.name,
        layer=first.layer + 1,
        is_reverse=first.is_reverse,
        norm=norm,
        share=share,
        growth=growth,
        total_growth=left,
        outcome=_outcome(growth, left) if is_finite else "exploding",
        recurrent=recurrent_spectra(first),
        jacobian=jacobian_spectrum(first, points, rng),
        lyapunov=lyapunov_exponent(first, points, rng),
        saturated=saturated_share(first, points, rng),
    )


def _growth(share: Floats) -> float | None:
    """The factor a step, by least squares on log share; 0 where nothing comes back at all."""
    if len(share) < 2:
        return None
    first = min(1, len(share) - 2)
    steps = np.flatnonzero(np.isfinite(share) & (share > _LEAST))
    steps = steps[steps >= first]
    if len(steps) < 2:
        return 0.0 if np.isfinite(share).all() else math.inf
    return float(np.exp(np.polyfit(steps, np.log(share[steps]), 1)[0]))


def _outcome(growth: float | None, left: float) -> Outcome:
    if growth is None:
        return "healthy"
    if left > _BEYOND_DOUBT or (left > _EXPLODED and growth > _GROWING):
        return "exploding"
    return "vanishing" if left < _VANISHED and growth < _FALLING else "healthy"


def _urgency(layer: LayerGradients) -> tuple[int, float]:
    """Exploding before vanishing before healthy, and then the farthest from 1."""
    rank = {"exploding": 2, "vanishing": 1, "healthy": 0}[layer.outcome]
    growth = 1.0 if layer.growth is None else layer.growth
    return rank, abs(math.log(max(growth, _LEAST)))


def _advice(layer: LayerGradients, run: DirectionRun) -> tuple[str, ...]:
    """What to change, most useful first."""
    phi, is_plain = getattr(run.cell, "nonlinearity", None), len(layer.recurrent) == 1
    gated = ["a gated cell (GRU or LSTM)"] if is_plain else []
    if layer.outcome == "exploding":
        bounded = ["a bounded activation (tanh)"] if is_plain and phi not in {"tanh", "sigmoid"} else []
        start = "an orthogonal start of the recurrent weights, or a smaller one"
        return ("clip the gradient's norm", start, *bounded, *gated, "a lower learning rate")
    if layer.outcome == "vanishing":
        steeper = ["tanh or ReLU in place of sigmoid"] if phi == "sigmoid" else []
        start = (
            "an orthogonal start of the recurrent weights"
            if is_plain
            else "gates that start open (a forget or update bias of 1 or more)"
        )
        pooled = [] if _has_another_way(layer) else ["a readout that pools every state"]
        return (*steeper, *gated, start, *pooled, "shorter sequences")
    return ()


def _has_another_way(layer: LayerGradients) -> bool:
    """Whether the loss reaches the first states by more than what the recurrence hands back to them."""
    return bool(layer.norm[-1] > max(_VANISHED, 10 * layer.share[-1]) * layer.norm[0])


def _sentence(result: GradientsResult) -> str:
    layer, K = result.layers[result.worst_layer], len(result.sequences)
    where = "" if len(result.layers) == 1 else f" ({layer.name})"
    if layer.growth is None:
        return f"The sequences have one step: no gradient of {result.name} goes back through time."
    radius = (
        "" if layer.jacobian.radius is None else f"spectral radius of a step {layer.jacobian.radius:.2f}, "
    )
    radius += f"Lyapunov exponent {layer.lyapunov:+.2f}"
    is_finite = math.isfinite(layer.total_growth) and np.isfinite([layer.norm, layer.share]).all()
    if not is_finite:
        trend = "are no longer finite"
    elif result.outcome == "exploding" or layer.growth > _GROWING:
        trend = f"grow by a factor of {layer.growth:.2f} a step back, "
        trend += f"{_multiple(layer.total_growth)} over {K} steps"
    elif layer.growth < 1:
        trend = f"fall by a factor of {layer.growth:.2f} a step back"
        trend += f", to a thousandth after {result.reach:.0f} of {K} steps" if result.reach < K else ""
    else:
        trend = f"hold: a factor of {layer.growth:.2f} a step back"
    verdict = {
        "exploding": "they explode",
        "vanishing": (
            "they vanish in the recurrence, and what lies farther back trains it by another way only: its "
            "readout or a layer above"
            if _has_another_way(layer)
            else "they vanish, and what lies farther back hardly trains it"
        ),
        "healthy": "they are healthy",
    }
    lead_in = {"exploding": "Change", "vanishing": "If it matters, change", "healthy": ""}[result.outcome]
    change = f" {lead_in}: {', '.join(result.advice)}." if result.advice else ""
    return f"Gradients of {result.name}{where} {trend}: {verdict[result.outcome]} ({radius}).{change}"


def _multiple(left: float) -> str:
    return f"{left:.0f}-fold" if left < 1e4 else f"10^{math.log10(left):.0f}-fold"
