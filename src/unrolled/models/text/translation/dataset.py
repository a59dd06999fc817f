"""Dataset of pairs: flat tokens of both sides, from which batches are padded, time first."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.text.codec import TextCodec
from unrolled.errors import DataError

Ints = NDArray[np.int64]

NO_TOKEN = -1  # target of padding
_MOST_TRAINED = 250  # tokens of a side of a training pair: a few longer ones would hold all memory
_BATCH_TOKENS = 1 << 13  # of the sources that are decoded together, each hypothesis counted


class PairBatch(NamedTuple):
    """B pairs, padded to the longest of each side."""

    source: Tensor  # (S, B) tokens, 0 beyond a length
    source_lengths: Tensor  # (B,)
    inputs: Tensor  # (T, B) the target moved on by one step, the end of a text first
    targets: Tensor  # (T, B) tokens, the end of the text as the last, -1 beyond


@dataclass(frozen=True, eq=False)
class TokenRows:
    """N rows of tokens in one flat tensor.

    >>> rows = TokenRows.from_arrays([np.array([3, 4]), np.array([5])])
    >>> rows.padded(torch.tensor([0, 1]), 0).tolist()
    [[3, 5], [4, 0]]
    """

    flat: Tensor  # (ΣT,)
    starts: Tensor  # (N,)
    lengths: Tensor  # (N,)

    @classmethod
    def from_arrays(cls, rows: Sequence[Ints]) -> TokenRows:
        """Join rows of positions."""
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        return cls(torch.from_numpy(np.concatenate(rows)), lengths.cumsum(0) - lengths, lengths)

    def padded(self, rows: Tensor, padding: int) -> Tensor:
        """Return tokens (T, B), time first."""
        lengths = self.lengths[rows]
        steps = torch.arange(int(lengths.max()))[:, None]
        places = (self.starts[rows] + steps).clamp_max(len(self.flat) - 1)
        return torch.where(steps < lengths, self.flat[places], padding)

    def subset(self, rows: Tensor) -> TokenRows:
        """Select some rows; the flat tokens are shared."""
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows])


@dataclass(frozen=True, eq=False)
class PairDataset:
    """Dataset of pairs.

    Args:
        sources: tokens of the sources.
        targets: tokens of the targets, each with the end of a text as its last.
        end: the token of the end of a text.
        device: where batches are.
    """

    sources: TokenRows
    targets: TokenRows
    end: int
    device: str = "cpu"

    @classmethod
    def from_tokens(
        cls, sources: Sequence[Ints], targets: Sequence[Ints], end: int, *, device: str = "cpu"
    ) -> PairDataset:
        """Join the tokens of N pairs, and end each target."""
        ended = [np.append(tokens, end) for tokens in targets]
        return cls(TokenRows.from_arrays(sources), TokenRows.from_arrays(ended), end, device)

    def __len__(self) -> int:
        return len(self.sources.lengths)

    @property
    def sort_keys(self) -> Tensor:
        """Number (N,) that orders pairs by the length of the target, then of the source."""
        return self.targets.lengths * (self.sources.lengths.max() + 1) + self.sources.lengths

    def batch(self, rows: Tensor) -> PairBatch:
        """Pad the pairs in these rows."""
        targets = self.targets.padded(rows, NO_TOKEN)
        inputs = torch.cat([torch.full_like(targets[:1], self.end), targets[:-1]])
        parts = (self.sources.padded(rows, 0), self.sources.lengths[rows], inputs.clamp_min(0), targets)
        return PairBatch(*(part.to(self.device) for part in parts))

    def subset(self, rows: Tensor) -> PairDataset:
        """Select the pairs in these rows."""
        return replace(self, sources=self.sources.subset(rows), targets=self.targets.subset(rows))

    def by_length(self) -> PairDataset:
        """Put the shortest pair first, so that a batch in order is padded little."""
        return self.subset(self.sort_keys.argsort(stable=True))

    def fingerprint(self, settings: str) -> str:
        """Compute a digest of the pairs and of how they are used: a training resumes with the same only."""
        digest = hashlib.sha256(repr((settings, self.end)).encode())
        for side in (self.sources, self.targets):
            for tensor in (side.flat, side.starts, side.lengths):
                digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def source_batches(lengths: Ints, beam: int) -> Iterator[Ints]:
    """Yield rows of sources of like length, each batch with a bounded number of tokens.

    >>> [rows.tolist() for rows in source_batches(np.array([5, 4000, 3]), beam=4)]
    [[2, 0], [1]]
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        padded = lengths[order[start:]] * np.arange(1, len(order) - start + 1) * beam
        end = start + max(1, int((padded <= _BATCH_TOKENS).sum()))
        yield order[start:end]
        start = end


def encode_pairs(
    codec: TextCodec, sources: Sequence[str], targets: Sequence[str], is_held_out: NDArray[np.bool_],
    device: str,
) -> tuple[PairDataset, NDArray[np.bool_]]:  # fmt: skip
    """Make the dataset of all pairs that are not too long, with a warning of the others.

    Args:
        codec: of both sides.
        sources: N texts.
        targets: N texts.
        is_held_out: (N,) true for the pairs that are held out.
        device: where batches are.

    Returns:
        The dataset of M pairs, and the mask (M,) of those held out.

    Raises:
        DataError: all are too long.
    """
    sides = [[codec.encode(text) for text in side] for side in (sources, targets)]
    longest = np.array([max(map(len, pair)) for pair in zip(*sides, strict=True)])
    kept = np.flatnonzero(longest <= _MOST_TRAINED)
    if not len(kept):
        raise DataError(
            f"Translator X: expected texts of at most {_MOST_TRAINED} tokens, to learn from, got "
            f"{int(longest.min())} and more. Cut them into sentences."
        )
    if len(kept) < len(longest):
        warnings.warn(
            f"Translator: {len(longest) - len(kept):,} of {len(longest):,} pairs have more than "
            f"{_MOST_TRAINED} tokens and are left out of the training. Cut them into sentences.",
            stacklevel=6,
        )
    rows = [[side[k] for k in kept] for side in sides]
    return PairDataset.from_tokens(rows[0], rows[1], codec.end, device=device), is_held_out[kept]
