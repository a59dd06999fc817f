"""Streams of every layer: each cell and option, stepped, equals its own run over all steps."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels
from unrolled.nn.cells.core import GRUWeights
from unrolled.nn.cells.variants import ResetFirstGRUCell

pytestmark = [
    pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed"),
    pytest.mark.filterwarnings("ignore:LSTM with projections"),
]

CELLS: dict[str, tuple[Any, dict[str, Any]]] = {
    **{f"rnn-{name}": (un.RNN, {"nonlinearity": name}) for name in un.cells.NONLINEARITIES},
    "gru": (un.GRU, {}),
    "lstm": (un.LSTM, {}),
    "lstm-two-rates": (un.LSTM, {"zoneout": (0.3, 0.1)}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no-bias": {"bias": False},
    "norm": {"layer_norm": True},
    "zoneout": {"zoneout": 0.2},
    "stacked": {"num_layers": 3, "dropout": 0.4, "recurrent_dropout": 0.3},
    "all": {"num_layers": 2, "layer_norm": True, "zoneout": 0.2, "dtype": torch.float64},
}
SIZES = [(3, 5), (8, 64), (40, 33)]  # F, H
BATCHES = (1, 2, 15, 131)  # alone; few rows; more than a tile; more than are stepped together
every_cell = pytest.mark.parametrize("cell", CELLS)
every_option = pytest.mark.parametrize("option", OPTIONS)


def build(cell: str, option: str, F: int = 3, H: int = 5) -> Any:
    """The layer with weights drawn anew, at inference."""
    torch.manual_seed(3)
    kind, more = CELLS[cell]
    return kind(F, H, **{**OPTIONS[option], **more}).eval()


def as_parts(state: Any) -> tuple[Tensor, ...]:
    """The parts of a state."""
    return state if isinstance(state, tuple) else (state,)


@torch.no_grad()
@every_cell
@every_option
def test_a_stream_equals_the_run_over_all_steps_bit_for_bit(
    cell: str, option: str, instruction_set: str
) -> None:
    """Outputs and last state, whatever the batch size."""
    assert instruction_set == kernels.build_info()["instruction_set"]
    for F, H in SIZES if option == "plain" else SIZES[:1]:
        layer = build(cell, option, F, H)
        for B in BATCHES if option == "plain" else BATCHES[1:3]:
            x = torch.randn(5, B, F, dtype=layer.weight_ih_l0.dtype)
            whole, last = layer(x)
            stream = layer.stream(B)
            answers = [stream.step(x_t) for x_t in x[:3]]
            assert torch.equal(torch.cat([torch.stack(answers), stream.steps(x[3:])]), whole)
            assert all(map(torch.equal, as_parts(stream.state), as_parts(last)))


@torch.no_grad()
@settings(max_examples=30)
@given(
    cell=st.sampled_from(["rnn-elu", "gru", "lstm"]),
    option=st.sampled_from(list(OPTIONS)),
    batch_size=st.sampled_from(BATCHES[:3]),
    pieces=st.lists(st.integers(0, 4), max_size=6),
)
def test_any_split_into_calls_gives_the_same_bits(
    cell: str, option: str, batch_size: int, pieces: list[int]
) -> None:
    """Pieces of any lengths, none among them; a piece of one is a step, and each is peeked at first."""
    layer = build(cell, option)
    x = torch.randn(sum(pieces), batch_size, 3, dtype=layer.weight_ih_l0.dtype)
    stream, answers = layer.stream(batch_size), []
    for piece in x.split(pieces):
        if len(piece) == 1:
            peeked = stream.peek(piece[0])
            answers.append(stream.step(piece[0])[None])
            assert torch.equal(peeked, answers[-1][0])
        else:
            answers.append(stream.steps(piece))
    whole, last = layer(x)
    assert not pieces or torch.equal(torch.cat(answers), whole)
    assert all(map(torch.equal, as_parts(stream.state), as_parts(last)))


@torch.no_grad()
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_threads_change_no_bit(cell: str) -> None:
    """Rows that are dealt to threads have the answers of one thread."""
    layer, x = build(cell, "plain", 8, 64), torch.randn(4, 700, 8)
    answers = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        answers.append(layer.stream(700).steps(x))
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


def _reset_first() -> un.CellLayer:
    weights = [GRUWeights(torch.randn(15, width), torch.randn(15, 5)) for width in (3, 5)]
    return un.CellLayer(3, [[un.Direction(ResetFirstGRUCell(), each)] for each in weights])


@torch.no_grad()
@pytest.mark.parametrize(
    "build_layer",
    [
        lambda: un.LSTM(3, 5, proj_size=2, num_layers=2, zoneout=0.2),
        lambda: un.RNN(3, 5, nonlinearity=torch.sin, num_layers=2),
        lambda: un.GRU(3, 5, dtype=torch.bfloat16),
        _reset_first,
    ],
    ids=["projection", "callable", "bfloat16", "own cell"],
)
def test_layers_that_the_kernels_do_not_run_are_stepped_by_their_cells(build_layer: Any) -> None:
    """Equal to the layer's run up to rounding: torch multiplies other sizes in another order."""
    torch.manual_seed(4)
    layer = build_layer().eval()
    dtype = next(layer.parameters()).dtype
    x = torch.randn(6, 2, 3, dtype=dtype)
    stream = layer.stream(2)
    answers = torch.cat([stream.step(x[0])[None], stream.steps(x[1:5]), stream.step(x[5])[None]])
    whole, last = layer(x)
    tolerance = 1e-2 if dtype is torch.bfloat16 else 1e-6
    torch.testing.assert_close(answers, whole, rtol=0, atol=tolerance)
    for part, expected in zip(as_parts(stream.state), as_parts(last), strict=True):
        torch.testing.assert_close(part, expected, rtol=0, atol=tolerance)
