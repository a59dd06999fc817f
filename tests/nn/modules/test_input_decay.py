"""Filled values decay to the mean at the rates of their features; known ones stay."""

import math

import pytest
import torch

from unrolled.nn.modules.input_decay import InputDecay


def _decay(features: int, dtype: torch.dtype = torch.float32) -> InputDecay:
    torch.manual_seed(0)
    decay = InputDecay(features).to(dtype)
    with torch.no_grad():
        decay.rate.uniform_(-0.2, 0.5)
        decay.offset.uniform_(-0.2, 0.5)
    return decay


def _inputs(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(1)
    B, T, F = 3, 17, 4
    steps = torch.randint(0, 6, (B, T, F), dtype=dtype)
    return torch.cat([torch.randn(B, T, F, dtype=dtype), (steps > 0).to(dtype), torch.log1p(steps)], -1)


@torch.no_grad()
def test_the_decay_equals_a_loop_over_the_formula() -> None:
    """Value by value; the mask and the steps pass unchanged."""
    decay, inputs = _decay(4), _inputs()
    outputs = decay(inputs)
    for b, t, k in torch.cartesian_prod(*map(torch.arange, (3, 17, 4))).tolist():
        value, mask, log_steps = (float(inputs[b, t, k + shift]) for shift in (0, 4, 8))
        steps = math.exp(log_steps) - 1
        gamma = math.exp(-max(0.0, float(decay.rate[k]) * steps + float(decay.offset[k])))
        expected = gamma * value if mask else value
        assert float(outputs[b, t, k]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    torch.testing.assert_close(outputs[..., 4:], inputs[..., 4:], rtol=0, atol=0)


@torch.no_grad()
def test_a_gain_of_mask_and_steps_changes_no_value() -> None:
    """They are divided by it before they are used."""
    plain, gained = InputDecay(4), InputDecay(4, gain=0.3)
    inputs = _inputs()
    small = torch.cat([inputs[..., :4], 0.3 * inputs[..., 4:]], -1)
    torch.testing.assert_close(gained(small)[..., :4], plain(inputs)[..., :4])


def test_gradients_of_rates_offsets_and_values_are_right() -> None:
    """By finite differences, in float64."""
    decay = _decay(4, torch.float64)
    values, beside = _inputs(torch.float64).split((4, 8), -1)

    def outputs(rate: torch.Tensor, offset: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        weights, inputs = {"rate": rate, "offset": offset}, torch.cat([values, beside], -1)
        return torch.func.functional_call(decay, weights, inputs)[..., :4]

    assert torch.autograd.gradcheck(outputs, (decay.rate, decay.offset, values.requires_grad_()))


def test_old_values_move_to_the_mean_and_pieces_equal_the_whole() -> None:
    """No step reads another one, so a stream may come in pieces."""
    decay = InputDecay(1)
    steps = torch.arange(200.0)
    inputs = torch.stack([torch.full((200,), 3.0), (steps > 0).float(), torch.log1p(steps)], -1)[None]
    kept = decay(inputs)[0, :, 0]
    assert kept[0] == 3
    assert (kept.diff() < 0).all()
    assert kept[-1] < 1e-6
    pieces = torch.cat([decay(part) for part in inputs.split(7, dim=1)], 1)
    torch.testing.assert_close(pieces[0, :, 0], kept, rtol=0, atol=0)
