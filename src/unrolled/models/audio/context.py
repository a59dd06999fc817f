"""Context of words in the training of a spotter: what is heard before and behind them, and what is no word.

Shapes: B recordings, T frames, F bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.models.sequence.dataset import SequenceBatch, SequenceDataset
from unrolled.nn.modules.pooling import sequence_mask

_LONGEST_WORD = 0.98  # quantile of the lengths
_AFTER = 15  # frames behind a word, within which it is reported
_NEGATIVE = 0.35  # share of the words that no word is made of
_NEGATIVE_KINDS = (0.5, 0.3, 0.2)  # shares of pieces, beginnings and past words among them
_PIECE, _BEGINNING, _PAST = range(3)
_BEGINNING_SHARE = (0.2, 0.6)  # of a word that is not over yet
_PAST_FRAMES = (40, 100)  # behind a word that is over
_HISS = 0.5  # share of the contexts that are stationary noise


class _Layout(NamedTuple):
    """Places of the frames of B recordings: some of the background, of a word, of the background again."""

    before: Tensor  # (B,) frames of background before the word
    start: Tensor  # (B,) of the word in the flat values
    word: Tensor  # (B,) frames of it, 0 for none
    after: Tensor  # (B,) frames of background behind it


@dataclass(frozen=True)
class WordContext:
    """Random context of the recordings of a spotter, so that it can hear them in running sound.

    A word is put between pieces of the background, or between stationary noise, at a random level. Some words
    become background: they are left out, are cut before they are over, or were over long ago. A recording of
    the background gives a random piece of it. All is drawn from torch's random state.

    Args:
        background: number of the class of background.
        window: frames, those of a long word; at most twice as many are heard before the end of one.
    """

    background: int
    window: int

    @classmethod
    def fit(cls, lengths: NDArray[np.int64], classes: NDArray[np.int64], background: int) -> WordContext:
        """Measure the window on the lengths (N,) of recordings of these classes (N,).

        >>> WordContext.fit(np.array([40, 60, 900]), np.array([0, 1, 2]), background=2).window
        60
        """
        window = np.quantile(lengths[classes != background], _LONGEST_WORD, method="closest_observation")
        return cls(background, int(window))

    def batch(self, sequences: SequenceDataset, rows: Tensor) -> SequenceBatch:
        """Make a batch of the recordings (B,) in their context; frames beyond a length are arbitrary."""
        is_background = sequences.targets[rows] == self.background
        is_negative = is_background | (torch.rand(len(rows)) < _NEGATIVE)
        kinds = torch.multinomial(torch.tensor(_NEGATIVE_KINDS), len(rows), replacement=True)
        kinds = torch.where(is_background, _PIECE, torch.where(is_negative, kinds, -1))
        layout = self._layout(sequences, rows, kinds)
        lengths = layout.before + layout.word + layout.after
        steps = torch.arange(int(lengths.max()))
        is_word = (steps >= layout.before[:, None]) & (steps < (layout.before + layout.word)[:, None])
        word_places = layout.start[:, None] + steps - layout.before[:, None]
        places = torch.where(is_word, word_places, self._background_places(sequences, rows, steps))
        frames = sequences.values[places]  # (B, T, F)
        is_hiss = (torch.rand(len(rows)) < _HISS) & ~is_background
        is_context = sequence_mask(lengths, frames) & ~is_word
        frames = _mix(frames, is_word, is_context, is_hiss)
        targets = torch.where(is_negative, self.background, sequences.targets[rows])
        weights = None if sequences.weights is None else sequences.weights[rows]
        return SequenceBatch(frames, lengths, targets, weights)

    def _layout(self, sequences: SequenceDataset, rows: Tensor, kinds: Tensor) -> _Layout:
        """Draw lengths; those of the background before the words are alike in a batch, which pads less."""
        B, start, word = len(rows), sequences.starts[rows], sequences.lengths[rows]
        is_piece, is_beginning, is_past = (kinds == kind for kind in (_PIECE, _BEGINNING, _PAST))
        cut = word * _uniform(B, *_BEGINNING_SHARE)
        is_late = is_past & (torch.rand(B) < 0.5)  # its first frames were not heard
        late = torch.where(is_late, word * _uniform(B, 0, 1 - _BEGINNING_SHARE[0]), 0.0).long()
        word = torch.where(is_beginning, cut.long().clamp(min=1), word - late)
        word = torch.where(is_piece, 0, word)
        before = torch.rand(1) * 2 * self.window + _uniform(B, -_AFTER, _AFTER) - word * torch.rand(B)
        before = before.minimum((2 * self.window - word).float()).clamp(min=0).long()
        before = torch.where(is_past, before // 3, before)
        after = (torch.rand(B) * (_AFTER + 1)).long()
        after = torch.where(is_past, _uniform(B, *_PAST_FRAMES).long(), after)
        after = torch.where(is_beginning, 0, torch.where(is_piece, after + _AFTER, after))
        return _Layout(before, start + late, word, after)

    def _background_places(self, sequences: SequenceDataset, rows: Tensor, steps: Tensor) -> Tensor:
        """Draw where each row reads the background (B, T): in itself if it is one, round and round."""
        pool = torch.nonzero(sequences.targets == self.background)[:, 0]
        drawn = pool[torch.randint(len(pool), (len(rows),))]
        drawn = torch.where(sequences.targets[rows] == self.background, rows, drawn)
        starts, lengths = sequences.starts[drawn], sequences.lengths[drawn]
        first = (torch.rand(len(rows)) * lengths).long()
        return starts[:, None] + (first[:, None] + steps) % lengths[:, None]


def _mix(frames: Tensor, is_word: Tensor, is_context: Tensor, is_hiss: Tensor) -> Tensor:
    """Set the level of the context (B, T) by the peak of the word, and replace some by stationary noise."""
    B, T, F = frames.shape
    peaks = [frames.masked_fill(~mask[..., None], -1e4).amax((1, 2)) for mask in (is_word, is_context)]
    word_peak = torch.where(is_word.any(1), peaks[0], peaks[1])
    below = torch.where(is_hiss, _uniform(B, 3, 13), _uniform(B, -1, 7))  # nepers of power
    shift = (word_peak - peaks[1] - below) * is_context.any(1)
    slope = torch.randn(B, 1) * torch.linspace(-1, 1, F)
    hiss = (word_peak - below)[:, None, None] + slope[:, None] + torch.randn(B, T, F) * 0.5
    context = torch.where(is_hiss[:, None, None], hiss, frames + shift[:, None, None])
    return torch.where(is_word[..., None], frames, context)


def _uniform(n: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(n)
