"""Locked dropout: one mask for all steps; recurrent weights dropped once a call, on the kernels or not."""

import pytest
import torch

from unrolled.nn import GRU, LSTM, RNN
from unrolled.nn.modules.dropout import locked_dropout, run_with_weight_dropout


def test_a_mask_serves_all_steps_of_a_row_and_no_other_row() -> None:
    """The others are scaled so that the mean stays; evaluation and rate 0 change nothing."""
    torch.manual_seed(0)
    values = torch.ones(5, 3, 1000)
    dropped = locked_dropout(values, 0.25, is_training=True)
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert not torch.equal(dropped[0, 0], dropped[0, 1])
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert float(dropped.mean()) == pytest.approx(1, abs=0.05)
    assert locked_dropout(values, 0.25, is_training=False) is values
    assert locked_dropout(values, 0.0, is_training=True) is values


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_weight_dropout_equals_a_layer_with_those_weights(kind: type) -> None:
    """Outputs and gradients; dropped weights get no gradient, and the layer's own stay what they are."""
    torch.manual_seed(0)
    layer, x = kind(3, 5), torch.randn(7, 2, 3)
    weight = layer.weight_hh_l0.detach().clone()
    torch.manual_seed(1)
    output, _ = run_with_weight_dropout(layer, 0.4, x)
    output.square().sum().backward()
    torch.manual_seed(1)
    dropped = torch.nn.functional.dropout(weight, 0.4)
    twin = kind(3, 5)
    twin.load_state_dict(layer.state_dict() | {"weight_hh_l0": dropped})
    expected, _ = twin(x)
    expected.square().sum().backward()
    assert torch.equal(output, expected)
    assert torch.equal(layer.weight_hh_l0, weight)
    is_kept = dropped != 0
    assert is_kept.float().mean() < 1
    torch.testing.assert_close(
        layer.weight_hh_l0.grad, torch.where(is_kept, twin.weight_hh_l0.grad / 0.6, 0.0)
    )
    torch.testing.assert_close(layer.weight_ih_l0.grad, twin.weight_ih_l0.grad)


def test_nothing_is_dropped_in_evaluation() -> None:
    """And a state, lengths and resets are passed on."""
    layer, x = GRU(3, 5).eval(), torch.randn(7, 2, 3)
    resets = torch.zeros(2, 7, dtype=torch.bool)
    resets[0, 3] = True
    h = torch.randn(1, 2, 5)
    expected = layer(x, h, resets=resets)
    got = run_with_weight_dropout(layer, 0.9, x, h, resets=resets)
    assert torch.equal(got[0], expected[0])
    layer.train()
    assert not torch.equal(run_with_weight_dropout(layer, 0.9, x, h, resets=resets)[0], expected[0])
