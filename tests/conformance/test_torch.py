"""Every recurrent layer that torch has too, against torch's own: values, gradients, weights, words."""

import inspect
import pickle
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels

# Distance allowed, relative to the largest value: rounding, times some tens of sums in another order.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 4e-2}

T, B, F, H, P = 7, 4, 3, 5, 2


class Twin(NamedTuple):
    """One of our layers beside torch's."""

    ours: type
    torchs: type
    settings: dict[str, Any]

    def build(self, **more: Any) -> tuple[Any, Any]:
        """Both, each right after the same seed."""
        settings = {**self.settings, **more}
        made = []
        for layer in (self.ours, self.torchs):
            torch.manual_seed(5)
            made.append(layer(F, H, **settings))
        return made[0], made[1]


TWINS = {
    "rnn-tanh": Twin(un.RNN, torch.nn.RNN, {}),
    "rnn-relu": Twin(un.RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
    "gru": Twin(un.GRU, torch.nn.GRU, {}),
    "lstm": Twin(un.LSTM, torch.nn.LSTM, {}),
    "lstm-projected": Twin(un.LSTM, torch.nn.LSTM, {"proj_size": P}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no-bias": {"bias": False},
    "batch-first": {"batch_first": True},
    "bidirectional": {"bidirectional": True},
    "stacked": {"num_layers": 3},
    "all": {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.4},
}
every_twin = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's oneDNN has none

# Without kernels torch runs what it can, and no reset at all, which changes nothing, is none of that.
NO_RESETS = torch.zeros(B, T, dtype=torch.bool)
PATHS: dict[str, dict[str, Any]] = {"fused": {}, "torch": {}, "reference": {"resets": NO_RESETS}}


def start(layer: Any, dtype: torch.dtype) -> Any:
    """A state that is not zero, as the layer takes it."""
    depth = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = (layer.proj_size or H, H) if isinstance(layer, torch.nn.LSTM | un.LSTM) else (H,)
    parts = tuple(torch.randn(depth, B, size, dtype=dtype, requires_grad=True) for size in sizes)
    return parts if len(parts) > 1 else parts[0]


def flat(answer: Any) -> list[Tensor]:
    """Every tensor of a nested answer."""
    return [answer] if isinstance(answer, Tensor) else [tensor for part in answer for tensor in flat(part)]


def assert_close(actual: list[Tensor], expected: list[Tensor]) -> None:
    """Same shapes, same dtypes, equal up to the table's tolerance."""
    for a, b in zip(actual, expected, strict=True):
        largest = 1 + float(b.detach().abs().max())
        torch.testing.assert_close(a, b, rtol=0, atol=TOLERANCE[b.dtype] * largest)


@every_twin
@every_option
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("path", PATHS)
def test_values_and_gradients_are_torchs(
    twin: Twin, options: dict[str, Any], dtype: torch.dtype, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs, final states and the gradients of input, state and every weight; on every path."""
    if path != "fused":
        monkeypatch.setattr(kernels, "_compiled", None)
        monkeypatch.setattr(kernels.loading, "_has_warned", True)
    ours, torchs = twin.build(**options, dtype=dtype)
    x, hx = torch.randn((B, T, F) if ours.batch_first else (T, B, F), dtype=dtype), start(torchs, dtype)
    is_projected = "proj_size" in twin.settings  # which the kernels do not know
    assert ours.explain(x, hx, **PATHS[path]).name == ("torch" if is_projected and path == "fused" else path)
    results = []
    for layer, more in ((ours, PATHS[path]), (torchs, {})):
        x = x.detach().requires_grad_()
        torch.manual_seed(3)  # of the dropout
        answer = flat(layer(x, hx, **more))
        goal = sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in answer)
        results.append([*answer, *torch.autograd.grad(goal, [x, *flat(hx), *layer.parameters()])])
    assert_close(*results)


@every_twin
@pytest.mark.parametrize("is_sorted", [True, False])
def test_lengths_are_torchs_packed_sequences(twin: Twin, is_sorted: bool) -> None:
    """What torch does after sorting and packing, done without either."""
    ours, torchs = twin.build(num_layers=2, bidirectional=True, dtype=torch.float64)
    x, hx = torch.randn(T, B, F, dtype=torch.float64), start(torchs, torch.float64)
    lengths = [7, 5, 2, 1] if is_sorted else [2, 7, 1, 5]
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=is_sorted)
    output, state = torchs(packed, hx)
    output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=T)
    assert_close(flat(ours(x, hx, lengths=lengths)), [output, *flat(state)])


@every_twin
@every_option
def test_initial_weights_are_torchs(twin: Twin, options: dict[str, Any]) -> None:
    """The same seed draws the same weights, in the same order, and leaves the generator at the same place."""
    ours, torchs = twin.build(**options)
    after = torch.rand(1)  # the last one built was torch's
    assert list(ours.state_dict()) == list(torchs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), torchs.parameters(), strict=True))
    torch.manual_seed(5)
    twin.ours(F, H, **{**twin.settings, **options})
    assert torch.equal(torch.rand(1), after)


@every_twin
@every_option
def test_state_dicts_go_both_ways(twin: Twin, options: dict[str, Any]) -> None:
    """Ours loads torch's strictly, torch's loads ours, and the answers are the same."""
    ours, torchs = twin.build(**options)
    x = torch.randn((B, T, F) if ours.batch_first else (T, B, F))
    for giver, taker in ((ours.eval(), torchs.eval()), (torchs, ours)):
        giver.reset_parameters()
        taker.load_state_dict(giver.state_dict(), strict=True)
        assert_close(flat(giver(x)), flat(taker(x)))


@every_twin
@every_option
def test_copies_answer_the_same(twin: Twin, options: dict[str, Any], tmp_path: Any) -> None:
    """A deep copy, a pickle, and weights saved and loaded into a new layer: identical, and apart."""
    ours, _ = twin.build(**options)
    ours.eval()
    x = torch.randn((B, T, F) if ours.batch_first else (T, B, F))
    torch.save(ours.state_dict(), tmp_path / "weights.pt")
    loaded, _ = twin.build(**options)
    loaded.reset_parameters()
    loaded.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    before = flat(ours(x, lengths=[1, 7, 3, 0]))
    copies = [deepcopy(ours), pickle.loads(pickle.dumps(ours)), loaded.eval()]
    with torch.no_grad():
        ours.weight_hh_l0.add_(1)
    for copy in copies:
        after = flat(copy(x, lengths=[1, 7, 3, 0]))
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@every_twin
@every_option
def test_it_prints_as_torchs(twin: Twin, options: dict[str, Any]) -> None:
    """Except that a relu is named, which torch keeps to itself."""
    ours, torchs = twin.build(**options)
    assert repr(ours).replace(", nonlinearity=relu", "") == repr(torchs)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_the_signature_is_torchs(name: str) -> None:
    """Names, order and defaults of the constructor, as torch's documentation has them."""
    ours = inspect.signature(getattr(un, name)).parameters
    messages = inspect.getdoc(getattr(torch.nn, name)).splitlines()[0]  # __init__(input_size,hidden_size,...)
    written = messages.removeprefix("__init__(").removesuffix(")").split(",")
    shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in ours.values()]
    more = ["recurrent_dropout=0.0", "zoneout=0.0", "layer_norm=False"]  # ours, and by name only
    assert shown == [*written, *more]
    assert all(ours[option.split("=")[0]].kind is inspect.Parameter.KEYWORD_ONLY for option in more)
    forward = list(inspect.signature(getattr(un, name).forward).parameters)
    assert forward == ["self", "input", "hx", "lengths", "resets"]


@every_twin
def test_an_empty_batch_is_torchs(twin: Twin) -> None:
    """B = 0: empty outputs and states of the same shapes, on either path."""
    ours, torchs = twin.build(bidirectional=True)
    x = torch.zeros(T, 0, F)
    for more in ({}, {"lengths": []}, {"resets": torch.zeros(0, T, dtype=torch.bool)}):
        assert [p.shape for p in flat(ours(x, **more))] == [p.shape for p in flat(torchs(x))]


@every_twin
@pytest.mark.parametrize("is_dense", [True, False])
def test_autocast_computes_in_its_dtype(twin: Twin, is_dense: bool) -> None:
    """bfloat16 comes out on either path, close to float32, and the float32 weights get gradients."""
    ours, torchs = twin.build(num_layers=2)
    x, more = torch.randn(T, B, F), {} if is_dense else {"resets": NO_RESETS}
    hx = start(torchs, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = flat(ours(x, hx, **more))
        again = flat(ours(x.bfloat16(), hx, **more))  # what a linear layer before it hands on
    sum(part.float().sum() for part in answer).backward()
    assert_close([part.to(torch.bfloat16) for part in flat(torchs(x, hx))], answer)
    assert all(torch.equal(a, b) for a, b in zip(answer, again, strict=True))
    assert all(weight.grad.dtype == torch.float32 for weight in ours.parameters())


@every_twin
def test_autocast_leaves_float64_alone(twin: Twin) -> None:
    """A float64 layer answers in float64, as outside."""
    ours, _ = twin.build(dtype=torch.float64)
    x = torch.randn(T, B, F, dtype=torch.float64)
    expected = flat(ours(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = flat(ours(x))
    assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))


@every_twin
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_close(twin: Twin, dtype: torch.dtype) -> None:
    """A layer moved to 16 bits computes in 16 bits on either path."""
    ours, torchs = twin.build()
    x = torch.randn(T, B, F)
    expected = [part.bfloat16() for part in flat(torchs(x))]
    for more in PATHS.values():
        actual = flat(ours.to(dtype)(x.to(dtype), **more))
        assert all(part.dtype == dtype for part in actual)
        assert_close([part.bfloat16() for part in actual], expected)
