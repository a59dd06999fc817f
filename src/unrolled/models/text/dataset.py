"""Dataset of texts: flat tokens, from which batches are padded and looked up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data.sequences import Sequences
from unrolled.data.text.vocabulary import require_tokens
from unrolled.models.sequence.dataset import SequenceBatch, SequenceDataset, flat_targets
from unrolled.models.text.encoder import TokenBatch, TokenEncoder, TokenTable


class TextBatch(NamedTuple):
    """B texts: their tokens to look up, and the same as padded sequences (B, T, 1) with their targets."""

    tokens: TokenBatch
    sequences: SequenceBatch


@dataclass(frozen=True, eq=False)
class TextDataset:
    """Dataset of texts.

    Args:
        sequences: tokens (ΣT + 1, 1), the last row that of padding; lengths, targets and weights.
        table: what to look up for each distinct token.
    """

    sequences: SequenceDataset
    table: TokenTable

    @classmethod
    def from_sequences(
        cls,
        data: Sequences,
        encoder: TokenEncoder,
        targets: Tensor | None = None,
        *,
        weights: Tensor | None = None,
        per_step: bool = False,
        device: str = "cpu",
    ) -> TextDataset:
        """Put tokens on a device; without targets each has -1."""
        tokens = require_tokens(data)
        values = torch.cat([torch.from_numpy(data.values).to(torch.int64), torch.tensor([len(tokens)])])[
            :, None
        ]
        sequences = SequenceDataset(
            values=values.to(device),
            starts=torch.from_numpy(data.offsets[:-1]).to(device),
            lengths=torch.from_numpy(data.lengths).to(device),
            targets=flat_targets(targets, data, per_step=per_step).to(device),
            per_step=per_step,
            weights=None if weights is None else weights.float().to(device),
        )
        return cls(sequences, encoder.table(tokens).to(device))

    def __len__(self) -> int:
        return len(self.sequences)

    def batch(self, rows: Tensor) -> TextBatch:
        """Pad the texts in these rows to the longest of them, and collect what they look up."""
        sequences = self.sequences.batch(rows)
        return TextBatch(self.table.batch(sequences.values[..., 0]), sequences)

    def subset(self, rows: Tensor) -> TextDataset:
        """Select the texts in these rows; flat tokens and table are shared."""
        return replace(self, sequences=self.sequences.subset(rows))

    def by_length(self) -> TextDataset:
        """Put the shortest text first, so that a batch in order is padded little."""
        return self.subset(self.sequences.lengths.argsort(stable=True))

    def length_batches(self) -> Iterator[Tensor]:
        """Yield all rows in batches of texts of like length, each with a bounded number of steps."""
        return self.sequences.length_batches()

    def fingerprint(self, settings: str) -> str:
        """Compute a digest of the texts and of how they are used: a training resumes with the same only."""
        looked_up = [part.cpu().numpy().tobytes() for part in self.table]
        return self.sequences.fingerprint(repr((settings, [hash_bytes(part) for part in looked_up])))


def hash_bytes(content: bytes) -> str:
    """Compute a digest of bytes."""
    from hashlib import blake2b  # noqa: PLC0415

    return blake2b(content, digest_size=16).hexdigest()
