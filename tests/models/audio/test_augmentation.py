"""Random changes: speed, pitch, colour, noise and masks, each as it says and drawn from torch's state."""

import numpy as np
import pytest
import torch

from unrolled.models.audio.augmentation import Augmentation

NONE = Augmentation(tempo=0, pitch=0, tilt=0, noise=0, time_masks=0, band_masks=0)
LENGTHS = torch.tensor([30, 17, 1])
MELS = torch.linspace(80, 2100, 12)


def _frames() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(-5, 2, size=(3, 30, 12))).float()


def _changed(augmentation: Augmentation, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return augmentation.change(_frames(), LENGTHS, MELS)


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    """Neither frames, nor lengths, nor normalised values."""
    frames, lengths = _changed(NONE)
    assert torch.equal(frames, _frames())
    assert torch.equal(lengths, LENGTHS)
    assert torch.equal(NONE.mask(_frames(), LENGTHS), _frames())


@pytest.mark.parametrize("settings", [{"tempo": 0.5}, {"pitch": 0.5}, {"tilt": 1.0}, {"noise": 1.0}])
def test_a_change_follows_the_seed(settings: dict[str, float]) -> None:
    """The same seed, the same change; another seed, another."""
    augmentation = Augmentation(**{"tempo": 0, "pitch": 0, "tilt": 0, "noise": 0} | settings)
    one, again, other = (_changed(augmentation, seed) for seed in (0, 0, 1))
    assert torch.equal(one[0], again[0])
    assert one[0].shape != other[0].shape or not torch.equal(one[0], other[0])
    assert not torch.equal(one[0][:, :1], _frames()[:, :1]) or settings == {"tempo": 0.5}


def test_a_faster_recording_is_shorter_with_the_same_ends() -> None:
    """Lengths change by at most the ratio asked for, and no frame beyond a length is read."""
    frames = _frames()
    for row, length in enumerate(LENGTHS.tolist()):
        frames[row, length:] = torch.nan
    for seed in range(20):
        torch.manual_seed(seed)
        fast, lengths = Augmentation(tempo=0.5, pitch=0, tilt=0, noise=0).change(frames, LENGTHS, MELS)
        ratio = LENGTHS[:2] / lengths[:2]
        assert bool((ratio > 0.6).all())
        assert bool((ratio < 1.6).all())
        assert lengths[2] in (1, 2)
        for row, length in enumerate(lengths.tolist()):
            assert torch.isfinite(fast[row, :length]).all()
            assert torch.equal(fast[row, 0], frames[row, 0])


def test_pitch_moves_a_peak_to_another_band() -> None:
    """And keeps it within the scale."""
    frames = torch.full((3, 30, 12), -9.0)
    frames[..., 6] = 0.0
    torch.manual_seed(1)
    moved, _ = Augmentation(tempo=0, pitch=0.6, tilt=0, noise=0).change(frames, LENGTHS, MELS)
    peaks = moved[:, 0].argmax(1)
    assert len(set(peaks.tolist())) > 1
    assert moved.min() >= -9.0
    assert moved.max() <= 0.0


def test_noise_raises_what_is_quiet_and_leaves_what_is_loud() -> None:
    """Power is added, so nothing falls."""
    frames, _ = _changed(Augmentation(tempo=0, pitch=0, tilt=0, noise=1.0))
    raised = frames - _frames()
    assert raised.min() >= 0
    quiet = _frames() < -8
    assert raised[quiet].mean() > 1
    assert raised[_frames() > -1].mean() < 0.3


def test_masks_are_runs_within_their_width() -> None:
    """At most a fifth of the frames each, and as many bands as asked for."""
    augmentation = Augmentation(time_masks=1, time_mask=10, band_masks=0)
    for seed in range(10):
        torch.manual_seed(seed)
        kept = augmentation.mask(torch.ones(3, 30, 12), LENGTHS)[..., 0]
        assert bool(((kept == 0).sum(1) <= torch.tensor([6, 3, 0])).all())
        for row in kept:
            places = torch.nonzero(row == 0)[:, 0]
            assert len(places) == 0 or len(places) == places[-1] - places[0] + 1
    torch.manual_seed(0)
    bands = Augmentation(time_masks=0, band_masks=1, band_mask=5).mask(torch.ones(3, 30, 12), LENGTHS)
    assert bool(((bands[:, 0] == 0).sum(1) <= 5).all())
    assert torch.equal(bands[:, 0], bands[:, 9])
    assert not bool(bands.all())
