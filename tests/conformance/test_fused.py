"""The layers on the kernels against the same layers on the reference path: values and every gradient."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.nn.layers.inputs import restore_layout
from unrolled.nn.ops import fused, launch

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

# Distance allowed, relative to the largest value: rounding in sums of up to a few hundred products in
# another order, carried over up to 40 steps; a layer norm of a few numbers close together enlarges it.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 5e-4}

LAYERS: dict[str, tuple[type, dict[str, Any]]] = {
    **{f"rnn-{name}": (un.RNN, {"nonlinearity": name}) for name in NONLINEARITIES},
    "gru": (un.GRU, {}),
    "lstm": (un.LSTM, {}),
}
TORCHS = {
    "rnn-tanh": torch.nn.RNN,
    "rnn-relu": torch.nn.RNN,
    "gru": torch.nn.GRU,
    "lstm": torch.nn.LSTM,
}


class Case(NamedTuple):
    """What a layer is built with, and what it is called with."""

    settings: dict[str, Any]
    lengths: bool = False
    resets: bool = False
    state: bool = True
    is_training: bool = True


CASES = {
    "plain": Case({}, state=False),
    "no-bias": Case({"bias": False}),
    "batch-first": Case({"batch_first": True}),
    "lengths": Case({}, lengths=True, state=False),
    "resets": Case({}, resets=True),
    "both-ways": Case({"bidirectional": True}, lengths=True, resets=True),
    "stack": Case({"num_layers": 2, "bidirectional": True, "dropout": 0.3}),
    "recurrent_dropout": Case({"recurrent_dropout": 0.4}, resets=True),
    "zoneout": Case({"zoneout": 0.3, "bidirectional": True}, lengths=True, resets=True),
    "zoneout-inference": Case({"zoneout": 0.3}, resets=True, is_training=False),
    "layer_norm": Case({"layer_norm": True}, resets=True),
    "layer_norm-no-bias": Case({"layer_norm": True, "bias": False}),
    "all": Case(
        {
            "layer_norm": True, "zoneout": 0.2, "recurrent_dropout": 0.3, "dropout": 0.2, "num_layers": 2,
            "bidirectional": True, "batch_first": True,
        },
        lengths=True, resets=True,
    ),
}  # fmt: skip
SIZES = [  # T, B, F, H: 1, 2, 3, primes, powers of two and their neighbours
    (1, 1, 1, 1), (1, 2, 3, 5), (2, 1, 5, 3), (3, 3, 1, 2), (7, 5, 3, 8), (13, 7, 4, 9), (15, 16, 17, 15),
    (16, 17, 15, 16), (17, 15, 16, 17), (5, 31, 33, 31), (4, 33, 31, 32), (3, 32, 7, 33), (2, 3, 63, 64),
    (3, 9, 65, 63), (37, 2, 2, 65), (2, 2, 127, 129), (0, 3, 2, 4), (3, 0, 2, 4),
]  # fmt: skip
every_layer = pytest.mark.parametrize("name", LAYERS)
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE)
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)


def build(name: str, case: Case, F: int, H: int, dtype: torch.dtype) -> Any:
    """A layer whose gains, shifts and slopes are no longer what they start as."""
    kind, options = LAYERS[name]
    layer = kind(F, H, **options, **case.settings, dtype=dtype).train(case.is_training)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(torch.rand_like(weight), alpha=0.1)
    return layer


def call(layer: Any, case: Case, T: int, B: int) -> tuple[list[Any], dict[str, Any]]:
    """Input and state that want gradients; lengths from 0 to T, both among them; resets."""
    dtype, depth = layer.weight_hh_l0.dtype, layer.num_layers * (2 if layer.bidirectional else 1)
    x = torch.randn((B, T, layer.input_size) if layer.batch_first else (T, B, layer.input_size), dtype=dtype)
    parts = [torch.randn(depth, B, layer.hidden_size, dtype=dtype) for _ in layer._state_sizes]
    lengths = torch.randint(T + 1, (B,))
    if B > 1:
        lengths[0], lengths[-1] = 0, T
    more: dict[str, Any] = {"lengths": lengths} if case.lengths else {}
    if case.resets:
        more["resets"] = torch.rand(B, T) < 0.3
    return [part.requires_grad_() for part in (x, *(parts if case.state else []))], more


def on_reference(layer: Any, x: Tensor, hx: Any, **more: Any) -> Any:
    """What the layer would answer without kernels."""
    admitted = layer._check_inputs(x, hx, more.get("lengths"), more.get("resets"))
    return restore_layout(
        admitted, *layer._run_reference(admitted, layer._weights()), batch_first=layer.batch_first
    )


def results(run: Any, inputs: list[Tensor], more: dict[str, Any], learned: list[Tensor]) -> list[Tensor]:
    """Output, final states, and the gradients of a goal that every number of them matters to."""
    torch.manual_seed(3)  # of masks and seeds
    hx = None if len(inputs) == 1 else inputs[1] if len(inputs) == 2 else tuple(inputs[1:])
    output, state = run(inputs[0], hx, **more)
    actual = [output, *(state if isinstance(state, tuple) else (state,))]
    goal = 0 * inputs[0].sum() + sum(
        (part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in actual
    )
    gradients = torch.autograd.grad(goal, [*inputs, *learned], materialize_grads=True)
    return [*(part.detach() for part in actual), *gradients]


def assert_close(actual: list[Tensor], expected: list[Tensor]) -> None:
    """Same shapes, same dtypes, equal up to the table's tolerance."""
    for a, b in zip(actual, expected, strict=True):
        largest = 1 + (float(b.abs().max()) if b.numel() else 0.0)
        torch.testing.assert_close(a, b, rtol=0, atol=TOLERANCE[b.dtype] * largest)


def assert_equal_paths(name: str, case: Case, sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    """The kernels run it, and give what the reference gives."""
    T, B, F, H = sizes
    torch.manual_seed(sum(sizes))
    layer = build(name, case, F, H, dtype)
    inputs, more = call(layer, case, T, B)
    assert layer.explain(inputs[0], **more).name == "fused"
    learned = list(layer.parameters())
    expected = results(lambda *given, **more: on_reference(layer, *given, **more), inputs, more, learned)
    assert_close(results(layer, inputs, more, learned), expected)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the calls of each method of the compiled recurrences."""
    counter: Counter[str] = Counter()

    class Counted(kernels._compiled.Recurrence):
        def forward(self, *arguments: Any) -> bool:
            counter["forward"] += 1
            return super().forward(*arguments)

        def backward(self, *arguments: Any) -> bool:
            counter["backward"] += 1
            return super().backward(*arguments)

    monkeypatch.setattr(kernels._compiled, "Recurrence", Counted)
    caches = (launch.recurrence_spec, fused._default_spec)
    for cache in caches:
        cache.cache_clear()
    yield counter
    for cache in caches:
        cache.cache_clear()


@every_layer
@every_case
def test_one_compiled_call_runs_a_layer_and_direction(name: str, case: Case, calls: Counter[str]) -> None:
    """Forward and backward, whatever is switched on: no other path can have given the answer."""
    layer = build(name, case, 3, 5, torch.float32)
    inputs, more = call(layer, case, 7, 4)
    results(layer, inputs, more, list(layer.parameters()))
    once = layer.num_layers * (2 if layer.bidirectional else 1)
    assert calls == {"forward": once, "backward": once}
    assert layer.explain(inputs[0], **more).name == "fused"


@every_layer
@every_case
@every_dtype
def test_values_and_gradients_are_the_references(name: str, case: Case, dtype: torch.dtype) -> None:
    """Of output, state, input and every weight, with the same draws of masks and seeds."""
    assert_equal_paths(name, case, (7, 4, 3, 5), dtype)


@pytest.mark.parametrize("name", ["rnn-tanh", "rnn-prelu", "gru", "lstm"])
@every_size
@every_dtype
def test_awkward_sizes_give_the_references_values(
    name: str, sizes: tuple[int, ...], dtype: torch.dtype
) -> None:
    """Plain, and with everything at once; both directions are held against torch's at these sizes."""
    assert_equal_paths(name, CASES["plain"], sizes, dtype)
    assert_equal_paths(name, CASES["all"], sizes, dtype)


@pytest.mark.parametrize("name", ["rnn-elu", "rnn-prelu", "gru", "lstm"])
@pytest.mark.parametrize("case", ["both-ways", "zoneout", "all"])
def test_every_instruction_set_gives_the_references_values(
    instruction_set: str, name: str, case: str
) -> None:
    """A share of what `tests/kernels/runtime/test_dispatch.py` runs whole."""
    assert_equal_paths(name, CASES[case], (5, 6, 9, 19), torch.float32)
    assert_equal_paths(name, CASES[case], (5, 3, 17, 35), torch.float64)


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize(
    "sizes", [sizes for sizes in SIZES if sizes[0] and sizes[1]], ids=str
)  # as torch wants
@every_dtype
def test_awkward_sizes_give_torchs_values(name: str, sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    """Plain layers in both directions, and the gradients of all that torch learns."""
    T, B, F, H = sizes
    torch.manual_seed(7)
    ours = build(name, Case({"bidirectional": True}), F, H, dtype)
    options = {"nonlinearity": ours.nonlinearity} if "rnn" in name else {}
    torchs: Any = TORCHS[name](F, H, bidirectional=True, dtype=dtype, **options)
    torchs.load_state_dict(ours.state_dict())
    inputs, more = call(ours, CASES["no-bias"], T, B)
    expected = results(torchs, inputs, more, list(torchs.parameters()))
    assert_close(results(ours, inputs, more, list(ours.parameters())), expected)


CALLS = some.builds(
    Case,
    some.fixed_dictionaries(
        {},
        optional={
            "num_layers": some.just(2),
            "bidirectional": some.booleans(),
            "batch_first": some.booleans(),
            "bias": some.booleans(),
            "layer_norm": some.booleans(),
            "dropout": some.just(0.3),
            "recurrent_dropout": some.floats(0, 1),
            "zoneout": some.floats(0, 1),
        },
    ),
    lengths=some.booleans(),
    resets=some.booleans(),
    state=some.booleans(),
    is_training=some.booleans(),
)
SHAPES = some.tuples(some.integers(0, 12), some.integers(0, 9), some.integers(1, 40), some.integers(1, 70))
any_call = given(
    name=some.sampled_from(list(LAYERS)), case=CALLS, sizes=SHAPES, dtype=some.sampled_from(list(TOLERANCE))
)
IGNORED = pytest.mark.filterwarnings("ignore:.* has no effect")  # dropout between layers, where there is one


@IGNORED
@any_call
@settings(max_examples=15, derandomize=True, database=None)
def test_any_call_gives_the_references_values(
    name: str, case: Case, sizes: tuple[int, ...], dtype: torch.dtype
) -> None:
    """Shapes and options as Hypothesis draws them, always the same ones."""
    assert_equal_paths(name, case, sizes, dtype)


@pytest.mark.slow
@IGNORED
@any_call
@settings(max_examples=2000, derandomize=True, database=None)
def test_many_calls_give_the_references_values(
    name: str, case: Case, sizes: tuple[int, ...], dtype: torch.dtype
) -> None:
    """The same, further."""
    assert_equal_paths(name, case, sizes, dtype)
