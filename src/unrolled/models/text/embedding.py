"""Embedding of tokens: a vector a word, plus those of its character n-grams, beside the user's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.models.text.encoder import TokenBatch

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
        self.dropout = nn.Dropout(config.embedding_dropout)

    def forward(self, tokens: TokenBatch) -> Tensor:
        """Look up (B, T, width)."""
        config = self.config
        words = self.words(tokens.words)  # (U, E)
        spelling = self.ngrams(tokens.ngrams, tokens.ngram_offsets) if config.n_buckets else None
        if spelling is not None and not (self.training and config.unknown_dropout):
            words, spelling = words + spelling, None
        vectors = self._at_places(words, tokens)
        if spelling is not None:
            vectors = vectors * self._kept(tokens, config.unknown_dropout)
            vectors = vectors + self._at_places(spelling, tokens)
        if config.n_vectors:
            vectors = torch.cat([vectors, self._at_places(self.vectors[tokens.vectors], tokens)], -1)
        if self.training and config.word_dropout:
            vectors = vectors * self._kept(tokens, config.word_dropout)
        dropped: Tensor = self.dropout(vectors)
        return dropped

    @staticmethod
    def _at_places(vectors: Tensor, tokens: TokenBatch) -> Tensor:
        """Put the vectors (U, E) of distinct tokens where they stand: (B, T, E)."""
        return vectors.index_select(0, tokens.places.flatten()).view(*tokens.places.shape, -1)

    @staticmethod
    def _kept(tokens: TokenBatch, rate: float) -> Tensor:
        """Draw the mask (B, T, 1) of words that are kept."""
        return (torch.rand(tokens.places.shape, device=tokens.places.device) >= rate)[..., None]
