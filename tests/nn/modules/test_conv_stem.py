"""ConvStem against a slow loop; causality, padding and data-dependent initialisation."""

import pytest
import torch

from unrolled.nn.modules.conv_stem import ConvStem, max_scales
from unrolled.nn.ops.sequence import TAPS


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
            for channels, dilation in stem.channels_and_dilations():
                newest_first = stem.weight[channels].flip(2).unbind(2)
                taps = [u[t - k * dilation] for k in range(TAPS) if t >= k * dilation]
                missing = torch.stack(taps).mean(0)
                missing[3:] = 0  # the changes
                taps += [missing] * (TAPS - len(taps))
                sums = [W @ tap for W, tap in zip(newest_first, taps, strict=True)]
                parts.append(torch.relu(sum(sums) + stem.bias[channels]))
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


@pytest.mark.parametrize(
    ("shape", "channels", "scales", "stride"),
    [
        ((4, 23, 3), 7, 3, 1), ((4, 23, 3), 7, 3, 4), ((1, 1, 1), 1, 1, 1), ((2, 5, 1), 64, 1, 1),
        ((3, 130, 2), 40, 5, 3), ((70, 31, 1), 2, 3, 1), ((9, 17, 12), 33, 2, 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ragged", [False, True])
def test_the_kernels_equal_torchs_operators(
    shape: tuple[int, int, int], channels: int, scales: int, stride: int, ragged: bool
) -> None:
    """Forward and the gradients of the weights, to 1e-6 of their size; NaN beyond a length is not read."""
    torch.manual_seed(2)
    B, T, F = shape
    stem = ConvStem(F, channels=channels, scales=scales, stride=stride)
    stem.change_scale.copy_(torch.arange(1.0, F + 1))
    if F > 2:
        stem.change_scale[F // 2] = torch.inf  # of an input that has no changes
    values, lengths = torch.randn(shape), torch.randint(1, T + 1, (B,)) if ragged else torch.full((B,), T)
    values[torch.arange(T) >= lengths[:, None]] = torch.nan
    plain, steps = stem(values, lengths)
    valid = (torch.arange(plain.shape[1]) < steps[:, None])[..., None]
    d_features = torch.randn(plain.shape)
    (plain * d_features * valid).nansum().backward()
    expected = [stem.weight.grad.clone(), stem.bias.grad.clone()]
    fused, backward = stem.vjp(values, lengths if ragged else None)
    backward(d_features.masked_fill(~valid, torch.nan).transpose(0, 1).contiguous())
    torch.testing.assert_close(fused.transpose(0, 1), plain.masked_fill(~valid, 0.0), atol=2e-6, rtol=2e-6)
    for got, want in zip([stem.weight.grad, stem.bias.grad], expected, strict=True):
        torch.testing.assert_close(got, want, atol=2e-6 * float(want.abs().max() + 1), rtol=2e-5)


def test_inputs_that_are_not_differenced_have_changes_of_zero() -> None:
    """Before the initialisation and after; those of the others get root mean square 1."""
    torch.manual_seed(0)
    stem = ConvStem(4, channels=5, scales=2, differenced=3)
    values, lengths = torch.randn(6, 20, 4), torch.full((6,), 20)
    for _ in range(2):
        features, _ = stem(values, lengths)
        assert torch.equal(features[..., :4], values)
        assert (features[:, 1:, 4:7] != 0).all()
        assert (features[..., 7] == 0).all()
        stem.initialize(values, lengths)
    assert stem(values, lengths)[0][..., 4:7].square().mean().item() == pytest.approx(1, rel=1e-3)


def test_a_stem_that_the_kernels_cannot_run_has_no_vjp() -> None:
    """Weights that are frozen, computed from others, of another dtype, or whose gradients have hooks."""

    def stem() -> ConvStem:
        return ConvStem(3, channels=4, scales=2)

    assert stem().has_vjp
    assert not stem().double().has_vjp
    frozen, computed, hooked = stem(), stem(), stem()
    frozen.bias.requires_grad_(False)
    torch.nn.utils.parametrizations.weight_norm(computed)
    hooked.weight.register_hook(lambda gradient: gradient)
    assert not any(each.has_vjp for each in (frozen, computed, hooked))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not stem().has_vjp


def test_a_weight_that_is_nan_is_passed_on() -> None:
    """As torch's ReLU does: a 0 in its place would hide that a training broke."""
    stem = ConvStem(1, channels=2, scales=1)
    with torch.no_grad():
        stem.weight[0] = torch.nan
    plain = stem(torch.ones(1, 3, 1), torch.tensor([3]))[0]
    fused = stem.vjp(torch.ones(1, 3, 1), None)[0].transpose(0, 1)
    assert torch.equal(fused.isnan(), plain.isnan())
    assert plain.isnan().any()


@pytest.mark.parametrize("scales", [1, 5])
def test_an_odd_first_value_moves_about_as_much_as_one_in_the_middle(scales: int) -> None:
    """Repeated before the start it moved 1.8 and 5.1 times as much, read by every tap there."""
    stem, lengths = _stem(channels=10, scales=scales), torch.tensor([400])
    flat = torch.zeros(1, 400, 3, dtype=torch.float64)
    moved = []
    for step in (0, 200):
        odd = flat.clone()
        odd[0, step] = 5.0
        moved.append((stem(odd, lengths)[0] - stem(flat, lengths)[0]).abs().sum().item())
    assert moved[0] < 1.3 * moved[1]


def test_a_constant_sequence_has_constant_features() -> None:
    """Whatever its level: the start is no jump."""
    stem = _stem(channels=10, scales=4)
    features, _ = stem(torch.full((1, 100, 3), 7.0, dtype=torch.float64), torch.tensor([100]))
    torch.testing.assert_close(features, features[:, :1].expand_as(features))


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
    sums = stem._convolve(both)[valid]
    torch.testing.assert_close(sums.mean(0), torch.zeros_like(sums[0]), atol=1e-9, rtol=0)
    torch.testing.assert_close(sums.std(0, correction=0), torch.ones_like(sums[0]))


def test_fewer_channels_than_scales_drop_the_largest_dilations() -> None:
    """Two channels among three scales."""
    values, lengths = _sequences()
    stem = _stem(channels=2, scales=3)
    stem.initialize(values, lengths)
    assert [dilation for _, dilation in stem.channels_and_dilations()] == [1, 2]
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
    reach = (TAPS - 1) * 2 ** (scales - 1)
    assert scales == 1 or reach < steps
    assert steps <= 2 * reach
