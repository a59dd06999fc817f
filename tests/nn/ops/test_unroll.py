"""Reference unroll with cells of its own: lengths, resets, directions, stacks, dropout and zoneout."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.nn import unroll, unroll_stack
from unrolled.nn.cells.core import GRUCell, GRUState, GRUWeights
from unrolled.nn.cells.zoneout import Zoneout


class Seen(NamedTuple):
    """What the cell below carries: the steps it has seen, spelt as digits, and how many they are."""

    digits: Tensor  # (B,)
    count: Tensor  # (B, 1, 1), to see that a state of any shape works


class Speller:
    """Writes each input behind what it has seen: after 1, 2, 3 the state is 123."""

    def initial_state(self, batch: int, weights: Tensor) -> Seen:
        return Seen(weights.new_zeros(batch), weights.new_zeros(batch, 1, 1))

    def step(self, x: Tensor, state: Seen, weights: Tensor) -> Seen:
        return Seen(weights * state.digits + x[:, 0], state.count + 1)

    def output(self, state: Seen) -> Tensor:
        return state.digits[:, None]


TEN = torch.tensor(10.0, dtype=torch.float64)


def spell(*rows: str, **more: object) -> tuple[list[list[int]], list[int], list[int]]:
    """Outputs a row, final states and counts of the speller over rows of digits."""
    inputs = torch.tensor([[int(digit) for digit in row] for row in rows], dtype=torch.float64).T[..., None]
    output, state = unroll(Speller(), inputs, TEN, **more)
    return (
        output[..., 0].T.int().tolist(),
        state.digits.int().tolist(),
        state.count.flatten().int().tolist(),
    )


def test_the_cell_steps_forward_through_time() -> None:
    """Each output is what was seen so far, and the state is the last."""
    assert spell("1234", "5678") == ([[1, 12, 123, 1234], [5, 56, 567, 5678]], [1234, 5678], [4, 4])


def test_in_reverse_outputs_stay_at_their_inputs() -> None:
    """The run starts at the end; the output beside input t has seen t and all that follows."""
    assert spell("1234", reverse=True) == ([[4321, 432, 43, 4]], [4321], [4])


@pytest.mark.parametrize("as_given", [list, tuple, torch.tensor])
def test_each_row_ends_at_its_length(as_given: type) -> None:
    """Zero beyond the end, the state from the end, in any order, a row of nothing included."""
    actual = spell("1234", "5678", "9999", lengths=as_given([2, 4, 0]))
    assert actual == ([[1, 12, 0, 0], [5, 56, 567, 5678], [0, 0, 0, 0]], [12, 5678, 0], [2, 4, 0])


def test_in_reverse_each_row_starts_at_its_last_step() -> None:
    """Not at the end of the padding."""
    actual = spell("1234", "5678", "9999", lengths=[2, 4, 0], reverse=True)
    assert actual == ([[21, 2, 0, 0], [8765, 876, 87, 8], [0, 0, 0, 0]], [21, 8765, 0], [2, 4, 0])


STARTS = torch.tensor([[False, False, True, False], [True, True, False, True]])


def test_a_reset_starts_a_new_segment() -> None:
    """Step t sees nothing from before it where resets[t] is true."""
    assert spell("1234", "5678", resets=STARTS) == ([[1, 12, 3, 34], [5, 6, 67, 8]], [34, 8], [2, 1])


def test_resets_in_reverse_keep_the_same_segments() -> None:
    """12 | 34 and 5 | 67 | 8, read backwards; the reset at step 0 takes nothing away."""
    actual = spell("1234", "5678", resets=STARTS, reverse=True)
    assert actual == ([[21, 2, 43, 4], [5, 76, 7, 8]], [21, 5], [2, 1])


@pytest.mark.parametrize("reverse", [False, True])
def test_resets_in_the_padding_have_no_effect(reverse: bool) -> None:
    """Neither the state given nor the state carried is lost to them."""
    start = Seen(torch.tensor([9.0, 9.0], dtype=torch.float64), torch.ones(2, 1, 1, dtype=torch.float64))
    resets = torch.tensor([[False, False, True, True], [True, True, True, True]])
    actual = spell("1234", "5678", state=start, lengths=[2, 0], resets=resets, reverse=reverse)
    assert actual == (
        [[921, 92, 0, 0] if reverse else [91, 912, 0, 0], [0] * 4],
        [921 if reverse else 912, 9],
        [3, 1],
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_without_steps_the_initial_state_is_returned(reverse: bool) -> None:
    """T = 0: an output with no step, in the right shape and dtype, and the state that was given."""
    start = Seen(torch.tensor([7.0, 8.0], dtype=torch.float64), torch.ones(2, 1, 1, dtype=torch.float64))
    output, state = unroll(Speller(), torch.zeros(0, 2, 1).double(), TEN, start, reverse=reverse)
    assert output.shape == (0, 2, 1)
    assert output.dtype == torch.float64
    assert state is start


def test_a_stack_concatenates_directions() -> None:
    """The second layer reads forward and reverse outputs side by side."""
    weights = [[GRUWeights(torch.randn(12, f), torch.randn(12, 4)) for _ in "ab"] for f in (3, 8)]
    x = torch.randn(5, 2, 3)
    output, states = unroll_stack(GRUCell(), x, weights, lengths=[5, 3])
    for layer, ended in zip(weights, states, strict=True):
        ran = [unroll(GRUCell(), x, w, lengths=[5, 3], reverse=d == 1) for d, w in enumerate(layer)]
        x = torch.cat([out for out, _ in ran], dim=-1)
        assert all(torch.equal(a.h, b.h) for a, (_, b) in zip(ended, ran, strict=True))
    assert torch.equal(output, x)


def test_dropout_lies_between_layers_only() -> None:
    """All dropped, the second layer sees zeros; a single layer is left alone."""
    weights = [[GRUWeights(torch.randn(12, f), torch.randn(12, 4))] for f in (3, 4)]
    x = torch.randn(5, 2, 3)
    dropped, _ = unroll_stack(GRUCell(), x, weights, dropout=1.0)
    assert torch.equal(dropped, unroll(GRUCell(), torch.zeros(5, 2, 4), weights[1][0])[0])
    assert torch.equal(
        unroll_stack(GRUCell(), x, weights[:1], dropout=1.0)[0], unroll(GRUCell(), x, weights[0][0])[0]
    )


def test_states_start_each_layer_and_direction() -> None:
    """Each gets its own."""
    weights = [[GRUWeights(torch.randn(12, 3), torch.randn(12, 4)) for _ in "ab"]]
    x, starts = torch.randn(5, 2, 3), [GRUState(torch.randn(2, 4)) for _ in "ab"]
    output, _ = unroll_stack(GRUCell(), x, weights, [starts])
    forward, _ = unroll(GRUCell(), x, weights[0][0], starts[0])
    backward, _ = unroll(GRUCell(), x, weights[0][1], starts[1], reverse=True)
    assert torch.equal(output, torch.cat([forward, backward], dim=-1))


def test_second_derivatives_exist() -> None:
    """With lengths and resets, against finite differences of the first."""
    weights = GRUWeights(torch.randn(6, 3).double(), torch.randn(6, 2).double())

    def run(x: Tensor, w_ih: Tensor, w_hh: Tensor) -> Tensor:
        return unroll(GRUCell(), x, GRUWeights(w_ih, w_hh), lengths=[3, 1], resets=STARTS[:, :3])[0]

    inputs = [torch.randn(3, 2, 3).double(), weights.weight_ih, weights.weight_hh]
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


def test_the_graph_grows_with_the_steps_and_no_faster() -> None:
    """Twice the steps make twice the autograd nodes, none of them the size of the whole input."""

    def nodes(T: int) -> int:
        x = torch.randn(T, 2, 3, requires_grad=True)
        output, _ = unroll(GRUCell(), x, GRUWeights(torch.randn(12, 3), torch.randn(12, 4)), lengths=[T, 1])
        seen, todo = set(), [output.grad_fn]
        while todo:
            node = todo.pop()
            if node is not None and node not in seen:
                seen.add(node)
                todo += [child for child, _ in node.next_functions]
        assert sum("Select" in type(node).__name__ for node in seen) == 0
        return len(seen)

    assert nodes(16) - nodes(8) == nodes(24) - nodes(16)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"lengths": [1, 2, 3]}, "unroll lengths: expected 2 numbers, one a row; got shape (3,)."),
        ({"resets": STARTS.T}, "unroll resets: expected shape (2, 4), which is (B, T), whatever batch_first"),
    ],
)
def test_bad_arguments_are_refused(more: dict[str, object], sentence: str) -> None:
    """In the sentences that the layers use."""
    with pytest.raises(ArgumentError) as refused:
        spell("1234", "5678", **more)
    assert str(refused.value).startswith(sentence)


def test_recurrent_dropout_needs_a_step_that_takes_it() -> None:
    """By name; one that takes the mask is given it."""

    class Taught(Speller):
        def step(self, x: Tensor, state: Seen, weights: Tensor, dropped: Tensor | None = None) -> Seen:
            assert dropped is not None
            return super().step(x, state._replace(digits=state.digits * dropped), weights)

    inputs, mask = torch.ones(4, 2, 1).double(), torch.tensor([1.0, 0.0], dtype=torch.float64)
    with pytest.raises(ArgumentError) as refused:
        unroll(Speller(), inputs, TEN, dropped=mask)
    assert str(refused.value) == (
        "unroll dropped: expected a cell whose step takes dropped=, got Speller."
        " Let its step multiply h by the mask where h enters the recurrent weights."
    )
    assert unroll(Taught(), inputs, TEN, dropped=mask)[1].digits.tolist() == [1111.0, 1.0]


def test_zoneout_holds_any_state() -> None:
    """Parts of any shape, each with its rate: digits always move, the count never does."""
    for seed in (3, None):
        actual = spell("1234", "5678", zoneout=Zoneout((0.0, 1.0), seed))
        assert actual == ([[1, 12, 123, 1234], [5, 56, 567, 5678]], [1234, 5678], [0, 0])
    output, state = unroll(Speller(), torch.zeros(3, 0, 1).double(), TEN, zoneout=Zoneout((0.5, 0.5), 1))
    assert (output.shape, state.count.shape) == ((3, 0, 1), (0, 1, 1))


def test_a_flat_input_is_refused() -> None:
    """There must be steps and rows."""
    with pytest.raises(ArgumentError, match=r"unroll inputs: expected \(T, B, F\), got shape \(3,\)"):
        unroll(Speller(), torch.zeros(3), TEN)
