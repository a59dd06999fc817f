"""ConvStem against a slow loop; causality, padding and data-dependent initialisation."""

import pytest
import torch

from unrolled.nn.modules.conv_stem import KERNEL_SIZE, ConvStem, max_scales


def _stem(inputs: int = 3, channels: int = 7, scales: int = 3, stride: int = 1) -> ConvStem:
    torch.manual_seed(0)
    stem = ConvStem(inputs, channels=channels, scales=scales, stride=stride).double()
    stem.change_scale.copy_(torch.arange(1.0, inputs + 1))
    return stem


def _sequences() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(4, 23, 3, dtype=torch.float64), torch.tensor([23, 1, 9, 16])


@pytest.mark.parametrize("stride", [1, 4])
def test_stem_equals_a_slow_loop(stride: int) -> None:
    """Step by step from the formula in its docstring, sequence by sequence."""
    stem, (values, lengths) = _stem(stride=stride), _sequences()
    read, steps = stem(values, lengths)
    assert steps.tolist() == [-(-int(n) // stride) for n in lengths]
    for row, length in zip(range(4), lengths.tolist(), strict=True):
        x = values[row, :length]
        u = torch.stack(
            [torch.cat([x[t], (x[t] - x[max(t - 1, 0)]) / stem.change_scale]) for t in range(length)]
        )
        each = []
        for t in range(length):
            parts = [u[t]]
            for s, pattern in enumerate(stem.convolutions):
                newest_first = pattern.weight.flip(2).unbind(2)
                sums = [W @ u[max(0, t - k * 2**s)] for k, W in enumerate(newest_first)]
                parts.append(torch.relu(sum(sums) + pattern.bias))
            each.append(torch.cat(parts))
        slow = torch.stack([torch.stack(each[k : k + stride]).mean(0) for k in range(0, length, stride)])
        torch.testing.assert_close(read[row, : len(slow)], slow)
    assert read.shape == (4, -(-23 // stride), stem.width)


def test_stem_is_causal() -> None:
    """And every step changes its own."""
    stem, (values, lengths) = _stem(), _sequences()
    altered = values.clone()
    altered[:, 8:] += 1
    one, other = stem(values, lengths)[0], stem(altered, lengths)[0]
    assert torch.equal(one[:, :8], other[:, :8])
    assert (one[0, 8:] != other[0, 8:]).any(1).all()


@pytest.mark.parametrize("stride", [1, 3])
def test_values_beyond_a_length_are_not_read(stride: int) -> None:
    """NaN or not."""
    stem, (values, lengths) = _stem(stride=stride), _sequences()
    spoilt = values.clone()
    for row, length in enumerate(lengths.tolist()):
        spoilt[row, length:] = torch.nan
    one, steps = stem(values, lengths)
    other, _ = stem(spoilt, lengths)
    for row, length in enumerate(steps.tolist()):
        assert torch.equal(one[row, :length], other[row, :length])


def test_initialize_scales_features_to_unit_variance() -> None:
    """Changes to variance 1, the sums under each ReLU to mean 0 and variance 1, padding left out."""
    stem, (values, lengths) = _stem(), _sequences()
    values = values * torch.tensor([1.0, 100.0, 0.01]) + 5
    stem.initialize(values, lengths)
    valid = torch.arange(23) < lengths[:, None]
    both = stem._append_changes(values, lengths)
    torch.testing.assert_close(both[valid][:, 3:].square().mean(0), torch.ones(3, dtype=torch.float64))
    for sums in stem._convolve(both):
        valid_sums = sums[valid]
        torch.testing.assert_close(valid_sums.mean(0), torch.zeros_like(valid_sums[0]), atol=1e-9, rtol=0)
        torch.testing.assert_close(valid_sums.std(0, correction=0), torch.ones_like(valid_sums[0]))


def test_fewer_channels_than_scales_drop_the_largest_dilations() -> None:
    """Two channels among three scales."""
    values, lengths = _sequences()
    stem = _stem(channels=2, scales=3)
    stem.initialize(values, lengths)
    assert [pattern.dilation for pattern in stem.convolutions] == [(1,), (2,)]
    assert stem(values, lengths)[0].shape == (4, 23, stem.width)


def test_initialize_accepts_constant_inputs() -> None:
    """No division by 0."""
    stem = ConvStem(1, channels=4, scales=1)
    stem.initialize(torch.ones(2, 5, 1), torch.tensor([5, 1]))
    assert torch.isfinite(stem(torch.ones(2, 5, 1), torch.tensor([5, 1]))[0]).all()


@pytest.mark.parametrize(("steps", "scales"), [(1, 1), (9, 1), (10, 1), (16, 1), (17, 2), (33, 3), (1000, 7)])
def test_max_scales_keeps_receptive_fields_within_a_sequence(steps: int, scales: int) -> None:
    """All but the shortest are shorter than it; one more would not be."""
    assert max_scales(steps) == scales
    reach = (KERNEL_SIZE - 1) * 2 ** (scales - 1)
    assert scales == 1 or reach < steps
    assert steps <= 2 * reach
