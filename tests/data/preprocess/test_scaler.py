"""The scale of each feature, whatever its size, and of none that never changes."""

import numpy as np
import pytest

from unrolled.data.preprocess.scaler import scaling_of


@pytest.mark.parametrize("size", [1e-140, 1e-5, 1.0, 1e140])
def test_scaled_values_have_mean_0_and_variance_1(size: float) -> None:
    """Feature by feature."""
    values = np.random.default_rng(0).normal([3.0, -1.0], [2.0, 0.1], size=(500, 2)) * size
    scaled = scaling_of(values).scaled(values)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(0), 1)


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e9 + 0.1, 1e140])
def test_a_feature_that_never_changes_keeps_its_scale(value: float) -> None:
    """The mean of 0.1, 0.1, ... is not 0.1: rounding is no change."""
    found = scaling_of(np.full((1000, 1), value))
    assert found.scale.tolist() == [1.0]
    assert found.mean[0] == pytest.approx(value)


def test_a_small_change_far_from_zero_is_one() -> None:
    """Seconds since 1970, one after the other."""
    assert scaling_of(1.7e9 + np.arange(50.0)[:, None]).scale[0] == pytest.approx(np.arange(50).std())
