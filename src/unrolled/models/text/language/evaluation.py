"""Score of a language model on text: nats and bits of every character, in one pass with carried state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.text.language.codec import END, EncodedText, LanguageCodec
from unrolled.formatting import number, percent, quantity
from unrolled.models.text.language.dataset import NO_TARGET
from unrolled.models.text.language.network import LanguageNetwork
from unrolled.nn.modules.chunked_cross_entropy import token_losses
from unrolled.record import Record
from unrolled.train.threads import shared_processors, single_thread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_STREAMS = 32  # documents that are read in parallel
_STEPS_A_CALL = 8192  # of all streams together


@dataclass(frozen=True)
class LanguageScore(Record):
    """Score of a language model on a text.

    A text costs -log p of every token, of an unknown one the spelling of its characters too (see
    `SpellingModel`), and of documents also their ends, each of which counts as a character: the length of a
    lossless code of the text, whatever the unit. Characters are code points of the text in NFC.

    Args:
        nats: of the text.
        n_characters: of the text, an end of a document counted as one.
        n_tokens: that were predicted.
        n_documents: 1 of a running text.
        n_unknown: tokens that are not in the vocabulary.
        spelling_nats: the part of the nats that spells these.

    >>> score = LanguageScore(150.0, 100, 100, 1, 0, 0.0)
    >>> score.nats_per_character, round(score.bits_per_character, 3), round(score.perplexity, 3)
    (1.5, 2.164, 4.482)
    """

    kind: ClassVar[str] = "language score"

    nats: float
    n_characters: int
    n_tokens: int
    n_documents: int
    n_unknown: int
    spelling_nats: float

    @property
    def nats_per_character(self) -> float:
        """Mean of -log p over the characters."""
        return self.nats / self.n_characters

    @property
    def bits_per_character(self) -> float:
        """Mean of -log2 p over the characters."""
        return self.nats_per_character / math.log(2)

    @property
    def perplexity(self) -> float:
        """Exponential of the mean of -log p over the tokens; only of one vocabulary it can be compared."""
        return math.exp(self.nats / self.n_tokens)

    @property
    def sentence(self) -> str:
        """The score in words."""
        bits, nats = number(self.bits_per_character), number(self.nats_per_character)
        unknown = ""
        if self.n_unknown:
            share = percent(self.n_unknown / self.n_tokens)
            unknown = f"; {share} of the tokens are not in its vocabulary and are spelled"
        over = quantity(self.n_characters, "character")
        return f"The model spends {bits} bits ({nats} nats) a character on {over}{unknown}."

    def to_dict(self) -> dict[str, object]:
        """Return all fields and what follows from them, ready for JSON."""
        names = ("nats_per_character", "bits_per_character", "perplexity", "sentence")
        return super().to_dict() | {name: getattr(self, name) for name in names}


class DocumentCost(NamedTuple):
    """Cost of a document.

    Args:
        nats: (T,) of each token, the spelling of unknown ones counted; the last is the end, if there is one.
        encoded: the document.
    """

    nats: Floats
    encoded: EncodedText

    @property
    def n_characters(self) -> int:
        """Characters, its end counted."""
        return self.encoded.n_characters + len(self.nats) - len(self.encoded.positions)


def document_costs(
    network: LanguageNetwork, codec: LanguageCodec, texts: Sequence[str], *, has_ends: bool
) -> list[DocumentCost]:
    """Compute the cost of each document, which begins from a state of zeros.

    A running text is read in one pass; documents in parallel.
    """
    encoded = [codec.encode(text) for text in texts]
    end = [END] if has_ends else []
    tokens = [np.concatenate([[END], each.positions, end]).astype(np.int64) for each in encoded]
    order = np.argsort([-len(each) for each in tokens], kind="stable")
    streams: list[list[int]] = [[] for _ in range(min(_MOST_STREAMS, len(texts)))]
    n_steps = np.zeros(len(streams), dtype=np.int64)
    for i in order.tolist():
        shortest = int(n_steps.argmin())
        streams[shortest].append(i)
        n_steps[shortest] += len(tokens[i]) - 1
    inputs = np.full((int(n_steps.max()), len(streams)), END)
    targets = np.full(inputs.shape, NO_TARGET)
    for b, stream in enumerate(streams):
        inputs[: n_steps[b], b] = np.concatenate([tokens[i][:-1] for i in stream])
        targets[: n_steps[b], b] = np.concatenate([tokens[i][1:] for i in stream])
    losses = stream_losses(network, inputs, targets)
    costs: list[DocumentCost | None] = [None] * len(texts)
    for b, stream in enumerate(streams):
        ends = np.cumsum([len(tokens[i]) - 1 for i in stream])
        for i, nats in zip(stream, np.split(losses[: ends[-1], b], ends[:-1]), strict=True):
            nats[: len(encoded[i].positions)] += encoded[i].spelling_nats
            costs[i] = DocumentCost(nats, encoded[i])
    return [cost for cost in costs if cost is not None]


@shared_processors()
@torch.inference_mode()
def stream_losses(network: LanguageNetwork, inputs: Ints, targets: Ints) -> Floats:
    """Compute -log p (T, B) of the targets of parallel streams, whose state is reset where END is read."""
    device = network.readout_bias.device
    window = max(1, _STEPS_A_CALL // inputs.shape[1])
    state, parts = None, []
    for first in range(0, len(inputs), window):
        tokens = torch.from_numpy(inputs[first : first + window]).to(device)
        begins = tokens == END
        resets = begins.t() if bool(begins.any()) else None
        with single_thread() if inputs.shape[1] == 1 else nullcontext():
            outputs, state = network(tokens, state, resets)
        features = network.features(outputs).flatten(0, 1)
        flat_targets = torch.from_numpy(targets[first : first + window]).to(device).flatten()
        losses = token_losses(features, *network.readout, flat_targets, ignore_index=NO_TARGET)
        parts.append(losses.double().cpu().view(tokens.shape).numpy())
    return np.concatenate(parts)


def language_score(costs: Sequence[DocumentCost]) -> LanguageScore:
    """Sum the costs of documents."""
    return LanguageScore(
        nats=float(sum(cost.nats.sum() for cost in costs)),
        n_characters=sum(cost.n_characters for cost in costs),
        n_tokens=sum(len(cost.nats) for cost in costs),
        n_documents=len(costs),
        n_unknown=sum(int((cost.encoded.positions == 0).sum()) for cost in costs),
        spelling_nats=float(sum(cost.encoded.spelling_nats.sum() for cost in costs)),
    )
