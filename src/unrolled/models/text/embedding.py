"""Embedding of tokens: a vector a word, plus those of its character n-grams, beside the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.models.text.encoder import TokenBatch
from unrolled.nn.ops.dropout import draw_mask
from unrolled.nn.ops.gradients import gradient_to_add_to, trains_plainly

_SPREAD = 0.02  # of initial vectors: those of rare words move little, and would stay noise


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """Settings of a TokenEmbedding.

    Args:
        n_words: V, the size of the vocabulary with the unknown word at 0.
        n_buckets: of hashed character n-grams; 0 for none.
        ngram_mode: "mean", or "sum", which lets single n-grams count for more, as tags of words want them to.
        embedding_size: E.
        n_vectors: rows of the user's vectors, the row of zeros at 0 counted; 0 for none.
        vector_size: their width, which is added to E.
        word_dropout: share of the words that are hidden from a training step.
        unknown_dropout: share of the words that a training step reads by their n-grams alone.
        embedding_dropout: share of the numbers of each vector that are.
    """

    n_words: int
    n_buckets: int = 0
    ngram_mode: str = "mean"
    embedding_size: int = 100
    n_vectors: int = 0
    vector_size: int = 0
    word_dropout: float = 0.0
    unknown_dropout: float = 0.0
    embedding_dropout: float = 0.0

    @property
    def width(self) -> int:
        """Numbers of the vector of a token."""
        return self.embedding_size + self.vector_size


class _Masks(NamedTuple):
    """Masks of the tokens (B, T) of a batch in a training step; None where it sees all of them.

    Args:
        is_known: (B, T, 1) false where a token loses its own vector.
        factors: (B, T, width) of the numbers of the vectors: 0 where they are dropped.
    """

    is_known: Tensor | None
    factors: Tensor | None


class TokenEmbedding(nn.Module):
    """Look tokens up: (B, T) to (B, T, E), or (B, T, E + P) beside vectors (P) of the user's.

        e(w) = word[w] + Σ_g ngram[g]      over the hashed n-grams of w and its hashed shape, or their mean

    A word that is not in the vocabulary has its n-grams alone, and padding is zero; with the vectors of a
    language model both have its vector of unknown words. The user's vectors are not trained. In training some
    words lose their own vector, so that n-grams learn to stand alone, and a hidden word is all zeros; the
    others are not scaled up, as every word is whole when the model is used.

    Source: n-grams as in Bojanowski et al. (2017); word dropout as in Iyyer et al., Deep Unordered
    Composition Rivals Syntactic Methods for Text Classification (2015).

    >>> embedding = TokenEmbedding(EmbeddingConfig(n_words=3, embedding_size=4))
    >>> none = torch.zeros(2, dtype=torch.int64)
    >>> places, words = torch.tensor([[0, 1, 0]]), torch.tensor([2, 0])
    >>> tokens = TokenBatch(places, words, none[:0], torch.zeros(3).long(), none)
    >>> embedding(tokens).shape, embedding(tokens)[0, 1].tolist()
    (torch.Size([1, 3, 4]), [0.0, 0.0, 0.0, 0.0])
    """

    vectors: Tensor

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.n_words, config.embedding_size, padding_idx=0)
        nn.init.normal_(self.words.weight, std=_SPREAD)
        with torch.no_grad():
            self.words.weight[0] = 0
        if config.n_buckets:
            self.ngrams = nn.EmbeddingBag(
                config.n_buckets, config.embedding_size, mode=config.ngram_mode, include_last_offset=True
            )
            nn.init.normal_(self.ngrams.weight, std=_SPREAD if config.ngram_mode == "mean" else _SPREAD / 2)
        if config.n_vectors:
            self.register_buffer("vectors", torch.zeros(config.n_vectors, config.vector_size))

    def forward(self, tokens: TokenBatch) -> Tensor:
        """Look up (B, T, width)."""
        return self._masked_vectors(tokens, self._draw_masks(tokens))

    @property
    def has_vjp(self) -> bool:
        """Tell whether `vjp` may compute the gradients: on the CPU, of weights that all train."""
        is_plain = all(trains_plainly(table, ("weight",)) for table in self._tables())
        return is_plain and trains_plainly(self, ()) and self.words.weight.is_cpu

    @torch.no_grad()
    def vjp(self, tokens: TokenBatch) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Look up (B, T, width), and return the function for the way back.

        It takes the gradient of the vectors, and adds that of the weights to their `.grad`, in the rows that
        were looked up: autograd would fill and add whole tables, which have a hundred times as many.
        """
        masks = self._draw_masks(tokens)
        return self._masked_vectors(tokens, masks), partial(self._add_gradients, tokens, masks)

    def _tables(self) -> list[nn.Embedding | nn.EmbeddingBag]:
        return [self.words, self.ngrams] if self.config.n_buckets else [self.words]

    def _masked_vectors(self, tokens: TokenBatch, masks: _Masks) -> Tensor:
        config = self.config
        words = self.words(tokens.words)  # (U, E)
        spelling = self.ngrams(tokens.ngrams, tokens.ngram_offsets) if config.n_buckets else None
        if spelling is None or masks.is_known is None:
            vectors = self._at_places(words if spelling is None else words + spelling, tokens)
        else:
            vectors = self._at_places(words, tokens) * masks.is_known + self._at_places(spelling, tokens)
        if config.n_vectors:
            vectors = torch.cat([vectors, self._at_places(self.vectors[tokens.vectors], tokens)], -1)
        return vectors if masks.factors is None else vectors * masks.factors

    @torch.no_grad()
    def _add_gradients(self, tokens: TokenBatch, masks: _Masks, d_vectors: Tensor) -> None:
        config = self.config
        if masks.factors is not None:
            d_vectors = d_vectors * masks.factors
        d_vectors = d_vectors[..., : config.embedding_size]
        d_words = d_vectors if masks.is_known is None else d_vectors * masks.is_known
        d_words = self._of_distinct(d_words, tokens)  # (U, E)
        is_word = tokens.words != 0
        gradient_to_add_to(self.words.weight).index_add_(0, tokens.words[is_word], d_words[is_word])
        if config.n_buckets:
            d_spelling = d_words if masks.is_known is None else self._of_distinct(d_vectors, tokens)
            counts = tokens.ngram_offsets.diff()
            if config.ngram_mode == "mean":
                d_spelling = d_spelling / counts.clamp(min=1)[:, None]
            d_ngrams = d_spelling.repeat_interleave(counts, 0)  # (G, E)
            gradient_to_add_to(self.ngrams.weight).index_add_(0, tokens.ngrams, d_ngrams)

    @staticmethod
    def _at_places(vectors: Tensor, tokens: TokenBatch) -> Tensor:
        """Put the vectors (U, E) of distinct tokens where they stand: (B, T, E)."""
        return vectors.index_select(0, tokens.places.flatten()).view(*tokens.places.shape, -1)

    @staticmethod
    def _of_distinct(d_vectors: Tensor, tokens: TokenBatch) -> Tensor:
        """Add up the gradients (B, T, E) of each distinct token: (U, E)."""
        sums = d_vectors.new_zeros(len(tokens.words), d_vectors.shape[-1])
        return sums.index_add_(0, tokens.places.flatten(), d_vectors.flatten(0, 1))

    def _draw_masks(self, tokens: TokenBatch) -> _Masks:
        """Draw what a training step does not see."""
        config = self.config
        if not self.training:
            return _Masks(None, None)
        shape, device = tokens.places.shape, tokens.places.device
        is_known = factors = None
        if config.n_buckets and config.unknown_dropout:
            is_known = torch.rand(shape, device=device)[..., None] >= config.unknown_dropout
        if config.word_dropout or config.embedding_dropout:
            keep = 1 - config.embedding_dropout
            factors = draw_mask((*shape, config.width), keep, self.words.weight).div_(keep)
            factors *= torch.rand(shape, device=device)[..., None] >= config.word_dropout
        return _Masks(is_known, factors)
