"""Every cell, activation and option, in the reference and on the kernels, against a slow loop of formulas."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import unrolled.nn as un
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops import fused

# Distance allowed, relative to the largest value: sums of a few dozen products in another order, over up
# to 17 steps, which a layer norm of numbers close together enlarges.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4}

T, B, F, H, P = 7, 4, 3, 5, 2  # every axis a different size
SEED = 20_261_122
Array = NDArray[np.float64]


class Option(NamedTuple):
    """What is on: how the layer is built, and what its loop is told in training and after."""

    settings: dict[str, Any]
    drops: bool = False
    rates: tuple[float, ...] = ()  # of h and c
    is_training: bool = True


PATHS: dict[str, Callable[..., Any]] = {"reference": un.unroll, "fused": fused.fused_unroll}
CELLS: dict[str, tuple[type, dict[str, Any]]] = {
    **{f"rnn-{name}": (un.RNN, {"nonlinearity": name}) for name in NONLINEARITIES},
    "gru": (un.GRU, {}),
    "lstm": (un.LSTM, {}),
    "lstm-projected": (un.LSTM, {"proj_size": P}),
}
OPTIONS = {
    "plain": Option({}),
    "no-bias": Option({"bias": False}),
    "recurrent_dropout": Option({}, drops=True),
    "zoneout": Option({}, rates=(0.3, 0.6)),
    "zoneout-inference": Option({}, rates=(0.3, 0.6), is_training=False),
    "layer_norm": Option({"layer_norm": True}),
    "layer_norm-no-bias": Option({"layer_norm": True, "bias": False}),
    "all": Option({"layer_norm": True}, drops=True, rates=(0.3, 0.6)),
}
kinds = {name: CELLS[name] for name in ("rnn-tanh", "rnn-prelu", "gru", "lstm", "lstm-projected")}
every_cell = pytest.mark.parametrize("cell", kinds.values(), ids=kinds)
every_option = pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
both_ways = pytest.mark.parametrize("reverse", [False, True])


def every_way(paths: Sequence[str], dtypes: Sequence[torch.dtype]) -> pytest.MarkDecorator:
    """Every cell on these paths that has it, in each of the dtypes."""
    actual = [
        pytest.param(cell, PATHS[path], dtype, id=f"{path}-{name}-{str(dtype)[6:]}")
        for path in paths
        for name, cell in CELLS.items()
        for dtype in dtypes
        if path == "reference" or "projected" not in name  # which the kernels do not have
    ]
    return pytest.mark.parametrize(("cell", "unroll", "dtype"), actual)


in_double = every_way(list(PATHS), [torch.float64])
in_single = every_way(["fused"], [torch.float32])
when_fused = every_way(["fused"], list(TOLERANCE))
SIZES = [  # T, B, F, H
    (1, 1, 1, 1), (2, 3, 2, 7), (3, 2, 5, 17), (5, 1, 3, 31), (1, 5, 7, 33), (17, 2, 9, 15), (2, 2, 33, 65),
    (0, 3, 2, 4),
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's oneDNN has none


def build(cell: tuple[type, dict[str, Any]], inputs: int = F, units: int = H, **more: Any) -> Any:
    """The layer in float64, its weights and gains drawn wide."""
    torch.manual_seed(11)
    made = cell[0](inputs, units, **{"dtype": torch.float64, **cell[1], **more})
    with torch.no_grad():
        for weight in made.parameters():
            weight.uniform_(-1.2, 1.2)
    return made


class Run(NamedTuple):
    """One run of the loop: all that it is given, every tensor with values of its own."""

    x: Tensor  # (T, B, F)
    state: tuple[Tensor, ...]  # (B, size) each
    lengths: list[int]  # (B,)
    resets: Tensor  # (B, T)
    dropped: Tensor | None
    zoneout: Zoneout | None


def run_of(layer: Any, option: Option, steps: int = T, rows: int = B) -> Run:
    """Inputs, a start that is not zero, resets at the first step, the last and past an end."""
    dtype, H = layer.weight_hh_l0.dtype, layer.hidden_size
    sizes = (layer.proj_size or H, H) if isinstance(layer, un.LSTM) else (H,)
    x = torch.randn(steps, rows, layer.input_size, dtype=dtype)
    state = tuple(torch.randn(rows, size, dtype=dtype) for size in sizes)
    resets = torch.rand(rows, steps) < 0.3
    if steps:
        resets[0, 0] = resets[1 % rows, steps - 1] = resets[3 % rows, 5 % steps] = True
    mask = (torch.rand(rows, sizes[0]) < 0.6).to(dtype) / 0.6 if option.drops else None
    rates = option.rates[: len(sizes)]
    zoneout = Zoneout(rates, SEED if option.is_training else None) if rates else None
    lengths = [min(length, steps) for length in (3, 7, 0, 5, 2)[:rows]]
    return Run(x, state, lengths, resets, mask, zoneout)


def answer(
    layer: Any, run: Run, reverse: bool, weights: Any = None, unroll: Callable[..., Any] = un.unroll
) -> tuple[Tensor, ...]:
    """Outputs and final state of our loop."""
    output, state = unroll(
        layer._cell, run.x, layer._weights()[0][0] if weights is None else weights,
        layer._state_type(*run.state), lengths=run.lengths, resets=run.resets, reverse=reverse,
        dropped=run.dropped, zoneout=run.zoneout,
    )  # fmt: skip
    return (output, *state)


# ---- the slow loop: one row, one unit, one formula at a time


def mix(x: int) -> int:
    """A 32-bit hash, in Python's whole numbers."""
    x ^= x >> 16
    x = x * 0x21F0AAAD % 2**32
    x ^= x >> 15
    x = x * 0x735A2D97 % 2**32
    return x ^ (x >> 15)


def holds(rate: float, part: int, t: int, b: int, u: int) -> bool:
    """Whether unit u of row b holds at step t."""
    key = mix((mix((mix((SEED + part) % 2**32) + t) % 2**32) + b) % 2**32)
    return mix((key + u * 0x9E3779B9) % 2**32) >> 8 < int(rate * 2**24)


def norm(a: Array, gain: Array) -> Array:
    """Ba et al., eq. 4, without the shift."""
    centred = a - a.sum() / len(a)
    return gain * centred / np.sqrt((centred**2).sum() / len(a) + 1e-5)


def sigma(a: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


PHI: dict[str, Callable[..., Array]] = {  # of the sum, and of the slope that PReLU learns
    "tanh": lambda a, _: np.tanh(a),
    "relu": lambda a, _: np.where(a > 0, a, 0),
    "leaky_relu": lambda a, _: np.where(a > 0, a, 0.01 * a),
    "prelu": lambda a, slope: np.where(a > 0, a, slope * a),
    "sigmoid": lambda a, _: sigma(a),
    "identity": lambda a, _: a,
    "softsign": lambda a, _: a / (1 + np.abs(a)),
    "elu": lambda a, _: np.where(a > 0, a, np.exp(np.minimum(a, 0)) - 1),
    "hardtanh": lambda a, _: np.minimum(np.maximum(a, -1), 1),
}


def slow_rnn(phi: str, w: dict[str, Array], x: Array, h: Array, seen: Array) -> tuple[Array, ...]:
    """One step of one row; `seen` is what the recurrent weights see of h."""
    a = w["weight_ih"] @ x + w["weight_hh"] @ seen
    a = (norm(a, w["gain_hh"]) if "gain_hh" in w else a) + w["bias_ih"] + w["bias_hh"]
    return (PHI[phi](a, w.get("slope")),)


def slow_gru(w: dict[str, Array], x: Array, h: Array, seen: Array) -> tuple[Array, ...]:
    """One step of one row: r and z normalised together, n apart."""
    a, u, H = w["weight_ih"] @ x, w["weight_hh"] @ seen, len(h)
    if "gain_ih" in w:
        a = np.concatenate([norm(a[: 2 * H], w["gain_ih"][: 2 * H]), norm(a[2 * H :], w["gain_ih"][2 * H :])])
        u = np.concatenate([norm(u[: 2 * H], w["gain_hh"][: 2 * H]), norm(u[2 * H :], w["gain_hh"][2 * H :])])
    a, u = a + w["bias_ih"], u + w["bias_hh"]
    r, z = sigma(a[:H] + u[:H]), sigma(a[H : 2 * H] + u[H : 2 * H])
    return ((1 - z) * np.tanh(a[2 * H :] + r * u[2 * H :]) + z * h,)


def slow_lstm(w: dict[str, Array], x: Array, c: Array, seen: Array) -> tuple[Array, ...]:
    """One step of one row: the gates normalised together, and the cell that h sees."""
    a, u = w["weight_ih"] @ x, w["weight_hh"] @ seen
    if "gain_ih" in w:
        a, u = norm(a, w["gain_ih"]), norm(u, w["gain_hh"])
    i, f, g, o = np.split(a + w["bias_ih"] + u + w["bias_hh"], 4)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    shown = norm(c, w["gain_cell"]) + w.get("bias_cell", 0.0) if "gain_cell" in w else c
    h = sigma(o) * np.tanh(shown)
    return (w["weight_hr"] @ h if "weight_hr" in w else h, c)


def slow(layer: Any, run: Run, reverse: bool) -> tuple[Array, list[Array]]:
    """Outputs (T, B, H or P) and final state, row by row and step by step."""
    w: dict[str, Array] = {n.removesuffix("_l0"): v.double().numpy() for n, v in layer.state_dict().items()}
    rnn = partial(slow_rnn, getattr(layer, "nonlinearity", None))
    step = slow_gru if isinstance(layer, un.GRU) else slow_lstm if isinstance(layer, un.LSTM) else rnn
    for bias in ("bias_ih", "bias_hh"):
        w.setdefault(bias, np.zeros(len(w["weight_hh"])))
    rates = run.zoneout.rates if run.zoneout else (0.0, 0.0)
    output = np.zeros((*run.x.shape[:2], run.state[0].shape[1]))
    finals = [part.double().numpy().copy() for part in run.state]
    for b, length in enumerate(run.lengths):
        state = [part[b] for part in finals]
        for t in reversed(range(length)) if reverse else range(length):
            before = t + 1 if reverse else t  # in reverse a segment ends where the next one starts
            if before < length and run.resets[b, before]:
                state = [np.zeros_like(part) for part in state]
            seen = state[0] if run.dropped is None else state[0] * run.dropped[b].double().numpy()
            after = step(w, run.x[t, b].double().numpy(), state[-1], seen)
            mixed = []
            for k, (old, new) in enumerate(zip(state, after, strict=True)):
                share = np.full(len(old), rates[k])
                if run.zoneout and run.zoneout.seed is not None:
                    share = np.array([float(holds(rates[k], k, t, b, u)) for u in range(len(old))])
                mixed.append(share * old + (1 - share) * new)
            state = mixed
            output[t, b] = state[0]
        for part, end in zip(finals, state, strict=True):
            part[b] = end
    return output, finals


# ---- claims


def assert_close(actual: tuple[Tensor, ...], expected: list[Array]) -> None:
    """Equal up to the table's tolerance."""
    for a, b in zip(actual, expected, strict=True):
        allowed = TOLERANCE[a.dtype] * (1 + np.abs(b).max(initial=0))
        torch.testing.assert_close(a.detach().double(), torch.as_tensor(b), rtol=0, atol=allowed)


def assert_slow(layer: Any, run: Run, reverse: bool, unroll: Callable[..., Any]) -> None:
    """Outputs and final states are the slow loop's, up to the table's tolerance."""
    output, finals = slow(layer, run, reverse)
    for a, b in zip(answer(layer, run, reverse, unroll=unroll), [output, *finals], strict=True):
        allowed = TOLERANCE[a.dtype] * (1 + np.abs(b).max(initial=0))
        torch.testing.assert_close(a.detach().double(), torch.as_tensor(b), rtol=0, atol=allowed)


@in_double
@every_option
@both_ways
def test_every_option_equals_the_slow_loop(
    cell: Any, unroll: Any, dtype: torch.dtype, option: Option, reverse: bool
) -> None:
    """Outputs and final states, with lengths and resets, from a state that is not zero."""
    layer = build(cell, **option.settings, dtype=dtype)
    assert_slow(layer, run_of(layer, option), reverse, unroll)


@in_single
@every_option
def test_the_kernels_equal_the_slow_loop_in_single_precision(
    cell: Any, unroll: Any, dtype: torch.dtype, option: Option
) -> None:
    """The same; in reverse where all is on."""
    layer = build(cell, **option.settings, dtype=dtype)
    assert_slow(layer, run_of(layer, option), option is OPTIONS["all"], unroll)


@when_fused
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_awkward_sizes_equal_the_slow_loop(
    cell: Any, unroll: Any, dtype: torch.dtype, sizes: tuple[int, ...]
) -> None:
    """Sizes of 1, primes and powers of two, less or more one; with all options on, both ways."""
    steps, rows, inputs, units = sizes
    layer = build(cell, inputs, units, **OPTIONS["all"].settings, dtype=dtype)
    run = run_of(layer, OPTIONS["all"], steps, rows)
    for reverse in (False, True):
        assert_slow(layer, run, reverse, unroll)


def gradients_agree(layer: Any, run: Run, reverse: bool, unroll: Callable[..., Any]) -> bool:
    """Of input, state and every weight, against finite differences, over three steps."""
    run = run._replace(x=run.x[:3], lengths=[2, 3, 0, 3], resets=run.resets[:, :3])
    names = [name for name, _ in layer.named_parameters()]

    def again(x: Tensor, *rest: Tensor) -> Tensor:
        state, weights = rest[: len(run.state)], rest[len(run.state) :]
        named = {name.removesuffix("_l0"): w for name, w in zip(names, weights, strict=True)}
        actual = answer(layer, run._replace(x=x, state=state), reverse, layer._weights_type(**named), unroll)
        return torch.cat([part.flatten() for part in actual])

    inputs = [run.x, *run.state, *(weight.detach() for weight in layer.parameters())]
    return torch.autograd.gradcheck(again, [part.requires_grad_() for part in inputs], fast_mode=True)


@in_double
@every_option
def test_every_options_gradients_equal_finite_differences(
    cell: Any, unroll: Any, dtype: torch.dtype, option: Option
) -> None:
    """With lengths and resets, gains and shifts included; in reverse where all is on."""
    layer = build(cell, **option.settings, dtype=dtype)
    assert gradients_agree(layer, run_of(layer, option), option is OPTIONS["all"], unroll)


SETTINGS: list[dict[str, Any]] = [{"recurrent_dropout": 0.5}, {"zoneout": 0.5}, {"layer_norm": True}]


@every_cell
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: next(iter(settings)))
@pytest.mark.parametrize("is_training", [True, False])
def test_every_option_matters(cell: Any, settings: dict[str, Any], is_training: bool) -> None:
    """Each changes the answer in training, and recurrent dropout alone leaves inference as it is."""
    torch.manual_seed(5)
    plain, changed = build(cell).train(is_training), build(cell, **settings).train(is_training)
    changed.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(T, B, F, dtype=torch.float64)
    before, after = plain(x)[0], changed(x)[0]
    unchanged = "recurrent_dropout" in settings and not is_training
    assert torch.equal(before, after) == unchanged


@every_cell
@pytest.mark.parametrize("settings", SETTINGS[:2], ids=lambda settings: next(iter(settings)))
def test_draws_repeat_with_the_seed_and_change_without(cell: Any, settings: dict[str, Any]) -> None:
    """torch.manual_seed repeats them; inference draws nothing."""
    layer, x = build(cell, num_layers=2, **settings), torch.randn(T, B, F, dtype=torch.float64)
    torch.manual_seed(1)
    first, second = layer(x)[0], layer(x)[0]
    torch.manual_seed(1)
    assert torch.equal(layer(x)[0], first)
    assert not torch.equal(first, second)
    layer.eval()
    torch.manual_seed(1)
    layer(x)
    following = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), following)


@every_cell
def test_a_rate_of_one_holds_everything(cell: Any) -> None:
    """The state never moves, in training and at inference, whichever way."""
    layer = build(cell, zoneout=1.0, bidirectional=True)
    run = run_of(build(cell), OPTIONS["layer_norm"])
    hx = tuple(torch.stack([part, part + 1]) for part in run.state)
    for is_training in (True, False):
        output, state = layer.train(is_training)(run.x, hx if len(hx) > 1 else hx[0])
        after = state if isinstance(state, tuple) else (state,)
        assert all(torch.equal(a, b) for a, b in zip(after, hx, strict=True))
        assert torch.equal(output, torch.cat([*hx[0]], dim=-1).expand_as(output))


@every_cell
def test_all_dropped_equals_no_recurrent_weights(cell: Any) -> None:
    """The share 1: W_hh sees zeros, and the GRU's z still sees h."""
    layer = build(cell, recurrent_dropout=1.0)
    without = build(cell)
    without.load_state_dict(layer.state_dict())
    with torch.no_grad():
        without.weight_hh_l0.zero_()
    x = torch.randn(T, B, F, dtype=torch.float64)
    assert torch.equal(layer(x)[0], without(x, resets=torch.zeros(B, T, dtype=torch.bool))[0])


def test_each_layer_and_direction_draws_its_own() -> None:
    """Masks of 0 and 1 / (1 - p) a row, the same at every step; seeds of 32 bits; no two alike."""
    masks, seeds = [], []

    def seen(*arguments: Any, **more: Any) -> Any:
        masks.append(more["dropped"])
        seeds.append(more["zoneout"].seed)
        return un.unroll(*arguments, **more)

    layer = build(CELLS["gru"], num_layers=2, bidirectional=True)
    weights = layer._weights()
    x = torch.randn(T, 64, F, dtype=torch.float64)
    un.unroll_stack(layer._cell, x, weights, recurrent_dropout=0.25, zoneout=(0.1,), run=seen)
    assert {mask.shape for mask in masks} == {(64, H)}
    assert all(set(mask.unique().tolist()) == {0.0, 1 / 0.75} for mask in masks)
    assert all(0.15 < (mask == 0).double().mean() < 0.35 for mask in masks)
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == len({int(seed) for seed in seeds}) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)


@every_cell
def test_options_are_mapped_by_vmap(cell: Any) -> None:
    """Over inputs at inference; in training with a draw for each where torch is told so."""
    layer = build(cell, zoneout=0.4, recurrent_dropout=0.4, layer_norm=True)
    x = torch.randn(3, T, B, F, dtype=torch.float64)
    drawn = torch.func.vmap(lambda x: layer(x)[0], randomness="different")(x[:1].expand_as(x))
    assert not torch.equal(drawn[0], drawn[1])
    layer.eval()
    mapped = torch.func.vmap(lambda x: layer(x)[0])(x)
    looped = torch.stack([layer(part)[0] for part in x])
    torch.testing.assert_close(mapped, looped, rtol=0, atol=TOLERANCE[torch.float64])
