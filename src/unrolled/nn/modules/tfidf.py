"""Outputs of a logistic regression on TF-IDF of words, pairs of words and character n-grams."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.nn.modules.bigrams import pair_buckets, words_before
from unrolled.nn.modules.pooling import sequence_mask

N_BLOCKS = 2  # of features: words with pairs of words, and character n-grams
LEAST_SQUARES = 1e-9  # of a text without a known feature, whose sums are 0


class TfidfOutputs(nn.Module):
    """Add a linear model of a text's words to what a network says of it: (B, K) to (B, K).

        y = s (z + b + Σ_j A_j / max(√Q_j, Q_j / √L_j))        over the two blocks j of features
        A_j = Σ_t a_j[x_t],  Q_j = Σ_t q_j[x_t]

    z are the outputs of the network. What is stored of a feature f is a = i w and q = i², with its inverse
    document frequency i and its weight w in the regression; those of x_t in block 1 are the word and its pair
    with the word before, in block 2 its character n-grams. √Q is the norm of TF-IDF of a text in which no
    feature comes twice, and a sum over the steps, so that a stream has it too. L_j is the largest Q_j that
    the regression was fitted on: a text that is longer counts by the mean of its features, as their sum
    would grow with the root of its length.

    All of it is fitted outside, and nothing here trains; before that b, a and q are 0, s and L are 1, which
    leaves z as it is.

    Args:
        n_words: V, the size of the vocabulary with the unknown word at 0.
        n_buckets: of hashed pairs.
        n_ngram_buckets: of hashed character n-grams.
        output_size: K.

    >>> tfidf = TfidfOutputs(3, 64, 16, 2)
    >>> words, lengths = torch.tensor([[1, 2, 0]]), torch.tensor([2])
    >>> tfidf(torch.tensor([[0.5, 0.25]]), words, torch.zeros(1, 3, 3), lengths).tolist()
    [[0.5, 0.25]]
    """

    weight: Tensor  # (V + n_buckets, K + 1): a and q of each word, then of each pair
    ngram_weight: Tensor  # (n_ngram_buckets, K + 1)
    bias: Tensor  # (K,) b
    scale: Tensor  # () s
    longest: Tensor  # (2, 1) L

    def __init__(self, n_words: int, n_buckets: int, n_ngram_buckets: int, output_size: int) -> None:
        super().__init__()
        self.n_words, self.n_buckets = n_words, n_buckets
        self.n_ngram_buckets, self.output_size = n_ngram_buckets, output_size
        self.register_buffer("weight", torch.zeros(n_words + n_buckets, output_size + 1))
        self.register_buffer("ngram_weight", torch.zeros(n_ngram_buckets, output_size + 1))
        self.register_buffer("bias", torch.zeros(output_size))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("longest", torch.ones(N_BLOCKS, 1))

    def forward(self, outputs: Tensor, words: Tensor, spelling: Tensor, lengths: Tensor) -> Tensor:
        """Add to the outputs of a network, in their dtype.

        Args:
            outputs: (B, K).
            words: (B, T) positions in the vocabulary.
            spelling: (B, T, K + 1) what `spelling` returned for each.
            lengths: (B,).
        """
        steps = self.steps(words_before(words, self.n_words), words, spelling).to(outputs.dtype)
        sums = steps.masked_fill(~sequence_mask(lengths, words)[..., None, None], 0.0).cumsum(1)[:, -1]
        return self.add(outputs, sums)

    @property
    def n_features(self) -> int:
        """Number of words, and of buckets of pairs and n-grams, that the regression was fitted on."""
        return sum(int((table[:, -1] > 0).sum()) for table in (self.weight, self.ngram_weight))

    def spelling(self, ngrams: Tensor, offsets: Tensor) -> Tensor:
        """Add up a and q (U, K + 1) of the character n-grams of each of U words.

        Args:
            ngrams: (G,) buckets, one word after the other.
            offsets: (U + 1,) where those of each word begin.
        """
        return nn.functional.embedding_bag(
            ngrams, self.ngram_weight, offsets, mode="sum", include_last_offset=True
        )

    def steps(self, before: Tensor, words: Tensor, spelling: Tensor) -> Tensor:
        """Look up a and q (..., 2, K + 1) of words (...,) behind the words `before`, V for none."""
        of_words = nn.functional.embedding(words, self.weight)
        of_pairs = nn.functional.embedding(self.pair_rows(before, words), self.weight)
        return torch.stack([of_words + of_pairs, spelling], -2)

    def pair_rows(self, before: Tensor, words: Tensor) -> Tensor:
        """Return the rows of `weight` that pairs of words have."""
        return self.n_words + pair_buckets(before, words, self.n_buckets)

    def add(self, outputs: Tensor, sums: Tensor) -> Tensor:
        """Add to outputs (..., K) what A and Q (..., 2, K + 1) of a text say."""
        squares = sums[..., -1:].clamp(min=LEAST_SQUARES)
        norms = torch.maximum(squares.sqrt(), squares / self.longest.to(sums).sqrt())
        of_words, of_ngrams = (sums[..., :-1] / norms).unbind(-2)
        return self.scale.to(outputs) * (outputs + self.bias.to(outputs) + of_words + of_ngrams)
