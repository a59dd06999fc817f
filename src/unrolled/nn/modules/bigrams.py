"""Direct outputs of pairs of words: a linear model of bigrams beside the recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from unrolled.nn.modules.pooling import sequence_mask
from unrolled.nn.ops.gradients import gradient_to_add_to, trains_plainly

SCALE = 30.0
_FACTORS = (1_000_003, 7_919)  # of the two words of a pair: primes, so that few pairs share a bucket


class BigramOutputs(nn.Module):
    """Add up what the pairs of neighbouring words say of a text: (B, T) to (B, K).

        y = s / T · Σ_t w[hash(x_{t-1}, x_t)]      x_0 the beginning of the text

    A linear model of pairs of words is hard to beat where texts are short and few, and recurrent layers need
    many texts to learn its pairs; trained beside them, it leaves them the rest. Its weights are 0 at first.
    Words outside the vocabulary are one word here.

    Args:
        n_words: V, the size of the vocabulary with the unknown word at 0.
        n_buckets: of hashed pairs.
        output_size: K.
        dropout: share of the pairs that a training step does not see; the others are not scaled up.

    Source: Cheng et al., Wide & Deep Learning for Recommender Systems (2016). The scale s of 30 makes up for
    AdamW, which moves every weight by about its rate, however much it counts.

    >>> bigrams = BigramOutputs(3, 64, 2)
    >>> bigrams(torch.tensor([[1, 2, 0]]), torch.tensor([2])).tolist()
    [[0.0, 0.0]]
    """

    def __init__(self, n_words: int, n_buckets: int, output_size: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.n_words, self.n_buckets, self.dropout = n_words, n_buckets, dropout
        self.weight = nn.Parameter(torch.zeros(n_buckets, output_size))

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Compute (B, K) from positions in the vocabulary (B, T), and lengths (B,)."""
        return self._outputs(words, lengths, self._counted(words, lengths))

    def precise(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs of a trained network in float64, in the order of the steps."""
        steps = self.steps(self._before(words), words).double()
        return _scaled_sums(steps, sequence_mask(lengths, words), lengths)

    def steps(self, before: Tensor, words: Tensor) -> Tensor:
        """Look up what pairs say, in the dtype of the weights.

        Args:
            before: (...) position of the word before, V for none.
            words: (...) position of the word.

        Returns:
            (..., K).
        """
        return nn.functional.embedding(self._buckets(before, words), self.weight)

    @property
    def has_vjp(self) -> bool:
        """Tell whether `vjp` may compute the gradients: on the CPU, of weights that train."""
        return trains_plainly(self, ("weight",)) and self.weight.is_cpu

    @torch.no_grad()
    def vjp(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Compute `forward`, and return the function for the way back.

        It takes the gradient of the outputs (B, K), and adds that of the weights to their `.grad`.
        """
        counted = self._counted(words, lengths)
        outputs = self._outputs(words, lengths, counted)
        return outputs, partial(self._add_gradient, words, lengths, counted)

    @torch.no_grad()
    def _add_gradient(self, words: Tensor, lengths: Tensor, counted: Tensor, d_outputs: Tensor) -> None:
        buckets = self._buckets(self._before(words), words)[counted]  # of the counted pairs
        d_pair = SCALE * d_outputs / lengths.clamp(min=1)[:, None]  # of a pair of each text
        d_pairs = d_pair.repeat_interleave(counted.sum(1), 0)
        gradient_to_add_to(self.weight).index_add_(0, buckets, d_pairs)

    def _outputs(self, words: Tensor, lengths: Tensor, counted: Tensor) -> Tensor:
        return _scaled_sums(self.steps(self._before(words), words), counted, lengths)

    def _counted(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Draw the mask (B, T) of the pairs that count: within their text, and not dropped."""
        is_valid = sequence_mask(lengths, words)
        if not (self.training and self.dropout):
            return is_valid
        return is_valid & (torch.rand(words.shape, device=words.device) >= self.dropout)

    def _before(self, words: Tensor) -> Tensor:
        return torch.cat([torch.full_like(words[:, :1], self.n_words), words[:, :-1]], 1)

    def _buckets(self, before: Tensor, words: Tensor) -> Tensor:
        return (before * _FACTORS[0] + words * _FACTORS[1]) % self.n_buckets


def _scaled_sums(steps: Tensor, counted: Tensor, lengths: Tensor) -> Tensor:
    """Add up the steps (B, T, K) that count, (B, T), scaled: (B, K)."""
    sums = steps.masked_fill(~counted[..., None], 0.0).cumsum(1)[:, -1]
    return SCALE * sums / lengths.clamp(min=1)[:, None]
