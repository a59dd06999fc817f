"""The door of the layers: what passes at once, what is looked at whole, and who is asked how often."""

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
QUICK = [
    (un.GRU(F, H), lambda x: x, True),
    (un.RNN(F, H, nonlinearity="prelu", layer_norm=True, batch_first=True), lambda x: x, True),
    (un.LSTM(F, H, dtype=torch.float64), lambda x: x.double(), True),
    (un.GRU(F, H, 2), lambda x: x, False),
    (un.GRU(F, H, bidirectional=True), lambda x: x, False),
    (un.GRU(F, H, zoneout=0.1), lambda x: x, False),
    (un.GRU(F, H, recurrent_dropout=0.1), lambda x: x, False),
    (un.GRU(F, H), lambda x: x[0], False),
    (un.LSTM(F, H, proj_size=2), lambda x: x, False),
    (un.RNN(F, H, nonlinearity=torch.tanh), lambda x: x, False),
    (un.GRU(F, H, dtype=torch.bfloat16), lambda x: x.bfloat16(), False),
    (un.GRU(F, H, device="meta"), lambda x: x.to("meta"), False),
]


@pytest.mark.skipif(not kernels.available(), reason="the compiled room is not there")
@pytest.mark.parametrize(("layer", "convert", "is_quick"), QUICK)
def test_the_quick_way_is_taken_where_explain_says_fused_or_not_at_all(
    layer: Any, convert: Any, is_quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the layer, and whatever looks on; its answer is the long way's, to the bit."""
    x = convert(torch.randn(T, B, F))
    quick = layer._fast_path(x)
    assert (quick is not None) == is_quick
    if quick is None:
        return
    assert layer.explain(x).name == "fused"
    monkeypatch.setattr(layer, "_fast_path", lambda _: None)
    torch.testing.assert_close(quick, layer(x), rtol=0, atol=0)
    monkeypatch.undo()
    found = []
    vmap(lambda x: found.append((layer._fast_path(x), layer.explain(x).name)) or x)(x[None])
    with torch.autograd.forward_ad.dual_level():
        found.append((layer._fast_path(x), layer.explain(x).name))
    with monkeypatch.context() as missing:
        missing.setattr(kernels, "_compiled", None)
        found.append((layer._fast_path(x), layer.explain(x).name))
    assert all(answer is None and name != "fused" for answer, name in found)


@every_layer
def test_a_plain_call_passes_the_door_at_once(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the quick look accepts is what the whole check makes of it, and the whole check is not run."""
    for batch_first in (False, True):
        layer, x = build(batch_first=batch_first), torch.randn(T, B, F)
        expected = InputSpec(
            type(layer).__name__, F, layer._state_sizes, 1, batch_first, layer.weight_ih_l0
        )  # fmt: skip
        slow = check_inputs(expected, x, None, None, None)
        with monkeypatch.context() as closed:
            closed.setattr(base, "check_inputs", lambda *_: pytest.fail("the whole check ran"))
            quick = layer._check_inputs(x, None, None, None)
        assert torch.equal(quick.inputs, slow.inputs)
        assert quick[1:] == slow[1:]


@pytest.mark.parametrize(
    "given",
    [
        (torch.randn(T, F),),
        (torch.randn(T, B, F).double(),),
        (torch.randn(T, B, F + 1),),
        (torch.randn(T, B, F, device="meta"),),
        (torch.randn(T, B, F).to_sparse(),),
        (torch.nn.Parameter(torch.randn(T, B, F)),),
        (torch.nn.utils.rnn.pack_sequence([torch.randn(T, F)]),),
        (torch.randn(T, B, F), torch.zeros(1, B, H)),
        (torch.randn(T, B, F), None, [T] * B),
        (torch.randn(T, B, F), None, None, torch.zeros(B, T, dtype=torch.bool)),
    ],
    ids=lambda given: f"{type(given[0]).__name__}-{len(given)}",
)
def test_anything_else_is_looked_at_whole(given: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick look says no to all that it does not know."""
    asked = []
    monkeypatch.setattr(base, "check_inputs", lambda *_: asked.append(1))
    un.GRU(F, H)._check_inputs(*(*given, None, None, None)[:4])
    assert asked == [1]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_are_refused_in_a_sentence(layout: torch.layout) -> None:
    """They have no plain axes to ask for."""
    nested = torch.nested.nested_tensor([torch.randn(2, F), torch.randn(5, F)], layout=layout)
    with pytest.raises(ArgumentError, match=r"^GRU input: expected a dense tensor, got a nested one"):
        un.GRU(F, H)(nested)


@pytest.mark.skipif(not kernels.available(), reason="the compiled room is not there")
def test_lengths_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many layers and directions there are."""
    seen, check = [], inputs.check_lengths
    for room in (inputs, fused):
        monkeypatch.setattr(room, "check_lengths", lambda *a, **k: seen.append(1) or check(*a, **k))
    un.GRU(F, H, 2, bidirectional=True)(torch.randn(T, B, F), lengths=[1, 2, 3, 4])
    assert seen == [1]


def test_under_autocast_the_whole_check_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there that the dtype is changed."""
    asked = []
    monkeypatch.setattr(base, "check_inputs", lambda *_: asked.append(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        un.GRU(F, H)._check_inputs(torch.randn(T, B, F), None, None, None)
    assert asked == [1]
