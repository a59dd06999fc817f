"""Context of words: where frames come from, what becomes background, and how long it all is."""

import pytest
import torch

from unrolled.models.audio.context import WordContext
from unrolled.models.sequence.dataset import SequenceBatch, SequenceDataset

WORDS, BACKGROUND = 2, 2
LENGTHS = torch.tensor([20, 30, 400, 7])
TARGETS = torch.tensor([0, 1, BACKGROUND, BACKGROUND])


@pytest.fixture
def sequences() -> SequenceDataset:
    """Frames (T, 3): words rise from 100 or 200 on, one a frame; the background is between 0 and 1."""
    parts = [100.0 + torch.arange(20), 200.0 + torch.arange(30), torch.rand(400), torch.rand(7)]
    values = torch.cat([*parts, torch.zeros(1)])[:, None].expand(-1, 3).contiguous()
    return SequenceDataset(values, LENGTHS.cumsum(0) - LENGTHS, LENGTHS, TARGETS)


@pytest.fixture
def batch(sequences: SequenceDataset) -> SequenceBatch:
    """Many draws of every recording; the window is 30 frames."""
    torch.manual_seed(0)
    return WordContext(BACKGROUND, window=30).batch(sequences, torch.arange(4).repeat_interleave(200))


def _words(batch: SequenceBatch, row: int) -> list[float]:
    """Return the frames of a row that are a word's; its context is lower by a level, or not whole."""
    frames = batch.values[row, : int(batch.lengths[row]), 0]
    return [value for value in frames.tolist() if value >= 100 and value == int(value)]


def test_a_word_keeps_its_label_only_where_it_is_whole_and_just_over(batch: SequenceBatch) -> None:
    """Its last frame lies at most 15 frames before the end, and at most twice the window is heard."""
    kept = [row for row in range(400) if batch.targets[row] != BACKGROUND]
    assert 0.55 < len(kept) / 400 < 0.75
    for row in kept:
        word, start = (_words(batch, row), 100 * (1 + row // 200))
        assert word == [float(start + k) for k in range(20 if row < 200 else 30)]
        last = (batch.values[row, :, 0] == word[-1]).nonzero()[-1]
        assert 0 <= int(batch.lengths[row]) - 1 - int(last) <= 15
        assert int(last) < 2 * 30
    assert batch.targets[kept].tolist() == [row // 200 for row in kept]


def test_words_become_background_by_their_beginning_or_when_they_are_long_over(batch: SequenceBatch) -> None:
    """Or they are left out; no whole word ends in the last frames."""
    negatives = [row for row in range(400) if batch.targets[row] == BACKGROUND]
    seen = set()
    for row in negatives:
        word, length = _words(batch, row), (20 if row < 200 else 30)
        if not word:
            seen.add("left out")
        elif int(word[-1]) % 100 < length - 1:
            seen.add("beginning")
            assert len(word) <= 0.6 * length
        else:
            seen.add("over")
            behind = int(batch.lengths[row]) - 1 - int((batch.values[row, :, 0] == word[-1]).nonzero()[-1])
            assert behind >= 40
    assert seen == {"left out", "beginning", "over"}


def test_a_recording_of_the_background_gives_pieces_of_itself(
    batch: SequenceBatch, sequences: SequenceDataset
) -> None:
    """Those are consecutive, and of other lengths; a short one goes round and round."""
    assert bool((batch.targets[400:] == BACKGROUND).all())
    source = sequences.values[50:450, 0]
    pieces = [batch.values[row, : int(batch.lengths[row]), 0] for row in range(400, 600)]
    assert len({len(piece) for piece in pieces}) > 20
    for piece in pieces[:20]:
        steps = piece - piece.mean()
        rolled = (source.roll(-k)[: len(piece)] for k in range(400))
        assert any(torch.allclose(steps, part - part.mean(), atol=1e-4) for part in rolled)
    short = batch.values[700, : int(batch.lengths[700]), 0]
    assert len(short) > 7
    torch.testing.assert_close(short[7:], short[:-7])


def test_the_context_follows_the_seed(sequences: SequenceDataset) -> None:
    """The same seed, the same batch; weights stay beside their rows."""
    context, rows = WordContext(BACKGROUND, window=30), torch.arange(4)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(context.batch(sequences, rows).values)
    assert torch.equal(drawn[0], drawn[1])
    assert drawn[0].shape != drawn[2].shape or not torch.equal(drawn[0], drawn[2])
