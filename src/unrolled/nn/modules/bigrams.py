"""Direct outputs of pairs of words: a linear model of bigrams beside the recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from unrolled.nn.modules.pooling import sequence_mask
from unrolled.nn.ops.gradients import gradient_to_add_to, trains_plainly

SCALE = 30.0  # of a text
STEP_SCALE = 3.0  # of a step
_FACTORS = (1_000_003, 7_919)  # of the two words of a pair: primes, so that few pairs share a bucket


class BigramOutputs(nn.Module):
    """Add up what pairs of neighbouring words say: (B, T) to (B, K) of a text, or (B, T, K) of its words.

        y = s / T · Σ_t w[hash(x_{t-1}, x_t)]                           x_0 the beginning of the text
        y_t = s (w[hash(x_{t-1}, x_t)] + u[hash(x_t, x_{t+1})])         of each word; u where `both_sides`

    A linear model of pairs of words is hard to beat where texts are short and few, and recurrent layers need
    many texts to learn its pairs; trained beside them, it leaves them the rest. Its weights are 0 at first.
    Words outside the vocabulary are one word here.

    Args:
        n_words: V, the size of the vocabulary with the unknown word at 0.
        n_buckets: of hashed pairs.
        output_size: K.
        dropout: share of the pairs that a training step does not see; the others are not scaled up.
        per_step: whether every word has outputs of its own, 0 beyond a length.
        both_sides: with `per_step`, whether the pair with the next word counts too.

    Source: Cheng et al., Wide & Deep Learning for Recommender Systems (2016). The scale s, 30 of a text and 3
    of a word, makes up for AdamW, which moves every weight by about its rate, however much it counts.

    >>> bigrams = BigramOutputs(3, 64, 2)
    >>> bigrams(torch.tensor([[1, 2, 0]]), torch.tensor([2])).tolist()
    [[0.0, 0.0]]
    """

    def __init__(
        self,
        n_words: int,
        n_buckets: int,
        output_size: int,
        *,
        dropout: float = 0.0,
        per_step: bool = False,
        both_sides: bool = False,
    ) -> None:
        super().__init__()
        self.n_words, self.n_buckets, self.output_size = n_words, n_buckets, output_size
        self.dropout, self.per_step, self.both_sides = dropout, per_step, both_sides
        self.weight = nn.Parameter(torch.zeros(n_buckets, output_size * (1 + both_sides)))

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs from positions in the vocabulary (B, T), and lengths (B,)."""
        return self._outputs(words, lengths, self._counted(words, lengths))

    def precise(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs of a trained network in float64, in the order of the steps."""
        steps = self.steps(words_before(words, self.n_words), words).double()
        return self._of_steps(steps, sequence_mask(lengths, words), lengths)

    def steps(self, before: Tensor, words: Tensor) -> Tensor:
        """Look up what pairs say, in the dtype of the weights.

        Args:
            before: (...) position of the word before, V for none.
            words: (...) position of the word.

        Returns:
            (..., K); with `both_sides` (..., 2 K), what the pair says of its second word and of its first.
        """
        return nn.functional.embedding(pair_buckets(before, words, self.n_buckets), self.weight)

    @property
    def has_vjp(self) -> bool:
        """Tell whether `vjp` may compute the gradients: on the CPU, of weights that train."""
        return trains_plainly(self, ("weight",)) and self.weight.is_cpu

    @torch.no_grad()
    def vjp(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Compute `forward`, and return the function for the way back.

        It takes the gradient of the outputs, and adds that of the weights to their `.grad`.
        """
        counted = self._counted(words, lengths)
        outputs = self._outputs(words, lengths, counted)
        return outputs, partial(self._add_gradient, words, lengths, counted)

    @torch.no_grad()
    def _add_gradient(self, words: Tensor, lengths: Tensor, counted: Tensor, d_outputs: Tensor) -> None:
        buckets = pair_buckets(words_before(words, self.n_words), words, self.n_buckets)[
            counted
        ]  # of the counted pairs
        if self.per_step:
            d_steps = STEP_SCALE * d_outputs
            if self.both_sides:
                d_first = torch.cat([torch.zeros_like(d_steps[:, :1]), d_steps[:, :-1]], 1)
                d_steps = torch.cat([d_steps, d_first], 2)
            d_pairs = d_steps[counted]
        else:
            d_pair = SCALE * d_outputs / lengths.clamp(min=1)[:, None]  # of a pair of each text
            d_pairs = d_pair.repeat_interleave(counted.sum(1), 0)
        gradient_to_add_to(self.weight).index_add_(0, buckets, d_pairs)

    def _outputs(self, words: Tensor, lengths: Tensor, counted: Tensor) -> Tensor:
        return self._of_steps(self.steps(words_before(words, self.n_words), words), counted, lengths)

    def _of_steps(self, steps: Tensor, counted: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs from what the pairs that count, (B, T), say."""
        steps = steps.masked_fill(~counted[..., None], 0.0)
        if not self.per_step:
            return SCALE * steps.cumsum(1)[:, -1] / lengths.clamp(min=1)[:, None]
        if self.both_sides:
            of_second, of_first = steps[..., : self.output_size], steps[..., self.output_size :]
            steps = of_second + torch.cat([of_first[:, 1:], torch.zeros_like(of_first[:, :1])], 1)
        return STEP_SCALE * steps

    def _counted(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Draw the mask (B, T) of the pairs that count: within their text, and not dropped."""
        is_valid = sequence_mask(lengths, words)
        if not (self.training and self.dropout):
            return is_valid
        return is_valid & (torch.rand(words.shape, device=words.device) >= self.dropout)


def words_before(words: Tensor, none: int) -> Tensor:
    """Return the word before each of words (B, T); `none` before the first."""
    return torch.cat([torch.full_like(words[:, :1], none), words[:, :-1]], 1)


def pair_buckets(before: Tensor, words: Tensor, n_buckets: int) -> Tensor:
    """Hash pairs of positions in a vocabulary into so many buckets."""
    return (before * _FACTORS[0] + words * _FACTORS[1]) % n_buckets
