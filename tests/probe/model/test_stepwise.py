"""A layer in pieces is the layer."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from unrolled import ArgumentError, probe
from unrolled.nn import GRU, LSTM, RNN, CellLayer, Direction
from unrolled.nn.cells.core import GRUWeights
from unrolled.nn.cells.variants import ResetFirstGRUCell
from unrolled.nn.ops import fused
from unrolled.probe.model import stepwise
from unrolled.probe.model.layer_hook import LayerCall, capture_calls
from unrolled.probe.model.stepwise import run_stepwise

LENGTHS = torch.tensor([7, 3, 1, 5])
OPTIONS = [
    {},
    {"num_layers": 2},
    {"bidirectional": True},
    {"num_layers": 3, "bidirectional": True, "bias": False},
    {"layer_norm": True, "zoneout": 0.3},
]


def watch(layer: nn.Module, *args: object, **options: object) -> LayerCall:
    """One call of a layer."""
    with capture_calls(layer) as calls:
        layer(*args, **options)
    return calls[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_single_steps_equal_the_whole_run_to_the_bit(kind: type, options: dict, dtype: torch.dtype) -> None:
    """Outputs and final states, ragged, from a state that is not zero, and on the kernels."""
    layer = kind(3, 5, batch_first=True, **options).to(dtype).eval()
    depth = layer.num_layers * (1 + layer.bidirectional)
    hx = tuple(torch.randn(depth, 4, 5, dtype=dtype) for _ in range(1 + (kind is LSTM)))
    call = watch(layer, torch.randn(4, 7, 3, dtype=dtype), hx if kind is LSTM else hx[0], lengths=LENGTHS)
    output, final, runs = run_stepwise(call, LENGTHS)
    assert torch.equal(output, call.output)
    assert all(map(torch.equal, final, call.final))
    assert len(runs) == depth
    for run in runs:
        assert stepwise._choose_unroll(run.cell, run.weights, run.inputs) is fused.fused_unroll


@pytest.mark.parametrize("nonlinearity", ["relu", "prelu", "sigmoid", torch.sin])
def test_any_activation_runs_in_pieces(nonlinearity: object) -> None:
    """Those the kernels know and one that they do not."""
    layer = RNN(3, 5, nonlinearity=nonlinearity)
    call = watch(layer, torch.randn(7, 4, 3), lengths=LENGTHS)
    assert torch.equal(run_stepwise(call, LENGTHS)[0], call.output)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"proj_size": 2}])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_layers_of_torch_run_by_our_cells(kind: type, options: dict) -> None:
    """With their own weights, packed too; equal up to rounding."""
    if "proj_size" in options and kind is not nn.LSTM:
        options = {"bias": False}
    layer = kind(3, 5, **options, dtype=torch.float64)  # oneDNN warns of projections in float32
    x = torch.randn(7, 4, 3, dtype=torch.float64)
    for original in (x, pack_padded_sequence(x, LENGTHS, enforce_sorted=False)):
        call = watch(layer, original)
        output, final, _ = run_stepwise(call, LENGTHS)
        torch.testing.assert_close(output, call.output)
        for ours, theirs in zip(final, call.final, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_a_layer_of_any_cell_runs_in_pieces() -> None:
    """On the reference path, in both directions."""
    weights = [GRUWeights(torch.randn(15, 3), torch.randn(15, 5)) for _ in range(2)]
    cell = ResetFirstGRUCell()
    layer = CellLayer(3, [[Direction(cell, weights[0]), Direction(cell, weights[1], is_reverse=True)]])
    call = watch(layer, torch.randn(7, 4, 3), lengths=LENGTHS)
    output, _, runs = run_stepwise(call, LENGTHS)
    assert torch.equal(output, call.output)
    assert [run.name for run in runs] == ["forward", "in reverse"]


@pytest.mark.parametrize("is_reverse", [False, True])
def test_steps_are_counted_from_each_rows_own_end(is_reverse: bool) -> None:
    """`valid_steps` and `align_to_end` agree with the layer's own outputs, in the direction of travel."""
    layer = GRU(3, 5, batch_first=True, bidirectional=True)
    call = watch(layer, torch.randn(4, 7, 3), lengths=LENGTHS)
    run = run_stepwise(call, LENGTHS)[2][is_reverse]
    half = call.output[..., 5:] if is_reverse else call.output[..., :5]
    inputs, before, after, rows, steps = run.valid_steps()
    assert len(rows) == int(LENGTHS.sum())
    assert torch.equal(after[0], half[rows, steps])
    assert torch.equal(inputs, call.inputs[rows, steps])
    first = (steps == LENGTHS[rows] - 1) if is_reverse else steps == 0
    assert not before[0][first].any()
    every, is_valid = run.align_to_end([torch.stack([state.h for state in run.states])])
    for row, length in enumerate(LENGTHS.tolist()):
        half_states = half[row, :length]
        assert torch.equal(every[:length, row], half_states if is_reverse else half_states.flip(0))
        assert is_valid[:, row].tolist() == [k < length for k in range(7)]


class Loop(nn.Module):
    """Calls a cell of torch.nn once a step, and reads the last state or the mean of all."""

    def __init__(self, kind: type, *, mean: bool = False, start: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head = kind(2, 5), nn.Linear(5, 2)
        self.mean, self.start = mean, start

    def forward(self, x: Tensor) -> Tensor:
        zeros = torch.zeros(len(x), 5)
        is_lstm = isinstance(self.cell, nn.LSTMCell)
        state = ((zeros, zeros) if is_lstm else zeros) if self.start else None
        outputs = []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outputs.append(state[0] if is_lstm else state)
        states = torch.stack(outputs, 1)
        return self.head(states.mean(1) if self.mean else states[:, -1])


class Whole(nn.Module):
    """A layer with the weights of a loop over a cell."""

    def __init__(self, kind: type, loop: Loop) -> None:
        super().__init__()
        self.layer, self.head, self.mean = kind(2, 5, batch_first=True), loop.head, loop.mean
        weights = {f"{name}_l0": weight for name, weight in loop.cell.state_dict().items()}
        self.layer.load_state_dict(weights)

    def forward(self, x: Tensor) -> Tensor:
        states = self.layer(x)[0]
        return self.head(states.mean(1) if self.mean else states[:, -1])


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize(
    ("cell", "kind"), [(nn.RNNCell, nn.RNN), (nn.GRUCell, nn.GRU), (nn.LSTMCell, nn.LSTM)]
)
def test_a_loop_over_a_cell_is_probed_as_its_layer(
    cell: type, kind: type, *, start: bool, mean: bool
) -> None:
    """Memory, gradients and states are those of the layer with its weights."""
    loop = Loop(cell, mean=mean, start=start)
    layer = Whole(kind, loop)
    X = [np.random.default_rng(k).normal(size=(4 + k % 3, 2)) for k in range(12)]
    y = np.arange(12) % 2
    memories = [probe.memory(model, X) for model in (loop, layer)]
    np.testing.assert_allclose(memories[0].gradient, memories[1].gradient, rtol=1e-4)
    np.testing.assert_allclose(memories[0].state, memories[1].state, rtol=1e-4)
    assert memories[0].pooled == memories[1].pooled == mean
    flows = [probe.gradients(model, X, y).layers[0] for model in (loop, layer)]
    np.testing.assert_allclose(flows[0].norm, flows[1].norm, rtol=1e-4)
    np.testing.assert_allclose(flows[0].share, flows[1].share, rtol=1e-4)
    assert flows[0].lyapunov == pytest.approx(flows[1].lyapunov, abs=1e-4)
    states = [probe.states(model, X) for model in (loop, layer)]
    np.testing.assert_allclose(states[0].state, states[1].state, atol=1e-6)
    np.testing.assert_allclose(states[0].memory, states[1].memory, atol=1e-5)
    assert states[0].step.tolist() == states[1].step.tolist()


def test_a_cell_that_leaves_rows_out_is_refused() -> None:
    """Its states belong to no fixed rows."""

    class Shrinks(Loop):
        def forward(self, x: Tensor) -> Tensor:
            state = self.cell(x[:, 0])
            self.cell(x[:2, 1])
            return self.head(state)

    with pytest.raises(ArgumentError, match="ran on 2 to 3"):
        probe.memory(Shrinks(nn.GRUCell), torch.randn(3, 4, 2))


def test_a_loop_that_reads_the_batch_as_time_is_refused() -> None:
    """As a layer that is not made with batch_first."""

    class TimeFirst(Loop):
        def forward(self, x: Tensor) -> Tensor:
            state = None
            for step in x:
                state = self.cell(step, state)
            return self.head(state)[:1]

    with pytest.raises(ArgumentError, match="as time, it reads the first"):
        probe.memory(TimeFirst(nn.GRUCell), torch.randn(3, 4, 2))
