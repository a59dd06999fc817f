"""Fast paths of a call: inputs that skip the full validation, calls that skip the stack of layers."""

from typing import Any

import pytest
import torch
from torch.func import vmap

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.nn.layers import base, inputs
from unrolled.nn.layers.inputs import InputSpec, check_inputs
from unrolled.nn.ops import fused

T, B, F, H = 7, 4, 3, 5
LAYERS = {
    "rnn": lambda **more: un.RNN(F, H, **more),
    "rnn-prelu": lambda **more: un.RNN(F, H, nonlinearity="prelu", **more),
    "gru": lambda **more: un.GRU(F, H, **more),
    "lstm": lambda **more: un.LSTM(F, H, **more),
    "lstm-projected": lambda **more: un.LSTM(F, H, proj_size=2, **more),
}
every_layer = pytest.mark.parametrize("build", LAYERS.values(), ids=LAYERS)
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's oneDNN has none
SINGLE_RUNS = [
    (un.GRU(F, H), lambda x: x, True),
    (un.RNN(F, H, nonlinearity="prelu", layer_norm=True, batch_first=True), lambda x: x, True),
    (un.LSTM(F, H, dtype=torch.float64), lambda x: x.double(), True),
    (un.GRU(F, H), lambda x: x[:, 0], True),
    (un.GRU(F, H, 2), lambda x: x, False),
    (un.GRU(F, H, bidirectional=True), lambda x: x, False),
    (un.GRU(F, H, zoneout=0.1), lambda x: x, False),
    (un.GRU(F, H, recurrent_dropout=0.1), lambda x: x, False),
]


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are missing")
@pytest.mark.parametrize(("layer", "convert", "is_single"), SINGLE_RUNS)
def test_a_single_run_skips_the_stack_and_equals_it(
    layer: Any, convert: Any, is_single: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One layer in one direction from zeros is one operator; its outputs equal the stack's to the bit."""
    x = convert(torch.randn(T, B, F))
    call = layer._check_inputs(x, None, None, None)
    assert (layer._single_run_operands(call) is not None) == is_single
    if not is_single:
        return
    outputs = layer(x)
    monkeypatch.setattr(layer, "_single_run_operands", lambda _: None)
    torch.testing.assert_close(outputs, layer(x), rtol=0, atol=0)


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are missing")
@pytest.mark.parametrize(
    "options",
    [
        {"lengths": [T, 2, 3, 0]},
        {"resets": torch.rand(B, T) < 0.5},
    ],
    ids=["lengths", "resets"],
)
def test_lengths_and_resets_need_the_stack(options: dict[str, Any]) -> None:
    """Each of them changes the outputs, so that a single run without them would be wrong."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    call = layer._check_inputs(x, None, *(options.get(name) for name in ("lengths", "resets")))
    assert layer._single_run_operands(call) is None
    assert not torch.equal(layer(x, **options)[0], layer(x)[0])


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are missing")
@pytest.mark.parametrize(
    ("layer", "convert"),
    [
        (un.LSTM(F, H, proj_size=2), lambda x: x),
        (un.RNN(F, H, nonlinearity=torch.tanh), lambda x: x),
        (un.GRU(F, H, dtype=torch.bfloat16), lambda x: x.bfloat16()),
        (un.GRU(F, H, device="meta"), lambda x: x.to("meta")),
    ],
    ids=["projection", "callable", "bfloat16", "meta"],
)
def test_the_kernels_do_not_run_what_they_do_not_have(
    layer: Any, convert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain call of such a layer reaches another backend."""
    monkeypatch.setattr(fused, "run_recurrence", lambda *_: pytest.fail("the kernels ran"))
    x = convert(torch.randn(T, B, F))
    assert layer.explain(x).name != "fused"
    layer(x)


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are missing")
@pytest.mark.parametrize("context", ["vmap", "forward mode", "no kernels"])
def test_a_plain_call_avoids_the_kernels_where_they_cannot_run(
    context: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under vmap, in forward mode and without the compiled module."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    monkeypatch.setattr(fused, "run_recurrence", lambda *_: pytest.fail("the kernels ran"))
    backends = []

    def call(x: torch.Tensor) -> torch.Tensor:
        backends.append(layer.explain(x).name)
        output: torch.Tensor = layer(x)[0]
        return output

    if context == "vmap":
        vmap(call)(x[None])
    elif context == "forward mode":
        with torch.autograd.forward_ad.dual_level():
            call(x)
    else:
        monkeypatch.setattr(kernels, "_compiled", None)
        monkeypatch.setattr(kernels.loading, "_has_warned", True)  # the warning has its own test
        call(x)
    assert backends
    assert "fused" not in backends


@every_layer
def test_a_plain_input_skips_the_full_validation(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result equals that of the full validation, which is not run."""
    for batch_first in (False, True):
        layer, x = build(batch_first=batch_first), torch.randn(T, B, F)
        spec = InputSpec(type(layer).__name__, F, layer._state_sizes, 1, batch_first, layer.weight_ih_l0)
        validated = check_inputs(spec, x, None, None, None)
        with monkeypatch.context() as patch:
            patch.setattr(base, "check_inputs", lambda *_: pytest.fail("the full validation ran"))
            fast = layer._check_inputs(x, None, None, None)
        assert torch.equal(fast.inputs, validated.inputs)
        assert fast[1:] == validated[1:]


@pytest.mark.parametrize(
    "arguments",
    [
        (torch.randn(T, F),),
        (torch.randn(T, B, F).double(),),
        (torch.randn(T, B, F + 1),),
        (torch.randn(T, B, F, device="meta"),),
        (torch.randn(T, B, F).to_sparse(),),
        (torch.nn.Parameter(torch.randn(T, B, F)),),
        (torch.nn.utils.rnn.pack_sequence([torch.randn(T, F)]),),
        (torch.randn(T, B, F), torch.zeros(1, B, H).double()),
        (torch.randn(T, B, F), [torch.zeros(1, B, H)]),
        (torch.randn(T, B, F), torch.zeros(1, B, H + 1)),
        (torch.randn(T, B, F), None, [T] * B),
        (torch.randn(T, B, F), None, None, torch.zeros(B, T, dtype=torch.bool)),
    ],
    ids=lambda arguments: f"{type(arguments[0]).__name__}-{len(arguments)}",
)
def test_every_other_call_is_validated_in_full(
    arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another rank, dtype, width, device, layout or type of the input, and every further argument."""
    validations = []
    monkeypatch.setattr(base, "check_inputs", lambda *_: validations.append(1))
    un.GRU(F, H)._check_inputs(*(*arguments, None, None, None)[:4])
    assert validations == [1]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_are_refused(layout: torch.layout) -> None:
    """They have no common T."""
    nested = torch.nested.nested_tensor([torch.randn(2, F), torch.randn(5, F)], layout=layout)
    with pytest.raises(ArgumentError, match=r"^GRU input: expected a dense tensor, got a nested one"):
        un.GRU(F, H)(nested)


@pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are missing")
def test_lengths_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many layers and directions there are."""
    validations, check = [], inputs.check_lengths
    for module in (inputs, fused):
        monkeypatch.setattr(module, "check_lengths", lambda *a, **k: validations.append(1) or check(*a, **k))
    un.GRU(F, H, 2, bidirectional=True)(torch.randn(T, B, F), lengths=[1, 2, 3, 4])
    assert validations == [1]


def test_under_autocast_the_full_validation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It casts the dtype."""
    validations = []
    monkeypatch.setattr(base, "check_inputs", lambda *_: validations.append(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        un.GRU(F, H)._check_inputs(torch.randn(T, B, F), None, None, None)
    assert validations == [1]
