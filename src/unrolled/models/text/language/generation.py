"""Texts from a language model: sampled token by token, or the likeliest completions of a word.

Shapes: V tokens.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.language.codec import END, LanguageCodec
from unrolled.data.text.vocabulary import UNKNOWN
from unrolled.models.text.language.states import LanguageStates, generating_states
from unrolled.validation import ErrorCollector, check_float, check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FIRST = np.zeros(1, dtype=np.int64)
_ONE = np.ones(1, dtype=np.int64)
_WORD = re.compile(r"(?:[^\W_]|['’])+")  # letters and digits, apostrophes among them
_BEAMS_A_COMPLETION, _LEAST_BEAMS = 4, 24


class Sampling(NamedTuple):
    """Settings by which a token is drawn from a distribution.

        q ∝ p^(1 / temperature), of the `top_k` likeliest tokens, of the fewest whose p reach `top_p`

    Source: top-p: Holtzman et al., The Curious Case of Neural Text Degeneration (2020).

    >>> Sampling(1.0, 2, None).distribution(np.array([0.5, 0.3, 0.2])).round(3).tolist()
    [0.625, 0.375, 0.0]
    >>> Sampling(0.5, None, 0.6).distribution(np.array([0.5, 0.3, 0.2])).round(3).tolist()
    [1.0, 0.0, 0.0]
    """

    temperature: float
    top_k: int | None
    top_p: float | None

    @classmethod
    def from_arguments(cls, temperature: Any, top_k: Any, top_p: Any) -> Sampling:
        """Check these arguments.

        Raises:
            ArgumentError: one is out of range.
        """
        faults = ErrorCollector()
        faults.collect(check_float, "temperature", temperature, above=0)
        if top_k is not None:
            faults.collect(check_int, "top_k", top_k, least=1)
        if top_p is not None:
            faults.collect(check_float, "top_p", top_p, above=0, most=1)
        faults.raise_if_any()
        return cls(float(temperature), top_k, top_p)

    @property
    def is_plain(self) -> bool:
        """Tell whether tokens are drawn from the distribution as it is."""
        return self.temperature == 1 and self.top_k is None and self.top_p is None

    def distribution(self, p: Floats) -> Floats:
        """Compute the distribution that is drawn from."""
        if self.temperature != 1:
            p = np.log(np.maximum(p, 1e-300)) / self.temperature
            p = np.exp(p - p.max())
            p /= p.sum()
        if self.top_k is None and self.top_p is None:
            return p
        order = np.argsort(-p, kind="stable")
        n_kept = len(p) if self.top_k is None else min(self.top_k, len(p))
        if self.top_p is not None:
            sums = np.cumsum(p[order[:n_kept]])
            n_kept = int(np.searchsorted(sums, self.top_p * sums[-1] * (1 - 1e-12))) + 1
        kept: Floats = np.zeros_like(p)
        kept[order[:n_kept]] = p[order[:n_kept]]
        kept /= kept.sum()
        return kept


class Completion(NamedTuple):
    """Completion of a text.

    Args:
        text: what follows, to the end of the word.
        probability: that just this follows, and the word ends.
    """

    text: str
    probability: float


def sample_tokens(
    states: LanguageStates,
    prompt: Ints,
    n: int,
    sampling: Sampling,
    rng: np.random.Generator,
    *,
    has_ends: bool,
) -> list[int]:
    """Draw up to n tokens after a prompt, fewer where a document ends; the unknown token is never drawn."""
    if len(prompt):
        p = states.step(prompt[:, None].astype(np.float64), _FIRST, np.array([len(prompt)]))[-1]
    else:
        p = states.next_tokens()
    drawn: list[int] = []
    uniforms = rng.random(n)
    row = np.empty((1, 1))
    for k in range(n):
        p[UNKNOWN] = 0.0
        if not has_ends:
            p[END] = 0.0
        q = p if sampling.is_plain else sampling.distribution(p / p.sum())
        sums = q.cumsum()
        token = int(sums.searchsorted(uniforms[k] * sums[-1], side="right"))
        if token == END:
            break
        drawn.append(token)
        if k + 1 < n:
            row[0, 0] = token
            p = states.step(row, _FIRST, _ONE)[0]
    return drawn


class _Beam(NamedTuple):
    """Beginning of a completion: its tokens and their log-probability; stream k of the states has read it."""

    tokens: tuple[int, ...]
    log_p: float


def complete_word(model: Any, prompt: Ints, n: int, max_length: int) -> list[Completion]:
    """Find the n likeliest ways to the end of the word, by beam search, the likeliest first.

    Each is a run of letters, digits and apostrophes, after a space where the tokens have theirs before them;
    its probability is that of its tokens and of any that ends the word behind them. Of words as tokens it is
    the next token.

    Args:
        model: a fitted LanguageModel.
        prompt: (T,) positions of its tokens.
        n: how many.
        max_length: tokens of a completion at most.
    """
    codec: LanguageCodec = model.codec_
    n_beams = max(_LEAST_BEAMS, _BEAMS_A_COMPLETION * n)
    states = generating_states(model, n_beams)
    if len(prompt):
        states.step(prompt[:, None].astype(np.float64), _FIRST, np.array([len(prompt)]))
    p = states.next_tokens()[None]  # (beams, V)
    may_begin, may_follow = _word_masks(codec)
    if codec.tokenizer.unit == "word":
        likeliest = np.argsort(-(p[0] * may_begin), kind="stable")[:n]
        return [Completion(codec.piece(k), float(p[0, k])) for k in likeliest if may_begin[k]]
    if not len(prompt):  # the states of all beams begin behind the token that begins every document
        states.begin(_FIRST)
    beams, completions = [_Beam((), 0.0)], list[Completion]()
    for length in range(max_length):
        scores = np.log(np.maximum(p, 1e-300)) + np.array([[beam.log_p] for beam in beams])
        scores[:, ~(may_follow if length else may_begin)] = -np.inf
        best = np.argsort(-scores, axis=None, kind="stable")[:n_beams]
        least = np.log(completions[-1].probability) if len(completions) == n else -1e30
        origins, tokens = np.divmod(best[scores.flat[best] > least], p.shape[1])
        if not len(tokens):
            break
        beams = [
            _Beam((*beams[k].tokens, int(token)), float(scores[k, token]))
            for k, token in zip(origins, tokens, strict=True)
        ]
        p = _advance(states, origins, tokens)
        completions += [
            Completion(codec.decode(beam.tokens), float(np.exp(beam.log_p) * after[~may_follow].sum()))
            for beam, after in zip(beams, p, strict=True)
        ]
        completions = sorted(completions, key=lambda each: -each.probability)[:n]
    return completions


def _advance(states: LanguageStates, origins: Ints, tokens: Ints) -> Floats:
    """Move streams 0, 1, ... on from the states of `origins` by one token each; return (len(tokens), V)."""
    for array in states.arrays.values():
        array[: len(origins)] = array[origins]
    streams = np.arange(len(tokens))
    return states.step(tokens[:, None].astype(np.float64), streams, np.ones(len(tokens), dtype=np.int64))


def _word_masks(codec: LanguageCodec) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell of every token (V,) whether it may begin a completion, and whether it goes on with a word."""
    texts = ["", "", *(codec.tokenizer.join([piece]) for piece in codec.vocabulary.tokens[1:])]
    follows = np.array([_WORD.fullmatch(text) is not None for text in texts])
    if codec.tokenizer.unit == "word":
        return np.array([bool(text.strip()) for text in texts]), follows
    return np.array([_WORD.fullmatch(text.removeprefix(" ")) is not None for text in texts]), follows
