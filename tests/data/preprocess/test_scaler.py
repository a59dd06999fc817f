"""StandardScaler: columns of any size, constant columns, missing values."""

import json

import numpy as np
import pytest

from unrolled.data.preprocess.scaler import StandardScaler, fit_channel_scaler


@pytest.mark.parametrize("size", [1e-140, 1e-5, 1.0, 1e140])
def test_scaled_values_have_mean_0_and_variance_1(size: float) -> None:
    """Feature by feature."""
    values = np.random.default_rng(0).normal([3.0, -1.0], [2.0, 0.1], size=(500, 2)) * size
    scaler = StandardScaler.fit(values)
    scaled = scaler.transform(values)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(0), 1)
    np.testing.assert_allclose(scaler.inverse_transform(scaled), values)


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e9 + 0.1, 1e140])
def test_a_feature_that_never_changes_keeps_its_scale(value: float) -> None:
    """The mean of 0.1, 0.1, ... is not 0.1: rounding is no change."""
    scaler = StandardScaler.fit(np.full((1000, 1), value))
    assert scaler.scale.tolist() == [1.0]
    assert scaler.mean[0] == pytest.approx(value)


def test_a_small_change_far_from_zero_counts() -> None:
    """Seconds since 1970, one after the other."""
    assert StandardScaler.fit(1.7e9 + np.arange(50.0)[:, None]).scale[0] == pytest.approx(np.arange(50).std())


def test_missing_values_are_left_out() -> None:
    """Mean and scale are those of the values that there are."""
    scaler = StandardScaler.fit(np.array([1.0, np.nan, 3.0, 8.0]))
    assert scaler == (4.0, np.std([1.0, 3.0, 8.0]))


@pytest.mark.parametrize("shape", [(9,), (9, 3)])
def test_a_scaler_survives_json(shape: tuple[int, ...]) -> None:
    """Equal to the bit after the way to text and back, of one column and of several."""
    values = np.random.default_rng(1).normal(size=shape)
    scaler = StandardScaler.fit(values)
    read_back = StandardScaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    np.testing.assert_array_equal(read_back.transform(values), scaler.transform(values))


def test_weights_are_as_many_copies() -> None:
    """Mean and scale; missing values are left out with their weight."""
    values = np.array([[1.0, 5.0], [2.0, np.nan], [4.0, 7.0]])
    weights = np.array([1, 3, 2])
    for columns in (values, values[:, 0]):
        weighted, copied = (
            StandardScaler.fit(columns, weights),
            StandardScaler.fit(columns.repeat(weights, axis=0)),
        )
        np.testing.assert_allclose(weighted.mean, copied.mean)
        np.testing.assert_allclose(weighted.scale, copied.scale)


@pytest.mark.parametrize("n_frames", [1, 255, 256, 257, 600])
def test_channels_have_the_mean_and_spread_of_all_their_pixels(n_frames: int) -> None:
    """However many frames are taken at a time; a weight of k counts as k copies."""
    rng = np.random.default_rng(0)
    frames = rng.normal(1000, 3, (n_frames, 2, 4, 5)).astype(np.float32)
    scaler = fit_channel_scaler(frames)
    assert np.allclose(scaler.mean, frames.mean((0, 2, 3), dtype=float), rtol=1e-9)
    assert np.allclose(scaler.scale, frames.astype(float).std((0, 2, 3)), rtol=1e-9)
    weights = rng.integers(0, 3, n_frames) + (np.arange(n_frames) == 0)
    weighted, copied = fit_channel_scaler(frames, weights), fit_channel_scaler(np.repeat(frames, weights, 0))
    assert np.allclose(weighted.mean, copied.mean, rtol=1e-12)
    assert np.allclose(weighted.scale, copied.scale, rtol=1e-9)


def test_a_channel_that_never_changes_has_scale_one() -> None:
    """Nothing is divided by zero, nor by a rounding error."""
    assert fit_channel_scaler(np.full((9, 1, 3, 3), 0.1)).scale.tolist() == [1.0]
