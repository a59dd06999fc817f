"""Dataset of recordings: raw log-mel frames, normalised batch by batch, changed at random in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from unrolled.data.preprocess.scaler import SCALED_LIMIT
from unrolled.models.audio.augmentation import Augmentation
from unrolled.models.audio.context import WordContext
from unrolled.models.audio.levels import BandLevels
from unrolled.models.sequence.dataset import SequenceBatch, SequenceDataset
from unrolled.nn.modules.pooling import sequence_mask


@dataclass(frozen=True, eq=False)
class AudioDataset:
    """Dataset of recordings to train on.

    Args:
        sequences: raw frames (ΣT + 1, F) with lengths, targets and weights.
        levels: the normalisation.
        mels: (F,) where the bands lie.
        augmentation: of every batch; None for none.
        context: of the words of a spotter; None for recordings as they are.
        device: where batches are put; everything before is done on the CPU, whose random state is resumed.
    """

    sequences: SequenceDataset
    levels: BandLevels
    mels: Tensor
    augmentation: Augmentation | None = None
    context: WordContext | None = None
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def lengths(self) -> Tensor:
        """Frames (N,) of each recording, before any change."""
        return self.sequences.lengths

    def batch(self, rows: Tensor) -> SequenceBatch:
        """Make a batch of the recordings in these rows, padded with zeros to the longest of them."""
        sequences, context = self.sequences, self.context
        batch = sequences.batch(rows) if context is None else context.batch(sequences, rows)
        frames, lengths = batch.values, batch.lengths
        if self.augmentation is not None:
            frames, lengths = self.augmentation.change(frames, lengths, self.mels)
        values = self.levels.normalize_batch(frames, sequence_mask(lengths, frames))
        if self.augmentation is not None:
            values = self.augmentation.mask(values, lengths)
        values = values.clamp(-SCALED_LIMIT, SCALED_LIMIT)
        weights = None if batch.weights is None else batch.weights.to(self.device)
        values, lengths, targets = (part.to(self.device) for part in (values, lengths, batch.targets))
        return SequenceBatch(values, lengths, targets, weights)

    def subset(self, rows: Tensor) -> AudioDataset:
        """Select the recordings in these rows; the frames are shared."""
        return replace(self, sequences=self.sequences.subset(rows))

    def length_batches(self) -> Iterator[Tensor]:
        """Yield all rows in batches of recordings of like length, each with a bounded number of frames."""
        return self.sequences.length_batches()

    def fingerprint(self, settings: str) -> str:
        """Compute a digest of the frames and of how they are used: a training resumes with the same only."""
        return self.sequences.fingerprint(
            repr((settings, self.levels.to_dict(), self.augmentation, self.context))
        )
