"""Batches of recordings: normalised, changed at random only where asked, and with a digest of it all."""

from dataclasses import replace

import numpy as np
import torch

from unrolled.data.sequences import Sequences
from unrolled.models.audio.augmentation import Augmentation
from unrolled.models.audio.context import WordContext
from unrolled.models.audio.dataset import AudioDataset
from unrolled.models.audio.levels import BandLevels
from unrolled.models.audio.training import unscaled
from unrolled.models.sequence.dataset import SequenceDataset

RNG = np.random.default_rng(0)
DATA = Sequences.from_arrays([RNG.normal(-5, 2, size=(n, 6)) for n in (9, 4, 7)])
LEVELS = BandLevels.fit(DATA.values, DATA.offsets, kind="running")
PLAIN = AudioDataset(
    SequenceDataset.from_sequences(
        DATA, unscaled(6), torch.tensor([2, 0, 1]), weights=torch.tensor([0.5, 1, 1.5])
    ),
    LEVELS,
    torch.linspace(80, 2100, 6),
)


def test_a_batch_holds_normalised_frames_of_its_rows() -> None:
    """Padded with zeros, targets and weights beside."""
    batch = PLAIN.batch(torch.tensor([1, 2]))
    expected = LEVELS.normalize(DATA[1].values)
    assert batch.values.shape == (2, 7, 6)
    np.testing.assert_allclose(batch.values[0, :4].numpy(), expected, atol=1e-4)
    assert not batch.values[0, 4:].any()
    assert (batch.lengths.tolist(), batch.targets.tolist()) == ([4, 7], [0, 1])
    assert batch.weights is not None
    assert batch.weights.tolist() == [1.0, 1.5]


def test_subsets_and_batches_by_length_cover_the_rows() -> None:
    """Frames are shared."""
    part = PLAIN.subset(torch.tensor([2, 0]))
    assert (len(part), part.lengths.tolist()) == (2, [7, 9])
    assert part.sequences.values is PLAIN.sequences.values
    assert sorted(torch.cat(list(PLAIN.length_batches())).tolist()) == [0, 1, 2]


def test_only_augmented_batches_differ_from_draw_to_draw() -> None:
    """By torch's random state."""
    rows, changed = torch.arange(3), replace(PLAIN, augmentation=Augmentation())
    assert torch.equal(PLAIN.batch(rows).values, PLAIN.batch(rows).values)
    torch.manual_seed(3)
    one, two = changed.batch(rows), changed.batch(rows)
    torch.manual_seed(3)
    again = changed.batch(rows)
    assert torch.equal(one.values, again.values)
    assert one.values.shape != two.values.shape or not torch.equal(one.values, two.values)
    assert one.values.shape[1] == int(one.lengths.max())


def test_the_digest_follows_frames_levels_augmentation_and_context() -> None:
    """A checkpoint of other settings is not resumed."""
    others = (
        replace(PLAIN, augmentation=Augmentation()),
        replace(PLAIN, context=WordContext(0, window=5)),
        replace(PLAIN, levels=replace(LEVELS, floor=3.0)),
        PLAIN.subset(torch.tensor([0, 1])),
    )
    digests = {each.fingerprint("x") for each in (PLAIN, *others)} | {PLAIN.fingerprint("y")}
    assert len(digests) == 6
    assert PLAIN.fingerprint("x") in digests
