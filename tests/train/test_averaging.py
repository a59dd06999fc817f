"""Averaged weights are those of the formula, and the network gets its own back."""

import pytest
import torch
from torch import nn

from unrolled.train.averaging import WeightAverage
from unrolled.train.config import AveragingConfig

VALUES = [3.0, -1.0, 4.0, 1.5, -2.0]


def _averaged(config: AveragingConfig) -> tuple[nn.Module, WeightAverage]:
    network = nn.Linear(1, 1)
    average = WeightAverage(network, config)
    for step, value in enumerate(VALUES):
        nn.init.constant_(network.weight, value)
        nn.init.constant_(network.bias, 10 * value)
        average.update(step)
    return network, average


@pytest.mark.parametrize("start_step", [0, 2])
@pytest.mark.parametrize("decay", [1.0, 0.6, 0.1])
def test_the_average_is_that_of_the_formula(decay: float, start_step: int) -> None:
    """A plain mean at first, then with the decay, from the first step that counts."""
    network, average = _averaged(AveragingConfig(decay, start_step))
    expected = 0.0
    for n, value in enumerate(VALUES[start_step:]):
        kept = min(decay, n / (n + 1))
        expected = kept * expected + (1 - kept) * value
    with average.applied():
        assert network.weight.item() == pytest.approx(expected, rel=1e-6)
        assert network.bias.item() == pytest.approx(10 * expected, rel=1e-6)
    assert (network.weight.item(), network.bias.item()) == (VALUES[-1], 10 * VALUES[-1])


def test_before_the_first_averaged_step_the_weights_are_their_own() -> None:
    """Nothing is averaged yet, not even the initial weights."""
    network, average = _averaged(AveragingConfig(1.0, start_step=len(VALUES)))
    with average.applied():
        assert network.weight.item() == VALUES[-1]


def test_the_weights_come_back_after_an_error() -> None:
    """A validation that fails leaves no averaged weights behind."""
    network, average = _averaged(AveragingConfig(1.0))
    with pytest.raises(ZeroDivisionError), average.applied():
        raise ZeroDivisionError
    assert network.weight.item() == VALUES[-1]


def test_a_saved_average_goes_on() -> None:
    """Its tensors and its count, in a new object."""
    network, average = _averaged(AveragingConfig(1.0))
    other = WeightAverage(network, AveragingConfig(1.0))
    other.load_tensors({name: tensor.clone() for name, tensor in average.tensors().items()})
    for each in (average, other):
        nn.init.constant_(network.weight, 9.0)
        each.update(len(VALUES))
    with average.applied():
        expected = network.weight.item()
    with other.applied():
        assert network.weight.item() == expected == pytest.approx((sum(VALUES) + 9) / 6)
    with pytest.raises(KeyError, match="average"):
        other.load_tensors({"weight": torch.zeros(1)})
