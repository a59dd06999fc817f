"""A single output is a probability or a logit by how it was computed, and refused where that says nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled import ArgumentError, probe
from unrolled.probe.model.adapter import as_probed_model

from .conftest import RAGGED, Last

Y = [0, 1, 1, 0, 1]


class Ended(Last):
    """One output, to which a function is applied."""

    def __init__(
        self, end: Callable[[Tensor], Tensor], *, per_step: bool = False, scale: float = 1.0
    ) -> None:
        super().__init__(answers=1)
        self.end, self.per_step = end, per_step
        with torch.no_grad():
            self.head.weight *= scale

    def forward(self, x: Tensor) -> Tensor:
        output = self.core(x)[0]
        return self.end(self.head(output if self.per_step else output[:, -1]))


ENDS = {
    "module": nn.Sigmoid(),
    "function": torch.sigmoid,
    "squeezed": lambda x: torch.sigmoid(x).squeeze(-1),
    "flattened": lambda x: torch.sigmoid(x.flatten()),
    "clamped": lambda x: torch.sigmoid(x).clamp(1e-7, 1 - 1e-7),
    "double": lambda x: torch.sigmoid(x).double(),
    "complement": lambda x: 1 - torch.sigmoid(-x),
    "a tuple": lambda x: (torch.sigmoid(x), x),
    "softmax": lambda x: torch.cat([torch.zeros_like(x), x], -1).softmax(-1)[..., 1],
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_single_probability_is_recognised(end: Any) -> None:
    """Losses, answers and gradients are those of the logit, whatever shape follows the sigmoid."""
    module, plain = Ended(end, scale=5), Ended(nn.Identity())
    plain.load_state_dict(module.state_dict())
    probed, expected = (as_probed_model(each, RAGGED, Y) for each in (module, plain))
    assert probed.gives_probabilities
    assert not expected.gives_probabilities
    np.testing.assert_allclose(probed.score().losses, expected.score().losses, rtol=1e-4)
    assert probed.score().predictions.tolist() == expected.score().predictions.tolist()
    for each in (probed, expected):
        each.losses(each.outputs()).sum().backward()
    torch.testing.assert_close(
        module.core.weight_hh_l0.grad, plain.core.weight_hh_l0.grad, rtol=1e-3, atol=1e-6
    )


def test_probabilities_of_steps_are_recognised() -> None:
    """Beyond a sequence's end they are not looked at."""
    y = [np.arange(len(x)) % 2 for x in RAGGED]
    module, plain = Ended(nn.Sigmoid(), per_step=True), Ended(nn.Identity(), per_step=True)
    plain.load_state_dict(module.state_dict())
    probed, expected = (as_probed_model(each, RAGGED, y) for each in (module, plain))
    assert probed.gives_probabilities
    np.testing.assert_allclose(probed.score().losses, expected.score().losses, rtol=1e-4)


@pytest.mark.parametrize("end", [nn.Identity(), lambda x: x * 0.1 + 0.4, lambda x: (x * 0.1 + 0.4)[:, 0]])
def test_a_linear_output_is_a_logit(end: Any) -> None:
    """Also where all of them lie from 0 to 1."""
    assert not as_probed_model(Ended(end), RAGGED, Y).gives_probabilities


def test_numbers_beyond_one_are_logits() -> None:
    """Whatever they come out of."""
    assert not as_probed_model(Ended(lambda x: torch.sigmoid(x) * 3 - 1), RAGGED, Y).gives_probabilities
    assert not as_probed_model(Ended(lambda x: 5 * x.exp()), RAGGED, Y).gives_probabilities


@pytest.mark.parametrize(
    "end",
    [
        lambda x: x.clamp(0, 1),
        lambda x: x.tanh() ** 2,
        lambda x: torch.sigmoid(x.detach()).detach(),
        lambda x: 1 / (1 + (-x).exp()),
    ],
)
def test_what_cannot_be_told_is_refused(end: Any) -> None:
    """The way out works."""
    with pytest.raises(
        ArgumentError, match=r"order: expected a single output that is a logit .* torch\.sigmoid"
    ):
        probe.order(Ended(end), RAGGED * 4, Y * 4)
    as_probed_model(Ended(torch.sigmoid), RAGGED, Y)
