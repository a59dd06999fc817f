"""Decoder of a translation network, one step at a time, for the search."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.text.vocabulary import UNKNOWN
from unrolled.models.text.translation.dataset import TokenRows, source_batches
from unrolled.models.text.translation.network import TranslationNetwork
from unrolled.models.text.translation.search import Hypothesis, beam_search
from unrolled.train.progress import ProgressLine
from unrolled.train.threads import shared_processors

Ints = NDArray[np.int64]


class NetworkDecoder:
    """Decoder of N sources with K hypotheses each; sources are read, and projected for attention, once.

    Args:
        network: in evaluation mode.
        source: (S, N) tokens.
        lengths: (N,).
        beam: K.
    """

    def __init__(self, network: TranslationNetwork, source: Tensor, lengths: Tensor, beam: int) -> None:
        self._network = network
        self._memory, start = network.encode(source, lengths)
        copies = torch.arange(len(lengths), device=source.device).repeat_interleave(beam)
        self._state = start.select(copies)

    def step(self, tokens: Tensor) -> Tensor:
        """Read the newest token (N, K) of each hypothesis; return log p (N, K, V) of the next."""
        inputs = tokens.to(self._memory.keys.device).view(1, -1)
        read, _, self._state = self._network.decode(inputs, self._memory, self._state)
        log_p = self._network.log_probabilities(read[0]).view(*tokens.shape, -1)
        log_p[..., UNKNOWN] = -math.inf  # it has no text
        return log_p

    def select(self, sources: Tensor, hypotheses: Tensor) -> None:
        """Go on with these sources (M,), and of each with these hypotheses (M, K) in this order."""
        device = self._memory.keys.device
        rows = (sources[:, None] * hypotheses.shape[1] + hypotheses).flatten()
        self._state = self._state.select(rows.to(device))
        if len(sources) < len(self._memory.keys):
            self._memory = self._memory.select(sources.to(device))


@shared_processors()
@torch.inference_mode()
def translate_tokens(
    network: TranslationNetwork,
    sources: list[Ints],
    max_lengths: Ints,
    *,
    beam: int,
    end: int,
    length_penalty: float,
    shown: bool | None = False,
) -> list[list[Hypothesis]]:
    """Find the best hypotheses of each source, the best first, in batches of sources of like length.

    Args:
        network: in evaluation mode.
        sources: N arrays of tokens, none of them empty.
        max_lengths: (N,) most tokens of each translation.
        beam: hypotheses that go on at each step.
        end: the token of the end of a text.
        length_penalty: see `beam_search`.
        shown: whether to draw a progress line; None for on a terminal, if it takes more than two seconds.
    """
    rows = TokenRows.from_arrays(sources)
    device = network.bias.device
    hypotheses_of: dict[int, list[Hypothesis]] = {}
    with ProgressLine("translating", len(sources), shown=shown, unit="texts") as line:
        for batch in source_batches(rows.lengths.numpy(), beam):
            places = torch.from_numpy(batch)
            decoder = NetworkDecoder(
                network, rows.padded(places, 0).to(device), rows.lengths[places].to(device), beam
            )
            limits = torch.from_numpy(max_lengths[batch])
            hypotheses = beam_search(decoder, limits, beam=beam, end=end, length_penalty=length_penalty)
            hypotheses_of |= zip(batch.tolist(), hypotheses, strict=True)
            line.update(len(hypotheses_of), "texts")
    return [hypotheses_of[row] for row in range(len(sources))]


@shared_processors()
@torch.inference_mode()
def attention_weights(
    network: TranslationNetwork, source: Ints, target: Ints, end: int
) -> NDArray[np.float64]:
    """Compute the weights (T + 1, S) with which each token of a target, and its end, was attended from."""
    tokens = torch.from_numpy(np.concatenate([[end], target]))[:, None]
    device = network.bias.device
    lengths = torch.tensor([len(source)], device=device)
    _, weights = network(torch.from_numpy(source)[:, None].to(device), lengths, tokens.to(device))
    shares: NDArray[np.float64] = weights[0].double().cpu().numpy()
    return shares
