"""How far back does the network look? The influence on its answer of the step k back, measured twice.

With a the answer, x_{T-k} the input k steps back (0 is the newest) and σ the inputs' standard deviation:

    gradient    v_k² = mean over sequences of Σ_f (σ_f ∂a/∂x_{T-k,f})², one backward pass for all k
    occlusion   v_k² = ½ mean over sequences of (a - a')², where a' is the answer with the step k back taken
                from another sequence, k steps back from its end

Both estimate, in the answer's units squared, the variance that the answer owes to that step: the gradient to
first order, occlusion as it is. They are shares of one thing where steps are independent. In smooth series a
step is told by its neighbours too, and what a single one carries is less than what all of them do.

The answer a is the log odds of the class that is answered (of the right one, given y), or the number. Of
several numbers the gradient takes sums with random signs, whose mean square is that of all of them together.
Nothing is subtracted: a trained network is a little moved by steps that it should ignore, and the window
within which 95 % of v² lies leaves a twentieth for that.

Source: the occlusion estimate is Jansen's of a total effect (Jansen 1999, eq. 10).

Shapes: N sequences, B of them at once, T steps, F inputs, K steps back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.jsonable import to_jsonable
from unrolled.probe.measure.attribution import (
    counts_by_steps_back,
    gradient_attribution,
    occlusion_attribution,
    readout_pools_states,
)
from unrolled.probe.measure.half_life import Floats, MemorySpan, memory_span, overlap, rank_correlation
from unrolled.probe.model.adapter import as_probed_model
from unrolled.validation import check_int

if TYPE_CHECKING:
    import pandas as pd

_MOST_FOR_GRADIENTS = 1024  # sequences, drawn where there are more
_MOST_FOR_OCCLUSION = 256
_MOST_FOR_READOUT = 64
_AGREE = 0.5  # shared


@dataclass(frozen=True, eq=False)
class MemoryResult:
    """The influence of each step back, and how far it reaches.

    Args:
        sentence: what to tell a person.
        name: what the sentence calls the model.
        steps_back: (K,) 0 is the newest step.
        gradient: (K,) the root mean square change of the answer for a change of one standard deviation there.
        occlusion: (K,) the same by replacing the step; NaN where it was not asked.
        state: (K,) as `gradient`, of the last layer's state after the last step, forward, and not the answer:
            what the recurrence itself carries.
        sequences: (K,) how many are that long.
        gradient_span: how far the influence on the answer reaches, by gradients; its half-life is None where
            `pooled` or `bidirectional`.
        occlusion_span: the same by occlusion, among the steps that were asked.
        state_span: the same of the state.
        rank_correlation: rank correlation of gradient and occlusion over the steps asked.
        overlap: the share of squared influence that they put on the same steps, from 0 to 1.
        agree: whether they tell the same: at least half is shared. Ranks alone cannot tell: those of a spike
            are ranks of noise, but for one.
        pooled: whether the readout reads states of other steps than the last, so that those reach the answer
            without being remembered.
        bidirectional: whether the layer reads from the end too, for which the oldest step is the nearest.
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

    @property
    def half_life(self) -> float | None:
        """Steps back beyond which the influence on the answer stays below half its peak."""
        return self.gradient_span.half_life

    @property
    def window(self) -> int:
        """The steps up to this many back hold 95 % of the influence on the answer."""
        return self.gradient_span.window

    @property
    def peak(self) -> int:
        """How many steps back the influence on the answer is largest."""
        return self.gradient_span.peak

    def __str__(self) -> str:
        return self.sentence

    def to_frame(self) -> pd.DataFrame:
        """One row a step back: gradient, occlusion, state, sequences."""
        import pandas as pd  # noqa: PLC0415 (a frame is the only thing here that needs it)

        columns = ("steps_back", "gradient", "occlusion", "state", "sequences")
        return pd.DataFrame({name: getattr(self, name) for name in columns})

    def to_dict(self) -> dict[str, Any]:
        """Every field, ready for JSON; NaN is None."""
        return {"kind": self.kind, **to_jsonable(asdict(self))}

    def plot(self) -> Any:
        """The influence over the steps back, as a plotly figure."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow upwards)

        return figure(self)


def memory(model: Any, X: Any, y: Any = None, *, random_state: int = 0) -> MemoryResult:
    """How far back a model looks: its half-life in steps, and the window of 95 % of the influence.

    Args:
        model: a fitted model of sequences, or a torch module with a recurrent layer; see `as_probed_model`.
        X: the sequences to ask about, of any lengths: k is counted from each one's own end. Of more than
            1,024 (256 for occlusion) so many are drawn.
        y: their labels, if the influence on the right class is asked, and not on the one answered.
        random_state: of the draws.

    Returns:
        A record that prints as one sentence.

    Raises:
        ArgumentError: the model has no recurrent layer or answers that are not finite, or X or y do not fit.

    Steps back that fewer than one sequence in twenty has are left out. Of a model that answers every step it
    is the answer after the last one.

    >>> from torch import nn
    >>> class Sum(nn.Module):  # h_t = 0.5 h_{t-1} + x_t
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True)
    ...         for weight, value in zip(self.rnn.parameters(), (1.0, 0.5), strict=True):
    ...             nn.init.constant_(weight, value)
    ...     def forward(self, x):
    ...         return self.rnn(x)[1][-1]
    >>> found = memory(Sum(), np.random.default_rng(0).uniform(1, 2, size=(50, 12)))
    >>> round(found.half_life, 3), found.window, round(found.rank_correlation, 2)
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
    pooled, bidirectional = (
        readout_pools_states(probed, readout_rows),
        bool(getattr(probed.layer, "bidirectional", False)),
    )
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
    )
    return replace(result, sentence=_sentence(result))


def _sentence(result: MemoryResult) -> str:
    name, K, span = result.name, len(result.steps_back), result.gradient_span
    if not result.gradient.any() and not np.nan_to_num(result.occlusion).any():
        return f"The answer of {name} changes with no step: it remembers nothing of its input."
    if not result.gradient.any():
        return (
            f"No gradient goes from the answer of {name} to its input. Replacing steps changes the answer: "
            f"95 % of that influence lies within {_count_steps(result.occlusion_span.window)} back, most of "
            f"it {result.occlusion_span.peak} back."
        )
    if result.pooled or result.bidirectional:
        why = "The layer reads from the end too" if result.bidirectional else "The readout reads every state"
        finding = (
            f"{why}, so that a step reaches the answer of {name} without being remembered up to the last: "
            f"95 % of the influence lies within the last {span.window + 1} of {K} steps. Of what its "
            f"state carries, 95 % lies within {_count_steps(result.state_span.window)} back"
            f"{_half_life_words(result.state_span, K)}."
        )
    else:
        most = "newest step" if span.peak == 0 else f"step {span.peak} back"
        extent = (
            f"lies within {_count_steps(span.window)} back" if span.window else "is that of the newest alone"
        )
        finding = (
            f"What {name} answers depends most on the {most}: 95 % of the influence {extent}"
            f"{_half_life_words(span, K)}."
        )
    return f"{finding} {_agreement_words(result)}"


def _count_steps(n: int) -> str:
    return f"{n} step{'' if n == 1 else 's'}"


def _half_life_words(span: MemorySpan, K: int) -> str:
    if span.half_life is None:
        return f", and it does not fall to half its peak in {_count_steps(K)}"
    return f", and it falls to half its peak after {span.half_life:.1f} steps"


def _agreement_words(result: MemoryResult) -> str:
    agreement = f"rank correlation {result.rank_correlation:.2f}, {100 * result.overlap:.0f} % in common"
    if result.agree:
        return f"Replacing steps shows the same ({agreement})."
    return (
        f"Replacing steps shows something else ({agreement}): 95 % within "
        f"{_count_steps(result.occlusion_span.window)} back, most of it "
        f"{result.occlusion_span.peak} back. Trust that one: gradients tell of small changes only."
    )
