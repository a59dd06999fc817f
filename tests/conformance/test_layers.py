"""Every recurrent layer, over every option, against a slow loop written from the formulas alone."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import unrolled.nn as un

TOLERANCE = 1e-12  # float64: sums of a few dozen products in another order, over up to 17 steps

F, H, P, B = 3, 5, 2, 4  # every axis a different size
Array = NDArray[np.float64]


def _bump(a: Tensor) -> Tensor:
    return (-a * a).exp()


class Case(NamedTuple):
    """One layer and its settings."""

    layer: type
    settings: dict[str, Any]

    def build(self, **more: Any) -> Any:
        """The layer in float64, its weights drawn anew."""
        torch.manual_seed(11)
        made = self.layer(F, H, **{"dtype": torch.float64, **self.settings, **more})
        with torch.no_grad():  # wide weights, so that gates and activations leave their linear part
            for weight in made.parameters():
                weight.uniform_(-1.2, 1.2)
        return made


CELLS = {
    "rnn-tanh": Case(un.RNN, {}),
    "rnn-relu": Case(un.RNN, {"nonlinearity": "relu"}),
    "rnn-leaky_relu": Case(un.RNN, {"nonlinearity": "leaky_relu"}),
    "rnn-prelu": Case(un.RNN, {"nonlinearity": "prelu"}),
    "rnn-sigmoid": Case(un.RNN, {"nonlinearity": "sigmoid"}),
    "rnn-identity": Case(un.RNN, {"nonlinearity": "identity"}),
    "rnn-softsign": Case(un.RNN, {"nonlinearity": "softsign"}),
    "rnn-elu": Case(un.RNN, {"nonlinearity": "elu"}),
    "rnn-hardtanh": Case(un.RNN, {"nonlinearity": "hardtanh"}),
    "rnn-callable": Case(un.RNN, {"nonlinearity": _bump}),
    "gru": Case(un.GRU, {}),
    "lstm": Case(un.LSTM, {}),
    "lstm-projected": Case(un.LSTM, {"proj_size": P}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no-bias": {"bias": False},
    "bidirectional": {"bidirectional": True},
    "stacked": {"num_layers": 3, "batch_first": True},
    "all": {"num_layers": 2, "bidirectional": True, "batch_first": True},
}
every_cell = pytest.mark.parametrize("case", CELLS.values(), ids=CELLS)
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's oneDNN has none


def test_the_table_is_complete() -> None:
    """Every layer that unrolled.nn exports is swept, and every activation that has a name."""
    exported = {item for name in un.__all__ if isinstance(item := getattr(un, name), type)}
    layers = {item for item in exported if issubclass(item, torch.nn.Module)}
    layers -= {un.CellLayer, un.ConvGRU, un.ConvLSTM}  # tests/nn/layers hold them against their cells
    assert {case.layer for case in CELLS.values()} == layers
    named = {f"rnn-{name}" for name in un.cells.NONLINEARITIES}
    assert named <= set(CELLS)


# ---- the slow loop: one row, one step, one formula at a time, in NumPy

_PHI: dict[Any, Callable[[Array, float], Array]] = {
    "tanh": lambda a, _: np.tanh(a),
    "relu": lambda a, _: np.maximum(a, 0),
    "leaky_relu": lambda a, _: np.where(a > 0, a, 0.01 * a),
    "prelu": lambda a, slope: np.where(a > 0, a, slope * a),
    "sigmoid": lambda a, _: 1 / (1 + np.exp(-a)),
    "identity": lambda a, _: a,
    "softsign": lambda a, _: a / (1 + np.abs(a)),
    "elu": lambda a, _: np.where(a > 0, a, np.exp(a) - 1),
    "hardtanh": lambda a, _: np.clip(a, -1, 1),
    _bump: lambda a, _: np.exp(-a * a),
}
_SIGMA = _PHI["sigmoid"]


def _slow_step(layer: Any, w: dict[str, Array], x: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
    """One step of one row, as the papers write it."""
    h = state[0]
    none = np.zeros(len(w["weight_hh"]))
    from_x, from_h = w["weight_ih"] @ x + w.get("bias_ih", none), w["weight_hh"] @ h + w.get("bias_hh", none)
    if isinstance(layer, un.RNN):
        return (_PHI[layer.nonlinearity](from_x + from_h, w.get("slope", none)[0]),)
    if isinstance(layer, un.GRU):
        r = _SIGMA(from_x[:H] + from_h[:H], 0)
        z = _SIGMA(from_x[H : 2 * H] + from_h[H : 2 * H], 0)
        n = np.tanh(from_x[2 * H :] + r * from_h[2 * H :])
        return ((1 - z) * n + z * h,)
    a = from_x + from_h
    i, f, g, o = _SIGMA(a[:H], 0), _SIGMA(a[H : 2 * H], 0), np.tanh(a[2 * H : 3 * H]), _SIGMA(a[3 * H :], 0)
    c = f * state[1] + i * g
    h = o * np.tanh(c)
    return (w["weight_hr"] @ h if "weight_hr" in w else h, c)


def _slow_row(
    layer: Any, w: dict[str, Array], x: Array, state: tuple[Array, ...], cuts: list[int], *, reverse: bool
) -> tuple[list[Array], tuple[Array, ...]]:
    """One row in one direction, segment by segment; only the first one run sees the state given."""
    edges = [0, *[cut for cut in cuts if cut > 0], len(x)]
    segments = [list(range(a, b)) for a, b in pairwise(edges)]
    if reverse:
        segments = [steps[::-1] for steps in segments[::-1]]
    elif 0 in cuts:
        state = tuple(np.zeros_like(part) for part in state)
    outputs: dict[int, Array] = {}
    for k, steps in enumerate(segments):
        state = tuple(np.zeros_like(part) for part in state) if k > 0 else state
        for t in steps:
            state = _slow_step(layer, w, x[t], state)
            outputs[t] = state[0]
    return [outputs[t] for t in range(len(x))], state


def slow(
    layer: Any, x: Tensor, hx: tuple[Tensor, ...], lengths: list[int], resets: Tensor
) -> tuple[Array, list[Array]]:
    """Outputs (T, B, D * H) and final states of a whole layer; x is (T, B, F)."""
    D = 2 if layer.bidirectional else 1
    finals = [part.numpy().copy() for part in hx]
    below = x.numpy()
    for k in range(layer.num_layers):
        above = np.zeros((len(below), B, D * (layer.proj_size or H)))
        for d in range(D):
            ends = f"_l{k}" + ("_reverse" if d else "")
            weights = layer.state_dict().items()
            w = {n.removesuffix(ends): v.numpy() for n, v in weights if n.endswith(ends)}
            for b, length in enumerate(lengths):
                cuts = [t for t in range(length) if resets[b, t]]
                start = tuple(part[k * D + d, b] for part in finals)
                outputs, ended = _slow_row(layer, w, below[:length, b], start, cuts, reverse=d == 1)
                width = layer.proj_size or H
                for t, output in enumerate(outputs):
                    above[t, b, d * width : (d + 1) * width] = output
                for part, end in zip(finals, ended, strict=True):
                    part[k * D + d, b] = end
        below = above
    return below, finals


# ---- what a layer is called with, and what it answers


def state_of(layer: Any, batch: int = B) -> tuple[Tensor, ...]:
    """A start that is not zero."""
    depth = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = (layer.proj_size or H, H) if isinstance(layer, un.LSTM) else (H,)
    return tuple(torch.randn(depth, batch, size, dtype=layer.weight_ih_l0.dtype) for size in sizes)


def call(layer: Any, x: Tensor, hx: tuple[Tensor, ...], **more: Any) -> tuple[Tensor, ...]:
    """(output, h_n[, c_n]) of a layer for x (T, B, F), whatever its layout."""
    arguments = x.transpose(0, 1) if layer.batch_first else x
    output, state = layer(arguments, hx if len(hx) > 1 else hx[0], **more)
    output = output.transpose(0, 1) if layer.batch_first else output
    return (output, *(state if isinstance(state, tuple) else (state,)))


def assert_close(actual: Any, expected: Any) -> None:
    """Equal up to the tolerance, relative to the largest value."""
    for a, b in zip(actual, expected, strict=True):
        right = torch.as_tensor(b).detach()
        largest = 1 + (float(right.abs().max()) if right.numel() else 0.0)
        torch.testing.assert_close(a.detach(), right, rtol=0, atol=TOLERANCE * largest)


@every_cell
@every_option
@pytest.mark.parametrize("mode", ["dense", "lengths", "resets", "both"])
def test_layer_equals_the_slow_loop(case: Case, options: dict[str, Any], mode: str) -> None:
    """Outputs and final states, from a state that is not zero."""
    T = 7
    layer = case.build(**options)
    x, hx = torch.randn(T, B, F, dtype=torch.float64), state_of(layer)
    lengths = [3, 7, 0, 5] if mode in {"lengths", "both"} else [T] * B
    resets = torch.rand(B, T) < 0.4 if mode in {"resets", "both"} else torch.zeros(B, T, dtype=torch.bool)
    more: dict[str, Any] = {"lengths": lengths} if mode in {"lengths", "both"} else {}
    if mode in {"resets", "both"}:
        resets[0, 0] = resets[1, T - 1] = resets[3, 5] = True  # the first step, the last, one past the end
        more["resets"] = resets
    output, finals = slow(layer, x, hx, lengths, resets)
    assert_close(call(layer, x, hx, **more), (output, *finals))


@every_cell
@pytest.mark.parametrize("T", [1, 2, 3, 7, 8, 9, 13, 16, 17])
def test_awkward_lengths_equal_the_slow_loop(case: Case, T: int) -> None:
    """One step, primes, powers of two and their neighbours, unsorted, down to a row of nothing."""
    layer = case.build(bidirectional=True)
    x, hx = torch.randn(T, B, F, dtype=torch.float64), state_of(layer)
    lengths = [max(T - 1, 0), 1, T, 0]
    output, finals = slow(layer, x, hx, lengths, torch.zeros(B, T, dtype=torch.bool))
    assert_close(call(layer, x, hx, lengths=torch.tensor(lengths)), (output, *finals))


@every_cell
def test_gradients_equal_finite_differences(case: Case) -> None:
    """For input, state and every weight, with lengths and resets, in both directions."""
    layer = case.build(bidirectional=True)
    names = [name for name, _ in layer.named_parameters()]
    x = torch.randn(3, B, F, dtype=torch.float64)
    resets = torch.zeros(B, 3, dtype=torch.bool)
    resets[1, 1] = resets[3, 0] = True
    hx = state_of(layer)

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state, weights = rest[: len(hx)], dict(zip(names, rest[len(hx) :], strict=True))
        arguments = (x, state if len(hx) > 1 else state[0])
        options = {"lengths": [2, 3, 0, 3], "resets": resets}
        output, final = torch.func.functional_call(layer, weights, arguments, options)
        return (output, *(final if isinstance(final, tuple) else (final,)))

    inputs = [x, *hx, *(weight.detach() for weight in layer.parameters())]
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@every_cell
@pytest.mark.parametrize("pieces", [[4, 3], [1, 1, 5], [0, 7], [3, 0, 4]])
def test_pieces_equal_the_whole(case: Case, pieces: list[int]) -> None:
    """The state of one piece starts the next, with resets, and a piece may be empty."""
    layer = case.build(num_layers=2)
    x, hx = torch.randn(7, B, F, dtype=torch.float64), state_of(layer)
    resets = torch.rand(B, 7) < 0.3
    whole = call(layer, x, hx, resets=resets)
    outputs, state, start = [], hx, 0
    for size in pieces:
        steps = slice(start, start + size)
        output, *state = call(layer, x[steps], tuple(state), resets=resets[:, steps])
        outputs.append(output)
        start += size
    assert_close((torch.cat(outputs), *state), whole)


@every_cell
@every_option
def test_a_row_alone_equals_that_row_in_a_batch(case: Case, options: dict[str, Any]) -> None:
    """Cut to its own length and run by itself, each row gives what it gave among the others."""
    layer = case.build(**options)
    x, hx = torch.randn(7, B, F, dtype=torch.float64), state_of(layer)
    lengths = [3, 7, 0, 5]
    output, *state = call(layer, x, hx, lengths=lengths)
    for b, n in enumerate(lengths):
        alone = call(layer, x[:n, b : b + 1], tuple(part[:, b : b + 1] for part in hx))
        assert_close(alone, (output[:n, b : b + 1], *(part[:, b : b + 1] for part in state)))
        assert torch.all(output[n:, b] == 0)


@every_cell
@pytest.mark.parametrize("padding", [float("nan"), float("inf"), 1e30])
def test_padding_changes_nothing(case: Case, padding: float) -> None:
    """Whatever lies beyond a row's length reaches no output, no state and no gradient."""
    layer = case.build(num_layers=2, bidirectional=True)
    x, hx = torch.randn(7, B, F, dtype=torch.float64), state_of(layer)
    lengths, actual = [3, 7, 0, 5], []
    resets = torch.zeros(B, 7, dtype=torch.bool)
    for fill in (0.0, padding):
        padded = x.clone()
        for b, n in enumerate(lengths):
            padded[n:, b] = fill
            resets[b, n:] = fill != 0.0
        padded.requires_grad_()
        answer = call(layer, padded, hx, lengths=lengths, resets=resets)
        expected = [padded, *layer.parameters()]
        actual.append([*answer, *torch.autograd.grad(sum(part.sum() for part in answer), expected)])
    assert all(torch.equal(a, b) for a, b in zip(*actual, strict=True))
    assert all(torch.all(actual[1][-len(expected)][n:, b] == 0) for b, n in enumerate(lengths))


@every_cell
@pytest.mark.parametrize("ragged", [False, True])
def test_views_equal_copies(case: Case, ragged: bool) -> None:
    """An input that is every second step and every second column of another, and a state that is a view."""
    layer = case.build()
    wide = torch.randn(2 * F, B, 14, dtype=torch.float64).permute(2, 1, 0)
    view, hx = wide[::2, :, ::2], tuple(part.expand(1, B, -1) for part in state_of(layer, 1))
    assert not view.is_contiguous()
    more = {"lengths": [3, 7, 0, 5]} if ragged else {}
    copied = tuple(part.contiguous() for part in hx)
    assert_close(call(layer, view, hx, **more), call(layer, view.contiguous(), copied, **more))


@every_cell
@every_option
def test_an_input_without_a_batch_equals_a_batch_of_one(case: Case, options: dict[str, Any]) -> None:
    """(T, F) in, (T, D * H) and a state without B out, with lengths and resets of one row."""
    layer = case.build(**options)
    x, hx = torch.randn(7, 1, F, dtype=torch.float64), state_of(layer, 1)
    starts = torch.tensor([False, False, True, False, True, False, False])
    for lengths, resets in [(None, None), (5, starts)]:
        more = {} if lengths is None else {"lengths": [lengths], "resets": resets[None]}
        batched = call(layer, x, hx, **more)
        alone = tuple(part[:, 0] for part in hx)
        output, state = layer(x[:, 0], alone if len(alone) > 1 else alone[0], lengths=lengths, resets=resets)
        states = state if isinstance(state, tuple) else (state,)
        assert_close((output, *states), [part[:, 0] for part in batched])
