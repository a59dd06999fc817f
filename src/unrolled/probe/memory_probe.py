"""Measure how far back a network looks: the influence of the step k back on its output, in two ways.

With a the output, x_{T-k} the input k steps back (0 is the newest) and σ the inputs' standard deviation:

    gradient    v_k² = mean over sequences of Σ_f (σ_f ∂a/∂x_{T-k,f})², one backward pass for all k
    occlusion   v_k² = ½ mean over sequences of (a - a')², where a' is the output with the step k back taken
                from another sequence, k steps back from its end

Both estimate, in the output's units squared, the variance of the output that is due to that step: the
gradient to first order, occlusion without approximation. Where steps are independent, these are shares of one
total. In smooth series neighbouring steps carry the same information, so single steps add up to less.

The output a is the log odds of the predicted class (of the right class, given y), or the number. For several
numbers the gradient uses sums with random signs, whose mean square is that of all of them together. No noise
floor is subtracted: a trained network responds a little to steps that it should ignore, and the window of
95 % of v² leaves a twentieth for that.

Source: the occlusion estimate is Jansen's of a total effect (Jansen 1999, eq. 10).

Shapes: N sequences, B of them at once, T steps, F inputs, K steps back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.formatting import number, percent, quantity
from unrolled.probe.measure.attribution import (
    counts_by_steps_back,
    gradient_attribution,
    occlusion_attribution,
    readout_pools_states,
)
from unrolled.probe.measure.half_life import (
    Floats,
    MemorySpan,
    memory_span,
    overlap,
    rank_correlation,
)
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.wording.claims import checked
from unrolled.record import Record
from unrolled.train.threads import shared_processors
from unrolled.validation import check_int

_MOST_FOR_GRADIENTS = 1024  # sequences; a random sample of more
_MOST_FOR_OCCLUSION = 256
_MOST_FOR_READOUT = 64
_AGREE = 0.5  # overlap


@dataclass(frozen=True, eq=False)
class MemoryResult(Record):
    """Influence of each step back on the output of a model, and how far it reaches.

    Args:
        sentence: the result for a person.
        name: the model's name in the sentence.
        steps_back: (K,) 0 is the newest step.
        gradient: (K,) root mean square change of the output for a change of one standard deviation.
        occlusion: (K,) root mean square change of the output where the step is replaced, over √2; NaN where
            it was not measured.
        state: (K,) as `gradient`, but of the last layer's state after the last step, forward: what the
            recurrence itself carries.
        sequences: (K,) number of sequences that are that long.
        gradient_span: reach of the influence on the output, by gradients; its half-life is None where
            `pooled` or `bidirectional`.
        occlusion_span: reach by occlusion, over the steps that were measured.
        state_span: reach of the influence on the state.
        rank_correlation: of gradient and occlusion, over the steps where both were measured.
        overlap: share of squared influence that they put on the same steps, from 0 to 1.
        agree: whether the overlap is at least half. Rank correlation alone cannot tell: the ranks of a single
            spike are noise but for one.
        pooled: whether the readout reads states of other steps than the last, so that those steps reach the
            output without being remembered.
        bidirectional: whether the layer also reads from the end, for which the oldest step is the nearest.
        step_s: seconds from one step to the next, of recordings; None where a step has no duration.
    """

    kind: ClassVar[str] = "memory"

    sentence: str
    name: str
    steps_back: NDArray[np.int64]
    gradient: Floats
    occlusion: Floats
    state: Floats
    sequences: NDArray[np.int64]
    gradient_span: MemorySpan
    occlusion_span: MemorySpan
    state_span: MemorySpan
    rank_correlation: float
    overlap: float
    agree: bool
    pooled: bool
    bidirectional: bool
    step_s: float | None = None

    @property
    def half_life(self) -> float | None:
        """Steps back beyond which the influence on the output stays below half its peak."""
        return self.gradient_span.half_life

    @property
    def window(self) -> int:
        """Steps back within which 95 % of the influence on the output lies."""
        return self.gradient_span.window

    @property
    def peak(self) -> int:
        """Steps back where the influence on the output is largest."""
        return self.gradient_span.peak

    def __str__(self) -> str:
        return self.sentence

    def to_frame(self) -> Any:
        """Return a pandas frame, one row a step back: gradient, occlusion, state, sequences."""
        columns = ("steps_back", "gradient", "occlusion", "state", "sequences")
        return to_frame({name: getattr(self, name) for name in columns}, "pandas")


@shared_processors()
def memory(model: Any, X: Any, y: Any = None, *, random_state: int = 0) -> MemoryResult:
    """Measure how far back a model looks: its half-life in steps, and the window of 95 % of the influence.

    Args:
        model: fitted estimator or torch module with a recurrent layer: see `as_probed_model`.
        X: sequences of any lengths; k is counted from each one's own end. Of more than 1,024 (256 for
            occlusion) a random sample is used.
        y: their labels, to measure the influence on the right class instead of the predicted one.
        random_state: seed of the samples and of the replaced steps.

    Returns:
        A record that prints as one sentence.

    Raises:
        ArgumentError: the model has no recurrent layer, or its outputs are not finite.
        DataError: X or y cannot be used.

    Steps back that fewer than one sequence in twenty has are left out. For a model with an output at every
    step, the output after the last one is measured.

    >>> from torch import nn
    >>> class Sum(nn.Module):  # h_t = 0.5 h_{t-1} + x_t
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True)
    ...         for weight, value in zip(self.rnn.parameters(), (1.0, 0.5), strict=True):
    ...             nn.init.constant_(weight, value)
    ...     def forward(self, x):
    ...         return self.rnn(x)[1][-1]
    >>> result = memory(Sum(), np.random.default_rng(0).uniform(1, 2, size=(50, 12)))
    >>> round(result.half_life, 3), result.window, round(result.rank_correlation, 2)
    (1.0, 2, 1.0)
    """
    seed = check_int("memory random_state", random_state, most=2**62)
    probed = as_probed_model(model, X, y, caller="memory")
    probed.require_finite()
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(probed), generator=rng)
    rows, occlusion_rows, readout_rows = (
        drawn[:most].sort().values for most in (_MOST_FOR_GRADIENTS, _MOST_FOR_OCCLUSION, _MOST_FOR_READOUT)
    )
    sequences = counts_by_steps_back(probed.lengths[rows])
    occlusion = occlusion_attribution(probed, occlusion_rows, len(sequences), rng)
    gradient, state = gradient_attribution(probed, rows, rng)
    pooled = readout_pools_states(probed, readout_rows)
    bidirectional = bool(getattr(probed.layer, "bidirectional", False))
    span, is_occluded = memory_span(gradient, sequences), np.isfinite(occlusion)
    correlation = rank_correlation(gradient[is_occluded], occlusion[is_occluded])
    shared = overlap(gradient[is_occluded], occlusion[is_occluded])
    steps_back = np.arange(len(sequences))
    result = MemoryResult(
        sentence="",
        name=probed.name,
        steps_back=steps_back,
        gradient=gradient,
        occlusion=occlusion,
        state=state,
        sequences=sequences,
        gradient_span=span._replace(half_life=None) if pooled or bidirectional else span,
        occlusion_span=memory_span(
            np.interp(steps_back, steps_back[is_occluded], occlusion[is_occluded]), sequences
        ),
        state_span=memory_span(state, sequences),
        rank_correlation=correlation,
        overlap=shared,
        agree=shared >= _AGREE,
        pooled=pooled,
        bidirectional=bidirectional,
        step_s=probed.step_s,
    )
    return checked(replace(result, sentence=_sentence(result)))


def _sentence(result: MemoryResult) -> str:
    name, K, span = result.name, len(result.steps_back), result.gradient_span
    if not result.gradient.any() and not np.nan_to_num(result.occlusion).any():
        return f"The output of {name} changes with no step: it remembers nothing of its input."
    if not result.gradient.any():
        return (
            f"No gradient flows from the output of {name} to its input. Replacing steps changes the output: "
            f"{_occlusion_clause(result)}."
        )
    if result.pooled or result.bidirectional:
        why = "The layer reads from the end too" if result.bidirectional else "The readout reads every state"
        finding = (
            f"{why}, so a step reaches the output of {name} without being remembered up to the last: "
            f"95 % of the influence lies within the last {span.window + 1} of {K} steps. Of what its state "
            f"carries, 95 % lies within {_reach_words(result.state_span, K)}."
        )
    else:
        most = "newest step" if span.peak == 0 else f"step {span.peak} back"
        reach = (
            f"lies within {_reach_words(span, K)}"
            if span.window
            else f"is that of the newest alone{_half_life_words(span, K)}"
        )
        beyond = ""
        if span.peak > span.window:  # few sequences are that long
            most, beyond = f"{most} where a sequence is that long", ", over all sequences"
        finding = f"The output of {name} depends most on the {most}: 95 % of the influence{beyond} {reach}."
    return f"{finding}{_seconds_words(result)} {_agreement_words(result)}"


def _seconds_words(result: MemoryResult) -> str:
    """Say in seconds how far back the influence reaches; nothing where a step has no duration."""
    if result.step_s is None:
        return ""
    span = result.state_span if result.pooled or result.bidirectional else result.gradient_span
    seconds = (span.window + 1) * result.step_s
    return f" A step is {number(1000 * result.step_s, 3)} ms: that is the last {number(seconds, 2)} s."


def _reach_words(span: MemorySpan, K: int) -> str:
    return f"{quantity(span.window, 'step')} back{_half_life_words(span, K)}"


def _half_life_words(span: MemorySpan, K: int) -> str:
    if span.half_life is None:
        return f", and it does not fall to half its peak in {quantity(K, 'step')}"
    return f", and it falls to half its peak after {span.half_life:.1f} steps"


def _occlusion_clause(result: MemoryResult) -> str:
    span = result.occlusion_span
    if span.window == 0:
        return "95 % of the influence is that of the newest step alone"
    most = f", most of it {span.peak} back" if span.peak <= span.window else ""
    return f"95 % of the influence lies within {quantity(span.window, 'step')} back{most}"


def _agreement_words(result: MemoryResult) -> str:
    shared = percent(result.overlap, 0)
    if result.agree:
        return f"Replacing steps puts {shared} of the influence on the same steps."
    return (
        f"Replacing steps disagrees (it puts {shared} of the influence on the same steps): "
        f"{_occlusion_clause(result)}. Trust that result: gradients describe small changes only."
    )
