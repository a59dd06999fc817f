"""Missing values filled step by step, as whole sequences are."""

import numpy as np
import pytest

from unrolled.data.sequences import Sequences
from unrolled.models.sequence.missing import fill_missing
from unrolled.models.streaming.step_filler import StepFiller

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("how", ["forward", "forward+mask"])
def test_streams_are_filled_as_sequences_are(how: str) -> None:
    """In any calls, of any numbers of steps, streams beside each other."""
    means = np.array([5.0, 6.0])
    arrays = [np.where(RNG.random((n, 2)) < 0.5, np.nan, RNG.normal(size=(n, 2))) for n in (7, 1, 16)]
    whole = fill_missing(Sequences.from_arrays(arrays), how, means)
    filler = StepFiller(how, np.resize(means, whole.values.shape[1]), capacity=4)
    places, parts = np.array([3, 0, 2]), [[], [], []]
    for begin, end in ((0, 1), (1, 6), (6, 6), (6, 20)):
        pieces = [array[begin:end] for array in arrays]
        counts = np.array([len(piece) for piece in pieces])
        filled = filler.fill(np.concatenate(pieces), places, counts)
        for part, piece in zip(parts, np.split(filled, np.cumsum(counts)[:-1]), strict=True):
            part.append(piece)
    together = np.concatenate([np.concatenate(part) for part in parts])
    assert np.array_equal(together, whole.values)
