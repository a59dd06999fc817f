"""Inference in a fixed order: torch's operators up to rounding, and the same bits in any batch."""

import pytest
import torch
from torch import nn

from unrolled import kernels
from unrolled.nn.layers.rnn import GRU
from unrolled.nn.modules.conv_stem import ConvStem
from unrolled.nn.modules.inference import direct_features, mean_answers, outputs_of, pool_states, states_of
from unrolled.nn.modules.pooling import Pooling, Standardize

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

B, T = 5, 23
LENGTHS = torch.tensor([23, 1, 9, 23, 16])


@torch.no_grad()
@pytest.mark.parametrize("stride", [None, 1, 3])
def test_states_are_those_of_stem_and_core(stride: int | None) -> None:
    """A row alone too, to the bit."""
    torch.manual_seed(0)
    stem = None if stride is None else ConvStem(3, channels=10, scales=2, stride=stride)
    core, x = GRU(3 if stem is None else stem.width, 7, batch_first=True), torch.randn(B, T, 3)
    states, steps = states_of(stem, core, x, LENGTHS)
    inputs, expected_steps = (x, LENGTHS) if stem is None else stem(x, LENGTHS)
    torch.testing.assert_close(states, core(inputs, lengths=expected_steps)[0])
    assert torch.equal(steps, expected_steps)
    alone, _ = states_of(stem, core, x[2:3], LENGTHS[2:3])
    assert torch.equal(alone[0, : steps[2]], states[2, : steps[2]])


@torch.no_grad()
@pytest.mark.parametrize("width", [1, 7, 16, 130])
@pytest.mark.parametrize("pooling", ["last", "attention", "max+attention+last+mean"])
def test_pooled_states_are_those_of_the_module(pooling: str, width: int) -> None:
    """A row alone too, to the bit; zeros where there is no step."""
    torch.manual_seed(1)
    module, states = Pooling(pooling, width), 3 * torch.randn(B, T, width)
    lengths = torch.tensor([23, 0, 9, 1, 16])
    pooled = pool_states(module, states, lengths)
    torch.testing.assert_close(pooled, module(states, lengths), rtol=1e-5, atol=1e-5)
    for row in (0, 1, 4):
        assert torch.equal(pool_states(module, states[row : row + 1], lengths[row : row + 1])[0], pooled[row])


@torch.no_grad()
@pytest.mark.parametrize(("features", "outputs"), [(1, 1), (7, 3), (8, 2), (129, 11)])
def test_outputs_are_those_of_standardised_features(features: int, outputs: int) -> None:
    """In double precision; a row alone to the bit."""
    torch.manual_seed(2)
    scaled, head, x = Standardize(features), nn.Linear(features, outputs), torch.randn(B, T, features)
    scaled.set_statistics(x.mean((0, 1)), x.std((0, 1)) + 0.1)
    answer = outputs_of(scaled, head, x)
    expected = nn.functional.linear(scaled(x).double(), head.weight.double(), head.bias.double())
    torch.testing.assert_close(answer, expected, rtol=0, atol=1e-13)
    assert torch.equal(outputs_of(scaled, head, x[3:4, 7:8])[0, 0], answer[3, 7])


def test_direct_features_are_the_last_inputs_and_their_means() -> None:
    """Padding is read nowhere, NaN or not."""
    x = torch.randn(B, T, 2)
    x[2, 9:] = torch.nan
    whole = direct_features(x, LENGTHS, per_step=False)
    for row, length in enumerate(LENGTHS.tolist()):
        valid = x[row, :length]
        torch.testing.assert_close(whole[row], torch.cat([valid[-1], valid.mean(0)]))
    assert torch.equal(direct_features(x[2:3, :9], LENGTHS[2:3], per_step=False)[0], whole[2])
    steps = direct_features(x, LENGTHS, per_step=True)
    assert torch.equal(steps[2, :9], x[2, :9])
    assert not steps[2, 9:].any()


@pytest.mark.parametrize("shape", [(1, 4, 3), (3, 4, 1), (2, 4, 5, 3), (2, 0, 3)])
def test_answers_are_means_over_the_networks(shape: tuple[int, ...]) -> None:
    """Of the softmax of logits, or of numbers."""
    outputs = torch.randn(shape, dtype=torch.float64) * 30
    expected = outputs.softmax(-1).mean(0).numpy()
    assert mean_answers(outputs, is_class=True) == pytest.approx(expected, abs=1e-15)
    assert mean_answers(outputs, is_class=False) == pytest.approx(outputs.mean(0).numpy(), abs=1e-14)
