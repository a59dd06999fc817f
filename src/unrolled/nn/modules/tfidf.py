"""Outputs of a logistic regression on TF-IDF of words, pairs of words and character n-grams."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.nn.modules.bigrams import pair_buckets
from unrolled.nn.modules.pooling import sequence_mask

N_BLOCKS = 2  # of features: words with pairs of words, and character n-grams
LEAST_SQUARES = 1e-9  # of a text without a known feature, whose sums are 0


class TfidfOutputs(nn.Module):
    """Add a linear model of a text's words to what a network says of it: (B, K) to (B, K).

        y = s (z + b + Σ_j Σ_t a_j[x_t] / √(Σ_t q_j[x_t]))        over the two blocks j of features
        a_1[x_t] = Σ_f i_f w_f,  q_1[x_t] = Σ_f i_f²               f = hash(x_t) and hash(x_{t-1}, x_t)

    z are the outputs of the network, i_f is the inverse document frequency of a feature and w_f its weight;
    block 2 has the character n-grams of x_t in the same way. The norm is that of TF-IDF where no feature
    comes twice, and it is a sum over the steps, so that a stream has it too. All of it is fitted outside, and
    nothing here trains; before that b, a and q are 0 and s is 1, which leaves z as it is.

    Args:
        n_words: V, the size of the vocabulary with the unknown word at 0.
        n_buckets: of hashed words and pairs.
        n_ngram_buckets: of hashed character n-grams.
        output_size: K.

    >>> tfidf = TfidfOutputs(3, 64, 16, 2)
    >>> words, lengths = torch.tensor([[1, 2, 0]]), torch.tensor([2])
    >>> tfidf(torch.tensor([[0.5, 0.25]]), words, torch.zeros(1, 3, 3), lengths).tolist()
    [[0.5, 0.25]]
    """

    weight: Tensor  # (n_buckets, K + 1): a and q of each feature
    ngram_weight: Tensor  # (n_ngram_buckets, K + 1)
    bias: Tensor  # (K,)
    scale: Tensor  # ()

    def __init__(self, n_words: int, n_buckets: int, n_ngram_buckets: int, output_size: int) -> None:
        super().__init__()
        self.n_words, self.n_buckets = n_words, n_buckets
        self.n_ngram_buckets, self.output_size = n_ngram_buckets, output_size
        self.register_buffer("weight", torch.zeros(n_buckets, output_size + 1))
        self.register_buffer("ngram_weight", torch.zeros(n_ngram_buckets, output_size + 1))
        self.register_buffer("bias", torch.zeros(output_size))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, outputs: Tensor, words: Tensor, spelling: Tensor, lengths: Tensor) -> Tensor:
        """Add to the outputs of a network, in their dtype.

        Args:
            outputs: (B, K).
            words: (B, T) positions in the vocabulary.
            spelling: (B, T, K + 1) what `spelling` returned for each.
            lengths: (B,).
        """
        before = torch.cat([torch.full_like(words[:, :1], self.n_words), words[:, :-1]], 1)
        steps = self.steps(before, words, spelling).to(outputs.dtype)
        sums = steps.masked_fill(~sequence_mask(lengths, words)[..., None, None], 0.0).cumsum(1)[:, -1]
        return self.add(outputs, sums)

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
        of_words, of_pairs = (
            nn.functional.embedding(buckets, self.weight) for buckets in self.buckets(before, words)
        )
        return torch.stack([of_words + of_pairs, spelling], -2)

    def buckets(self, before: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Hash words (...,), and the pairs of each with the word before."""
        alone = torch.full_like(words, self.n_words + 1)
        return pair_buckets(alone, words, self.n_buckets), pair_buckets(before, words, self.n_buckets)

    def add(self, outputs: Tensor, sums: Tensor) -> Tensor:
        """Add to outputs (..., K) what the sums (..., 2, K + 1) over the steps of a text say."""
        norms = sums[..., -1:].clamp(min=LEAST_SQUARES).sqrt()
        of_words, of_ngrams = (sums[..., :-1] / norms).unbind(-2)
        return self.scale.to(outputs) * (outputs + self.bias.to(outputs) + of_words + of_ngrams)
