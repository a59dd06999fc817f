"""Levels are divided out: by frame as a slow loop does, in chunks, in torch, and of a whole recording."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unrolled.models.audio.levels import BandLevels, LevelState
from unrolled.nn.modules.pooling import sequence_mask

Floats = NDArray[np.float64]


def _frames(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(-6, 3, size=(n, 5))


def _levels(kind: str) -> BandLevels:
    frames = _frames(300, seed=9)
    return BandLevels.fit(frames, np.array([0, 100, 120, 300]), kind=kind, floor=7.0)


def _slow(frames: Floats, levels: BandLevels) -> Floats:
    rows, k = [], levels.prior_frames
    for t in range(len(frames)):
        seen = frames if levels.kind == "recording" else frames[: t + 1]
        z = np.array(
            [
                np.maximum(row - (seen if levels.kind == "recording" else seen[: i + 1]).max(), -7.0)
                for i, row in enumerate(seen)
            ]
        )
        mean = (k * levels.mean + z.sum(0)) / (k + len(z))
        square = (k * (levels.variance + levels.mean**2) + (z**2).sum(0)) / (k + len(z))
        rows.append((z[t] - mean) / np.sqrt(square - mean**2))
    return np.array(rows)


@pytest.mark.parametrize("kind", ["running", "recording"])
def test_it_equals_a_slow_loop_of_the_formula(kind: str) -> None:
    """Frame by frame, from all frames that count."""
    levels = _levels(kind)
    assert levels.normalize(_frames(40)) == pytest.approx(_slow(_frames(40), levels), abs=1e-9)


@pytest.mark.parametrize("sizes", [[1] * 23, [5, 0, 11, 7], [22, 1]])
def test_chunks_have_the_bits_of_the_whole(sizes: list[int]) -> None:
    """The state is a value a stream; another stream's does not move."""
    levels, frames = _levels("running"), _frames(23)
    state = LevelState.zeros(3, 5)
    parts = [levels.advance(part, state, 1) for part in np.split(frames, np.cumsum(sizes)[:-1])]
    assert np.array_equal(np.concatenate(parts), levels.normalize(frames))
    assert state.steps.tolist() == [0, 23, 0]
    assert not state.sums[[0, 2]].any()


def test_all_streams_hear_a_frame_at_once() -> None:
    """The same bits as by themselves, also where one began later."""
    levels, frames = _levels("running"), _frames(23)
    state, parts = LevelState.zeros(2, 5), []
    for t in range(23):
        if t == 9:
            for array in state:
                array[1] = 0
        parts.append(levels.advance_all(frames[t : t + 1], state))
    assert np.array_equal([part[0] for part in parts], levels.normalize(frames))
    assert np.array_equal([part[1] for part in parts[9:]], levels.normalize(frames[9:]))


@pytest.mark.parametrize("kind", ["running", "recording"])
def test_torch_gives_the_same_for_padded_batches(kind: str) -> None:
    """Up to rounding; what lies beyond a length counts for nothing and is 0."""
    levels, lengths = _levels(kind), torch.tensor([7, 30, 1])
    frames = torch.from_numpy(np.stack([_frames(30, seed) for seed in range(3)]))
    mask = sequence_mask(lengths, frames)
    values = levels.normalize_batch(frames, mask)
    for row, length in enumerate(lengths.tolist()):
        expected = levels.normalize(frames[row, :length].numpy())
        assert values[row, :length].numpy() == pytest.approx(expected, abs=1e-9)
    assert not values[~mask].any()


def test_a_gain_changes_nothing() -> None:
    """Loudness is divided out, to rounding."""
    levels = _levels("running")
    assert levels.normalize(_frames(40) + 3) == pytest.approx(levels.normalize(_frames(40)), abs=1e-9)


def test_noise_below_the_floor_changes_nothing() -> None:
    """Once the peak is there: microphones differ in what is below."""
    levels, frames = _levels("running"), _frames(30)
    frames[0], frames[1:, 2] = 5.0, -40.0
    louder = frames.copy()
    louder[1:, 2] = -10.0
    assert np.array_equal(levels.normalize(louder), levels.normalize(frames))


def test_levels_are_saved_as_data() -> None:
    """And read back to the bit."""
    levels = _levels("recording")
    again = BandLevels.from_dict(levels.to_dict())
    assert np.array_equal(again.normalize(_frames(9)), levels.normalize(_frames(9)))
