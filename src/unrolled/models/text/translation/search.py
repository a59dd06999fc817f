"""Beam search: the likeliest texts of a decoder, for many sources together.

Shapes: N sources whose search goes on, K hypotheses of each, V tokens.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Hypothesis(NamedTuple):
    """Text that a search ended with.

    Args:
        tokens: of it, without the end.
        log_probability: of it, the end counted.
        score: the log probability over the number of tokens, the end counted, to the power of the length
            penalty.
    """

    tokens: tuple[int, ...]
    log_probability: float
    score: float


class StepDecoder(Protocol):
    """Decoder that moves on by one step, and keeps its own state."""

    def step(self, tokens: Tensor) -> Tensor:
        """Read the newest token (N, K) of each hypothesis; return log p (N, K, V) of the next."""

    def select(self, sources: Tensor, hypotheses: Tensor) -> None:
        """Go on with these sources (M,), and of each with these hypotheses (M, K) in this order."""


def beam_search(
    decoder: StepDecoder,
    max_lengths: Tensor,
    *,
    beam: int,
    end: int,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """Find likely texts of each source, the best first.

    At each step the K best hypotheses go on; one that ends among the K best is complete. A search is over
    when K are complete, or none that goes on could be better than the best of the complete ones, which is
    sure where the length penalty is 0; at its maximum length every hypothesis ends. K = 1 is greedy.

    Args:
        decoder: at its start, of N sources.
        max_lengths: (N,) most tokens of each text, at least 1, the end not counted.
        beam: K.
        end: the token of the end of a text, which texts begin after too.
        length_penalty: α in score = log p / length^α; 0 favours short texts, 1 takes the mean of a token.

    Returns:
        N lists of 1 to K hypotheses.

    Source: Wu et al., Google's Neural Machine Translation System (2016), section 7, with the plain power.
    """
    n, limits = len(max_lengths), max_lengths.to(torch.int64)
    complete: list[list[Hypothesis]] = [[] for _ in range(n)]
    sources = torch.arange(n)
    totals = torch.full((n, beam), -math.inf)
    totals[:, 0] = 0.0  # all begin alike: one of them counts
    texts = torch.empty(n, beam, 0, dtype=torch.int64)
    newest = torch.full((n, beam), end)
    while len(sources):
        log_p = decoder.step(newest).cpu()
        length = texts.shape[2] + 1  # with the token that comes now
        log_p = _end_the_longest(log_p, limits[sources] < length, end)
        V = log_p.shape[-1]
        best, places = (totals[..., None] + log_p).flatten(1).topk(min(2 * beam, beam * V))
        parents, tokens = places // V, places % V
        is_end = tokens == end
        for i, k in (is_end[:, :beam] & (best[:, :beam] > -math.inf)).nonzero().tolist():
            text, total = texts[i, parents[i, k]].tolist(), float(best[i, k])
            score = total / length**length_penalty
            complete[int(sources[i])].append(Hypothesis(tuple(text), total, score))
        order = is_end.int().argsort(dim=1, stable=True)[:, :beam]  # those that go on, the best first
        totals = best.gather(1, order).masked_fill(is_end.gather(1, order), -math.inf)
        parents, newest = parents.gather(1, order), tokens.gather(1, order)
        texts = texts.gather(1, parents[..., None].expand(-1, -1, length - 1))
        texts = torch.cat([texts, newest[..., None]], -1)
        goes_on = [_goes_on(complete[int(s)], float(total), beam, length_penalty)
                   for s, total in zip(sources, totals[:, 0], strict=True)]  # fmt: skip
        kept = torch.tensor(goes_on, dtype=torch.bool).nonzero()[:, 0]
        sources, totals, texts, newest = (part[kept] for part in (sources, totals, texts, newest))
        if len(kept):
            decoder.select(kept, parents[kept])
    return [sorted(each, key=lambda hypothesis: -hypothesis.score)[:beam] for each in complete]


def _goes_on(complete: list[Hypothesis], best_total: float, beam: int, length_penalty: float) -> bool:
    """Tell whether the search of a source is not over."""
    if best_total == -math.inf or len(complete) >= beam:
        return False
    if length_penalty == 0 and complete:  # totals only fall
        return best_total > max(each.score for each in complete)
    return True


def _end_the_longest(log_p: Tensor, is_longest: Tensor, end: int) -> Tensor:
    """Leave the end alone to hypotheses of the maximum length."""
    if not bool(is_longest.any()):
        return log_p
    others = torch.arange(log_p.shape[-1]) != end
    return log_p.masked_fill(is_longest[:, None, None] & others, -math.inf)
