"""FrameWindows: windows of frames in their own type, scaled batch by batch."""

import numpy as np
import torch

from unrolled.data.clips import as_clips
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.models.video.dataset import FrameWindows, flat_frames, window_starts

RNG = np.random.default_rng(0)


def test_windows_lie_inside_their_clip() -> None:
    """No window reaches from one clip into the next."""
    lengths = np.array([5, 2, 7])
    starts, clip = window_starts(lengths, np.array([0, 5, 7]), 4)
    assert starts.tolist() == [0, 1, 7, 8, 9, 10]
    assert clip.tolist() == [0, 0, 2, 2, 2, 2]


def test_a_batch_is_scaled_and_split() -> None:
    """Bytes are kept as bytes until then."""
    clips = as_clips([RNG.integers(0, 256, (6, 2, 3, 4)).astype(np.uint8)], "X")
    values = flat_frames(clips)
    assert values.dtype == torch.uint8
    scaler = StandardScaler(np.array([100.0, 50.0]), np.array([20.0, 10.0]))
    batch = FrameWindows(values, torch.tensor([0, 1, 2]), 3, 1, scaler).batch(torch.tensor([2, 0]))
    assert batch.frames.shape == (2, 3, 2, 3, 4)
    assert batch.targets.shape == (2, 1, 2, 3, 4)
    expected = (clips.values[2:5].astype(float) - [[[100.0]], [[50.0]]]) / [[[20.0]], [[10.0]]]
    assert np.allclose(batch.frames[0].numpy(), expected, atol=1e-5)
    assert torch.equal(batch.frames[1, 2], batch.frames[0, 0])


def test_fingerprints_tell_data_and_windows_apart() -> None:
    """A training resumes with the same only."""
    scaler = StandardScaler(np.zeros(1), np.ones(1))
    values = torch.from_numpy(RNG.normal(size=(8, 1, 2, 2)).astype(np.float32))
    one = FrameWindows(values, torch.arange(4), 3, 2, scaler)
    others = [one.subset(torch.arange(3)), FrameWindows(values + 1, one.starts, 3, 2, scaler)]
    prints = {each.fingerprint("") for each in (one, *others)} | {one.fingerprint("x")}
    assert len(prints) == 4
    assert one.fingerprint("") == FrameWindows(values.clone(), torch.arange(4), 3, 2, scaler).fingerprint("")
