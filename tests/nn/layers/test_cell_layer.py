"""CellLayer: equality with GRU and LSTM, inputs, errors, explain."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import unrolled.nn as un
from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, LSTMWeights, RNNCell, RNNWeights
from unrolled.nn.cells.variants import ResetFirstGRUCell

T, B, F, H = 6, 4, 3, 5


def twin(layer: Any) -> un.CellLayer:
    """A CellLayer of the cells and weights of a GRU or LSTM."""
    cell, kind = (GRUCell(), GRUWeights) if isinstance(layer, un.GRU) else (LSTMCell(), LSTMWeights)
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    layers = [
        [
            un.Direction(cell, kind(*(getattr(layer, f"{f}_l{k}{way}") for f in kind._fields[:4])), way != "")
            for way in directions
        ]
        for k in range(layer.num_layers)
    ]
    return un.CellLayer(layer.input_size, layers, batch_first=layer.batch_first)


@pytest.mark.parametrize("kind", [un.GRU, un.LSTM])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("with_state", [True, False])
def test_cell_layer_equals_gru_and_lstm(kind: type, batch_first: bool, with_state: bool) -> None:
    """Stacked, both directions, ragged, with resets and a state to start from."""
    layer = kind(F, H, num_layers=2, bidirectional=True, batch_first=batch_first)
    x = torch.randn((B, T, F) if batch_first else (T, B, F))
    parts = tuple(torch.randn(4, B, H) for _ in range(2 if kind is un.LSTM else 1))
    hx = None if not with_state else parts if len(parts) > 1 else parts[0]
    more = {"lengths": [6, 0, 3, 5], "resets": torch.rand(B, T) < 0.3}
    torch.testing.assert_close(twin(layer)(x, hx, **more), layer(x, hx, **more), rtol=0, atol=1e-6)
    torch.testing.assert_close(twin(layer)(x, hx), layer(x, hx), rtol=0, atol=1e-6)


def test_cell_layer_takes_unbatched_packed_and_autocast_inputs() -> None:
    """No batch axis, a PackedSequence, autocast."""
    layer = un.GRU(F, H)
    ours, x = twin(layer), torch.randn(T, B, F)
    torch.testing.assert_close(ours(x[:, 0]), layer(x[:, 0]), rtol=0, atol=1e-6)
    packed = pack_padded_sequence(x, [6, 1, 3, 5], enforce_sorted=False)
    actual, expected = ours(packed)[0], layer(packed)[0]
    assert isinstance(actual, PackedSequence)
    torch.testing.assert_close(actual.data, expected.data, rtol=0, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(x)[0].dtype == torch.bfloat16


def test_weights_are_parameters_with_torchs_names() -> None:
    """They are copies, train, and survive saving, pickle and a deep copy."""
    layer = un.GRU(F, H, bidirectional=True)
    ours, x = twin(layer), torch.randn(T, B, F)
    assert set(ours.state_dict()) == set(layer.state_dict())
    ours(x)[0].sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in ours.parameters())
    assert all(weight.grad is None for weight in layer.parameters())
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(other(x)[0], ours(x)[0])


def test_single_reverse_direction_equals_half_of_bidirectional() -> None:
    """One direction that starts at each row's own end is the second half of a bidirectional layer."""
    layer = un.GRU(F, H, bidirectional=True)
    (both,) = twin(layer).directions()
    alone, x = un.CellLayer(F, [[both[1]]]), torch.randn(T, B, F)
    assert both[1].is_reverse
    actual, expected = alone(x, lengths=[6, 2, 3, 1]), layer(x, lengths=[6, 2, 3, 1])
    torch.testing.assert_close(actual[0], expected[0][..., H:], rtol=0, atol=1e-6)
    torch.testing.assert_close(actual[1], expected[1][1:], rtol=0, atol=1e-6)


def test_invalid_layers_and_inputs_raise() -> None:
    """No layer, three directions, states of two sizes; and a wrong input, as every layer refuses it."""
    (way,) = twin(un.GRU(F, H)).directions()[0]
    (wide,) = twin(un.GRU(F, 7)).directions()[0]
    with pytest.raises(ArgumentError, match=r"expected one or two directions in each, got \[\]"):
        un.CellLayer(F, [])
    with pytest.raises(ArgumentError, match=r"expected one or two directions in each, got \[3\]"):
        un.CellLayer(F, [[way, way, way]])
    with pytest.raises(ArgumentError, match="expected states of one size"):
        un.CellLayer(F, [[way, wide]])
    with pytest.raises(ArgumentError, match="CellLayer input: the last axis must be input_size=3"):
        un.CellLayer(F, [[way]])(torch.randn(T, B, F + 1))
    with pytest.raises(ArgumentError, match="CellLayer hx: expected shape"):
        un.CellLayer(F, [[way]])(torch.randn(T, B, F), torch.randn(2, B, H))


def test_repr_and_explain_name_the_cells() -> None:
    """Both name ResetFirstGRUCell and the reverse direction."""
    weights = GRUWeights(torch.randn(3 * H, F), torch.randn(3 * H, H))
    layer = un.CellLayer(F, [[un.Direction(ResetFirstGRUCell(), weights, is_reverse=True)]], batch_first=True)
    assert "ResetFirstGRUCell(" in repr(layer)
    assert "in reverse, batch_first=True" in repr(layer)
    assert str(layer.explain()) == "reference: the kernels do not have ResetFirstGRUCell."


def test_explain_gives_a_reason_for_each_cell() -> None:
    """Cells without a kernel are listed once each; fusible cells run in Python too."""
    gru = GRUWeights(torch.randn(3 * H, F), torch.randn(3 * H, H))
    rnn = RNNWeights(torch.randn(H, F), torch.randn(H, H))
    lstm = LSTMWeights(torch.randn(4 * H, F), torch.randn(4 * H, 2), weight_hr=torch.randn(2, H))

    def said(*directions: un.Direction) -> str:
        return str(un.CellLayer(F, [directions]).explain())

    left_out = "a CellLayer runs every cell in Python, GRUCell too, which the kernels have."
    assert said(un.Direction(GRUCell(), gru, True)) == f"reference: {left_out}"
    both = said(un.Direction(ResetFirstGRUCell(), gru), un.Direction(GRUCell(), gru, True))
    assert both == f"reference: the kernels do not have ResetFirstGRUCell; {left_out}"
    missing = "reference: the kernels do not have"
    assert said(un.Direction(RNNCell(torch.sin), rnn)) == f"{missing} RNNCell with a callable."
    assert said(*2 * [un.Direction(LSTMCell(), lstm)]) == f"{missing} LSTMCell with a projection."
