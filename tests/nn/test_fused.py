"""One operator on the kernels: autograd, strides, wrong use, threads and memory."""

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.kernels import workspace
from unrolled.nn import fused, operator
from unrolled.nn.cells import (
    GRUCell,
    GRUState,
    GRUWeights,
    LSTMCell,
    LSTMState,
    LSTMWeights,
    RNNCell,
    RNNState,
    RNNWeights,
)
from unrolled.nn.zoneout import Zoneout

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled room is not there")

T, B, F, H = 5, 3, 2, 4  # every axis a different size
CASES: dict[str, tuple[Any, Any, Any, dict[str, bool]]] = {
    "rnn": (RNNCell(), RNNState, RNNWeights, {}),
    "rnn-prelu-norm": (RNNCell("prelu"), RNNState, RNNWeights, {"slope": True, "norm": True}),
    "gru": (GRUCell(), GRUState, GRUWeights, {}),
    "gru-norm": (GRUCell(), GRUState, GRUWeights, {"norm": True}),
    "lstm": (LSTMCell(), LSTMState, LSTMWeights, {}),
    "lstm-norm": (LSTMCell(), LSTMState, LSTMWeights, {"norm": True}),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
OPTIONS: dict[str, Callable[[int], dict[str, Any]]] = {
    "plain": lambda _: {},
    "ragged": lambda _: {"lengths": [5, 0, 2], "reverse": True},
    "everything": lambda parts: {
        "lengths": torch.tensor([5, 0, 2]), "resets": torch.rand(B, T) < 0.4,
        "dropped": 2 * (torch.rand(B, H) < 0.5).double(), "zoneout": Zoneout((0.3, 0.2)[:parts], 7),
    },
    "mean": lambda parts: {"zoneout": Zoneout((0.3, 0.2)[:parts])},
}  # fmt: skip
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


class Run:
    """One cell with weights, input and state in float64, as functions of a flat list of tensors."""

    def __init__(
        self, case: tuple[Any, Any, Any, dict[str, bool]], options: Callable[[int], dict[str, Any]]
    ) -> None:
        self.cell, self.state, self.weights, has = case
        torch.manual_seed(2)
        rows = len(self.cell.gates) * H
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, F), "weight_hh": (rows, H), "bias_ih": (rows,), "bias_hh": (rows,),
        }  # fmt: skip
        if has.get("slope"):
            shapes["slope"] = (1,)
        if has.get("norm"):
            gains = {"gain_ih": (rows,), "gain_hh": (rows,), "gain_cell": (H,), "bias_cell": (H,)}
            shapes |= {name: shape for name, shape in gains.items() if name in self.weights._fields}
        self.names, parts = list(shapes), len(self.state._fields)
        drawn = [(T, B, F), *[(B, H)] * parts, *shapes.values()]
        self.given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in drawn]
        self.options = options(parts)

    def __call__(self, *given: Tensor, unroll: Any = fused.unroll) -> tuple[Tensor, ...]:
        x, *rest = given
        parts = len(self.state._fields)
        learned = self.weights(**dict(zip(self.names, rest[parts:], strict=True)))
        output, state = unroll(self.cell, x, learned, self.state(*rest[:parts]), **self.options)
        return output, *state

    def gradients(self, **more: Any) -> list[Tensor]:
        """Values, and the gradients of everything."""
        answer = self(*self.given, **more)
        goal = sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in answer)
        return [*answer, *torch.autograd.grad(goal, self.given)]


@pytest.fixture(params=["tensors", "addresses"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both ways to the kernels: tensors that C looks at, and addresses that Python asks for."""
    if request.param == "addresses":
        monkeypatch.setattr(operator, "_IS_OPEN", False)
    elif not operator._IS_OPEN:
        pytest.skip("this torch does not describe its tensors to C")
    for made in (operator.rule, fused.plain_rule):
        made.cache_clear()
    yield request.param
    for made in (operator.rule, fused.plain_rule):
        made.cache_clear()


# ---- what it computes


@every_case
@every_option
@pytest.mark.usefixtures("door")
def test_values_and_gradients_are_the_references(case: Any, options: Any) -> None:
    """To rounding, for every cell and option; and the same bits when asked again."""
    run = Run(case, options)
    found = run.gradients()
    torch.testing.assert_close(found, run.gradients(unroll=un.unroll), rtol=0, atol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(found, run.gradients(), strict=True))


@every_case
@every_option
def test_gradients_are_right(case: Any, options: Any) -> None:
    """By finite differences."""
    run = Run(case, options)
    assert torch.autograd.gradcheck(run, run.given, fast_mode=True)


@every_case
def test_the_gradients_gradients_are_right(case: Any) -> None:
    """By finite differences, with every option; the second derivative goes through the reference."""
    run = Run(case, OPTIONS["everything"])
    assert torch.autograd.gradgradcheck(run, run.given, fast_mode=True)


@every_case
def test_any_share_of_the_gradients_may_be_asked_for(case: Any) -> None:
    """Of one input alone, and of one output alone, each is what it was among all."""
    run = Run(case, OPTIONS["plain"])
    for k in range(len(run.given)):
        fixed = [g.detach() for g in run.given]
        fixed[k].requires_grad_()
        for part, whole in zip(run(*fixed), run(*run.given), strict=True):
            (alone,) = torch.autograd.grad(part.sum(), [fixed[k]], retain_graph=True)
            (among,) = torch.autograd.grad(whole.sum(), [run.given[k]], retain_graph=True)
            assert torch.equal(alone, among)


def test_a_retained_graph_gives_the_same_twice() -> None:
    """A backward pass changes nothing that the next one reads; without retaining, torch says so."""
    for case in CASES.values():
        run = Run(case, OPTIONS["everything"])
        output, *_ = run(*run.given)
        first = torch.autograd.grad(output.sum(), run.given, retain_graph=True)
        assert all(map(torch.equal, first, torch.autograd.grad(output.sum(), run.given)))
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            torch.autograd.grad(output.sum(), run.given)


def test_an_input_made_of_a_weight_gets_no_gradient_twice() -> None:
    """The second derivative through the reference sees each path once."""
    run = Run(CASES["gru"], OPTIONS["plain"])
    weight = run.given[2]
    x = weight[:10, :1].reshape(T, 1, F).expand(T, B, F).contiguous()
    found = []
    for unroll in (fused.unroll, un.unroll):
        output, _ = run(x, *run.given[1:], unroll=unroll)
        (first,) = torch.autograd.grad(output.square().sum(), weight, create_graph=True)
        found.append([first, *torch.autograd.grad(first.sin().sum(), weight)])
    torch.testing.assert_close(*found, rtol=0, atol=1e-11)


def test_without_gradients_nothing_is_kept() -> None:
    """no_grad, inference_mode and inputs that need none give the bits of training, and no node."""
    run = Run(CASES["lstm"], OPTIONS["ragged"])
    trained, bare = run(*run.given), [g.detach() for g in run.given]
    with torch.no_grad():
        assert all(map(torch.equal, run(*run.given), trained))
    with torch.inference_mode():
        assert all(map(torch.equal, run(*run.given), trained))
    assert not any(part.requires_grad for part in run(*bare))


# ---- layouts


def test_views_are_read_where_they_lie(door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch first and a piece of a wider tensor are not copied; odd strides and weights' views are."""
    run = Run(CASES["gru"], OPTIONS["plain"])
    x, *rest = (g.detach() for g in run.given)
    wanted, seen = run(x, *rest), []
    plain = operator.arguments
    monkeypatch.setattr(operator, "arguments", lambda *a: seen.append(plain(*a)) or seen[-1])
    views = {
        "batch first": x.transpose(0, 1).contiguous().transpose(0, 1),
        "narrow": torch.cat([torch.ones_like(x), x, x], 2)[..., F : 2 * F],
        "last axis": x.transpose(0, 2).contiguous().transpose(0, 2),
    }
    for name, view in views.items():
        seen.clear()
        assert all(map(torch.equal, run(view, *rest), wanted))
        assert len(seen) == (door == "addresses" or name == "last axis")
        assert sum(len(copies) for _, copies in seen) == (name == "last axis")
    turned = [g.T.contiguous().T if g.ndim == 2 else torch.stack([g, g], -1).select(-1, 0) for g in rest]
    assert all(map(torch.equal, run(x, *turned), wanted))
    assert len(seen[-1][1]) == len(rest)


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("lay", [lambda g: g.expand(T, B, H), lambda g: torch.randn(B, T, H).transpose(0, 1)])
def test_gradients_may_have_any_strides(lay: Callable[[Tensor], Tensor]) -> None:
    """What sum() sends back is one number everywhere; a batch-first loss sends a view."""
    layer, x = un.LSTM(F, H), torch.randn(B, T, F).transpose(0, 1).requires_grad_()
    gradient = lay(torch.ones(()))
    wanted = [x, *layer.parameters()]
    found = torch.autograd.grad(layer(x)[0], wanted, gradient)
    assert all(map(torch.equal, found, torch.autograd.grad(layer(x)[0], wanted, gradient.contiguous())))
    assert found[0].stride() == x.stride()


@pytest.mark.usefixtures("door")
def test_signs_that_torch_has_yet_to_change_are_changed() -> None:
    """The imaginary part of a conjugate lies in memory with the other sign."""
    layer = un.GRU(1, 1)
    lazy = torch.complex(torch.zeros(T, B), torch.randn(T, B)).conj().imag[..., None]
    assert lazy.is_neg()
    torch.testing.assert_close(layer(lazy), layer(lazy.resolve_neg().clone()), rtol=0, atol=0)
    output = layer(torch.randn(T, B, 1))[0]
    found = torch.autograd.grad(output, layer.parameters(), lazy, retain_graph=True)
    wanted = torch.autograd.grad(output, layer.parameters(), lazy.resolve_neg().clone())
    assert all(map(torch.equal, found, wanted))


# ---- wrong use


@pytest.mark.parametrize("which", ["input", "weight", "output"])
def test_changing_what_is_kept_is_refused(which: str) -> None:
    """Torch's own error: in place, between forward and backward."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    output, _ = layer(x)
    goal = output.square().sum()
    with torch.no_grad():
        {"input": x, "weight": layer.weight_hh_l0, "output": output}[which].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        goal.backward()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": torch.zeros(T, B)}, r"^unroll inputs: expected \(T, B, F\), got shape \(5, 3\)"),
        ({"inputs": torch.zeros(T, B, F + 1)}, r"^unroll w_ih: expected shape \(12, 3\) of torch.float32"),
        ({"inputs": torch.zeros(T, B, F).double()}, r"^unroll w_ih: .* of torch.float64 on the CPU"),
        ({"inputs": torch.zeros(T, B, F).half()}, r"^unroll inputs: expected float32 or float64 on the"),
        ({"state": GRUState(torch.zeros(B + 1, H))}, r"^unroll h0: expected shape \(3, 4\)"),
        ({"lengths": [T + 1, 1, 1]}, r"^unroll lengths: each must be from 0 to T=5"),
        ({"resets": torch.zeros(T, B, dtype=torch.bool)}, r"^unroll resets: expected shape"),
        ({"cell": RNNCell(torch.tanh)}, r"^unroll cell: the kernels know .* Run it with"),
    ],
)  # fmt: skip
def test_what_the_kernels_would_misread_is_refused(change: dict[str, Any], message: str) -> None:
    """Before an address is taken."""
    weights = GRUWeights(torch.randn(3 * H, F), torch.randn(3 * H, H))
    given = {"cell": GRUCell(), "inputs": torch.randn(T, B, F), "weights": weights, **change}
    with pytest.raises(ArgumentError, match=message):
        fused.unroll(**given)


@pytest.mark.usefixtures("door")
def test_weights_swapped_under_the_graph_are_looked_at_again() -> None:
    """`.data =` counts no version; the new memory is checked before it is read."""
    layer = un.GRU(F, H)
    output, _ = layer(torch.randn(T, B, F))
    layer.weight_hh_l0.data = torch.zeros(3, 1)
    with pytest.raises(ArgumentError, match=r"^unroll w_ih: expected shape"):
        output.sum().backward()


# ---- life with torch


def test_threads_may_change_between_the_passes() -> None:
    """The gradients are the same."""
    before, layer, x = torch.get_num_threads(), un.LSTM(F, H), torch.randn(T, B, F)
    wanted = torch.autograd.grad(layer(x)[0].sum(), layer.parameters())
    output = layer(x)[0]
    try:
        torch.set_num_threads(2)
        found = torch.autograd.grad(output.sum(), layer.parameters())
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_two_threads_at_once_get_their_own_answers() -> None:
    """As DataParallel calls replicas."""
    layer = un.GRU(F, 64)
    xs = [torch.randn(40, 16, F) for _ in range(4)]

    def step(x: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(layer(x)[0].square().sum(), layer.parameters()))

    wanted, found = [step(x) for x in xs], {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: [step(xs[k]) for _ in range(8)]}))
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert all(all(map(torch.equal, again, wanted[k])) for again in found[k])


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpointing_computes_again_what_it_dropped(use_reentrant: bool) -> None:
    """The same gradients."""
    layer, x = un.LSTM(F, H, 2), torch.randn(T, B, F, requires_grad=True)
    wanted = torch.autograd.grad(layer(x)[0].sum(), [x, *layer.parameters()])
    output = torch.utils.checkpoint.checkpoint(lambda x: layer(x)[0], x, use_reentrant=use_reentrant)
    layer.zero_grad()
    output.sum().backward()
    found = [x.grad, *(weight.grad for weight in layer.parameters())]
    assert all(map(torch.equal, found, wanted))


def test_saved_tensors_pass_the_hooks() -> None:
    """What the backward pass needs can be moved elsewhere: all of it that is large."""
    layer, x, packed = un.LSTM(F, H), torch.randn(T, B, F), []
    wanted = torch.autograd.grad(layer(x)[0].sum(), layer.parameters())
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t.clone(), lambda t: t):
        output, _ = layer(x)
    assert sum(t.numel() for t in packed) >= 4 * T * B * H
    assert all(map(torch.equal, torch.autograd.grad(output.sum(), layer.parameters()), wanted))


def test_a_layer_that_ran_copies_and_pickles() -> None:
    """A call leaves nothing on it."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    before, state = layer(x)[0], set(vars(layer))
    assert set(vars(layer)) == state
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.share_memory()):
        assert torch.equal(twin(x)[0], before)


def test_hooks_and_anomalies_see_the_node() -> None:
    """A gradient of the output can be looked at, and detect_anomaly finds nothing wrong."""
    layer, seen = un.RNN(F, H), []
    output, _ = layer(torch.randn(T, B, F))
    output.register_hook(seen.append)
    with pytest.warns(UserWarning, match="Anomaly"), torch.autograd.detect_anomaly():
        output.sum().backward()
    assert [gradient.shape for gradient in seen] == [(T, B, H)]


# ---- memory


def test_large_results_come_from_the_pool_and_go_back() -> None:
    """A block serves again when the last tensor on it goes, never before; nothing is left in a cycle."""
    kernels.release()
    layer, x = un.LSTM(4, 128), torch.randn(40, 64, 4)
    before = workspace._shared.held_bytes
    output, _ = layer(x)
    held = workspace._shared.held_bytes - before
    assert held > 4 * 40 * 64 * 128 * 4  # gates and outputs
    copied, addresses = output.detach().clone(), {output.data_ptr()}
    for _ in range(3):
        again, _ = layer(x + 1)
        assert again.data_ptr() not in addresses  # the first is alive
    assert torch.equal(output, copied)
    node = weakref.ref(output.grad_fn)
    gc.disable()
    try:
        del output, again, _
        assert node() is None
    finally:
        gc.enable()
    assert kernels.release() >= held
    assert workspace._shared.held_bytes <= before


def test_a_large_gradient_of_the_input_lies_as_the_input() -> None:
    """From the pool, whether batch or time came first, and equal to the small ones put together."""
    layer = un.GRU(64, 8)
    for make in (lambda: torch.randn(64, 128, 64), lambda: torch.randn(128, 64, 64).transpose(0, 1)):
        x = make().requires_grad_()
        (found,) = torch.autograd.grad(layer(x)[0].sum(), x)
        parts = [x[:, k : k + 16] for k in range(0, 128, 16)]
        wanted = [torch.autograd.grad(layer(part)[0].sum(), part)[0] for part in parts]
        assert found.stride() == x.stride()
        torch.testing.assert_close(found, torch.cat(wanted, 1), rtol=0, atol=0)
