"""Levels are divided out: by frame as a slow loop does, in chunks, in torch, and of a whole recording."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unrolled.models.audio.levels import BandLevels, LevelState
from unrolled.nn.modules.pooling import sequence_mask

Floats = NDArray[np.float64]


def _frames(n: int, seed: int = 0, n_bands: int = 5) -> Floats:
    return np.random.default_rng(seed).normal(-6, 3, size=(n, n_bands))


def _levels(kind: str, n_bands: int = 5) -> BandLevels:
    frames = _frames(300, seed=9, n_bands=n_bands)
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


@pytest.mark.parametrize("n_bands", [1, 5, 40])
def test_all_streams_step_with_a_frame_at_once(n_bands: int) -> None:
    """On the kernels, to the bits of each by itself, also where one began later; the states too."""
    levels, frames = _levels("running", n_bands), _frames(200, n_bands=n_bands)
    state, rows = LevelState.zeros(2, n_bands), np.empty((200, 2, n_bands))
    stepper = levels.stepper(state)
    for t, row in enumerate(rows):
        if t == 9:
            for array in state:
                array[1] = 0
        stepper.step(frames[t : t + 1], row)
    expected = LevelState.zeros(2, n_bands)
    assert np.array_equal(rows[:, 0], levels.advance(frames, expected, 0))
    assert np.array_equal(rows[9:, 1], levels.advance(frames[9:], expected, 1))
    assert all(np.array_equal(one, other) for one, other in zip(state, expected, strict=True))


def test_a_frame_of_another_shape_is_refused() -> None:
    """Before an array is read, and the state stays."""
    levels, state = _levels("running"), LevelState.zeros(2, 5)
    stepper = levels.stepper(state)
    for frame, out in [((1, 4), (2, 5)), ((2, 5), (2, 5)), ((1, 5), (1, 5)), ((1, 5), (2, 4))]:
        with pytest.raises(TypeError, match=r"expected a frame \(1, F\) and rows \(N, F\)"):
            stepper.step(np.zeros(frame), np.zeros(out))
    with pytest.raises(TypeError, match="the states have other shapes"):
        levels.stepper(state._replace(squares=np.zeros((2, 6))))
    assert not state.steps.any()


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
