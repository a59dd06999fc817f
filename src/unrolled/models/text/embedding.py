"""Embedding of tokens: a vector a word, plus the mean of its character n-grams', beside the user's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.models.text.encoder import TokenBatch

_SPREAD = 0.1  # of initial vectors


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """Settings of a TokenEmbedding.

    Args:
        n_words: V, the size of the vocabulary with the unknown word at 0.
        n_buckets: of hashed character n-grams; 0 for none.
        embedding_size: E.
        n_vectors: rows of the user's vectors, the row of zeros at 0 counted; 0 for none.
        vector_size: their width, which is added to E.
        word_dropout: share of the words that are hidden from a training step.
        embedding_dropout: share of the numbers of each vector that are.
    """

    n_words: int
    n_buckets: int = 0
    embedding_size: int = 100
    n_vectors: int = 0
    vector_size: int = 0
    word_dropout: float = 0.0
    embedding_dropout: float = 0.0

    @property
    def width(self) -> int:
        """Numbers of the vector of a token."""
        return self.embedding_size + self.vector_size


class TokenEmbedding(nn.Module):
    """Look tokens up: (B, T) to (B, T, E), or (B, T, E + P) beside vectors (P) of the user's.

        e(w) = word[w] + (1 / G) Σ_g ngram[g]      over the G hashed n-grams of w

    A word that is not in the vocabulary has its n-grams alone; padding is zero. The user's vectors are not
    trained. In training a hidden word is all zeros; the others are not scaled up, as every word is whole when
    the model is used.

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
                config.n_buckets, config.embedding_size, mode="mean", include_last_offset=True
            )
            nn.init.normal_(self.ngrams.weight, std=_SPREAD)
        if config.n_vectors:
            self.register_buffer("vectors", torch.zeros(config.n_vectors, config.vector_size))
        self.dropout = nn.Dropout(config.embedding_dropout)

    def forward(self, tokens: TokenBatch) -> Tensor:
        """Look up (B, T, width)."""
        vectors = self.words(tokens.words)  # (U, E)
        if self.config.n_buckets:
            vectors = vectors + self.ngrams(tokens.ngrams, tokens.ngram_offsets)
        if self.config.n_vectors:
            vectors = torch.cat([vectors, self.vectors[tokens.vectors]], -1)
        looked_up: Tensor = vectors.index_select(0, tokens.places.flatten())
        looked_up = looked_up.view(*tokens.places.shape, -1)
        if self.training and self.config.word_dropout:
            kept = torch.rand(tokens.places.shape, device=looked_up.device) >= self.config.word_dropout
            looked_up = looked_up * kept[..., None]
        dropped: Tensor = self.dropout(looked_up)
        return dropped
