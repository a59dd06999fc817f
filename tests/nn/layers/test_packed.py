"""PackedSequence inputs against torch.nn, in the caller's order."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import unrolled.nn as un

F, H = 3, 5
TWINS = {"rnn": (un.RNN, torch.nn.RNN), "gru": (un.GRU, torch.nn.GRU), "lstm": (un.LSTM, torch.nn.LSTM)}
every_twin = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
LENGTHS = {
    "sorted": [7, 5, 2, 1],
    "unsorted": [2, 7, 1, 5],
    "ties": [3, 7, 3, 7, 3],
    "equal": [4, 4],
    "one": [6],
}
every_lengths = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)


def both(twin: Any, **more: Any) -> tuple[Any, Any]:
    """Ours and torch's with the same weights."""
    ours, torchs = (layer(F, H, dtype=torch.float64, **more) for layer in twin)
    ours.load_state_dict(torchs.state_dict())
    return ours, torchs


def packed_of(lengths: list[int]) -> tuple[PackedSequence, list[Tensor]]:
    """Rows of these lengths, packed, and what they are made of, ready for gradients."""
    rows = [torch.randn(n, F, dtype=torch.float64, requires_grad=True) for n in lengths]
    return pack_sequence(rows, enforce_sorted=lengths == sorted(lengths, reverse=True)), rows


def states(state: Any) -> tuple[Tensor, ...]:
    """The parts of a state."""
    return state if isinstance(state, tuple) else (state,)


@every_twin
@every_lengths
@pytest.mark.parametrize("with_hx", [False, True])
def test_outputs_and_gradients_equal_torchs(twin: Any, lengths: list[int], with_hx: bool) -> None:
    """Data, batch sizes and indices of the output; the final state and the gradients row by row."""
    ours, torchs = both(twin, num_layers=2, bidirectional=True)
    packed, rows = packed_of(lengths)
    hx: Any = None
    if with_hx:
        parts = tuple(torch.randn(4, len(lengths), H, dtype=torch.float64) for _ in states(torchs(packed)[1]))
        hx = parts if len(parts) > 1 else parts[0]
    results = []
    for layer in (ours, torchs):
        output, state = layer(packed, hx)
        assert isinstance(output, PackedSequence)
        for before, after in zip(packed[1:], output[1:], strict=True):  # batch sizes and both indices
            assert (before is None and after is None) or torch.equal(before, after)
        goal = (output.data * torch.linspace(-1, 1, output.data.numel()).view_as(output.data)).sum()
        goal = goal + sum(
            (part * torch.linspace(0, 1, part.numel()).view_as(part)).sum() for part in states(state)
        )
        expected = torch.autograd.grad(goal, [*rows, *layer.parameters()], retain_graph=True)
        results.append([output.data, *states(state), *expected])
    for actual, expected_part in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected_part, rtol=0, atol=1e-12)


@every_twin
def test_batch_first_makes_no_difference(twin: Any) -> None:
    """As in torch: a PackedSequence has no such axis."""
    ours, _ = both(twin)
    first = type(ours)(F, H, batch_first=True, dtype=torch.float64)
    first.load_state_dict(ours.state_dict())
    packed, _ = packed_of(LENGTHS["unsorted"])
    assert torch.equal(first(packed)[0].data, ours(packed)[0].data)


def test_packed_equals_lengths_with_resets_in_the_callers_order() -> None:
    """Packing a padded batch is the same as giving its lengths, resets included."""
    layer, x = un.GRU(F, H, batch_first=True), torch.randn(4, 7, F)
    lengths, resets = LENGTHS["unsorted"], torch.rand(4, 7) < 0.4
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    output, h_n = layer(packed, resets=resets)
    expected, expected_h = layer(x, lengths=lengths, resets=resets)
    again = pack_padded_sequence(expected, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    assert torch.equal(output.data, again.data)
    assert torch.equal(h_n, expected_h)


def test_explain_of_packed_equals_explain_of_lengths() -> None:
    """Ragged rows are ragged however they come; rows of one length are dense."""
    layer = un.GRU(F, H, dtype=torch.float64)
    for name, lengths in LENGTHS.items():
        padded = torch.zeros(max(lengths), len(lengths), F, dtype=torch.float64)
        packed, _ = packed_of(lengths)
        assert layer.explain(packed) == layer.explain(padded, lengths=lengths), name


def test_packed_sequence_is_not_changed() -> None:
    """Neither its data nor its indices are written to."""
    packed, _ = packed_of(LENGTHS["unsorted"])
    copies = [part.detach().clone() for part in packed]
    un.LSTM(F, H, dtype=torch.float64)(packed)
    assert all(torch.equal(a, b) for a, b in zip(packed, copies, strict=True))


def test_another_default_device_changes_nothing() -> None:
    """Under `torch.device` a PackedSequence of the CPU is answered as without it."""
    layer, (packed, _) = un.GRU(F, H, dtype=torch.float64), packed_of(LENGTHS["unsorted"])
    expected = layer(packed)
    with torch.device("meta"):
        output, h_n = layer(packed)
    assert torch.equal(output.data, expected[0].data)
    assert torch.equal(h_n, expected[1])
