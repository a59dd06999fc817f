"""One operator on the kernels: autograd, strides, wrong use."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import (
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
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops import fused, launch

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

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
        self.inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in drawn]
        self.options = options(parts)

    def __call__(self, *tensors: Tensor, unroll: Any = fused.fused_unroll) -> tuple[Tensor, ...]:
        x, *rest = tensors
        parts = len(self.state._fields)
        learned = self.weights(**dict(zip(self.names, rest[parts:], strict=True)))
        output, state = unroll(self.cell, x, learned, self.state(*rest[:parts]), **self.options)
        return output, *state

    def gradients(self, **more: Any) -> list[Tensor]:
        """Values, and the gradients of everything."""
        answer = self(*self.inputs, **more)
        goal = sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in answer)
        return [*answer, *torch.autograd.grad(goal, self.inputs)]


# ---- what it computes


@every_case
@every_option
def test_values_and_gradients_are_the_references(case: Any, options: Any) -> None:
    """To rounding, for every cell and option; and the same bits when asked again."""
    run = Run(case, options)
    actual = run.gradients()
    torch.testing.assert_close(actual, run.gradients(unroll=un.unroll), rtol=0, atol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(actual, run.gradients(), strict=True))


@every_case
@every_option
def test_gradients_are_right(case: Any, options: Any) -> None:
    """By finite differences."""
    run = Run(case, options)
    assert torch.autograd.gradcheck(run, run.inputs, fast_mode=True)


@every_case
def test_the_gradients_gradients_are_right(case: Any) -> None:
    """By finite differences, with every option; the second derivative goes through the reference."""
    run = Run(case, OPTIONS["everything"])
    assert torch.autograd.gradgradcheck(run, run.inputs, fast_mode=True)


@every_case
def test_any_subset_of_gradients_can_be_computed(case: Any) -> None:
    """Of one input alone, and of one output alone, each is what it was among all."""
    run = Run(case, OPTIONS["plain"])
    for k in range(len(run.inputs)):
        fixed = [g.detach() for g in run.inputs]
        fixed[k].requires_grad_()
        for part, whole in zip(run(*fixed), run(*run.inputs), strict=True):
            (alone,) = torch.autograd.grad(part.sum(), [fixed[k]], retain_graph=True)
            (among,) = torch.autograd.grad(whole.sum(), [run.inputs[k]], retain_graph=True)
            assert torch.equal(alone, among)


def test_a_retained_graph_gives_the_same_twice() -> None:
    """A backward pass changes nothing that the next one reads; without retaining, torch says so."""
    for case in CASES.values():
        run = Run(case, OPTIONS["everything"])
        output, *_ = run(*run.inputs)
        first = torch.autograd.grad(output.sum(), run.inputs, retain_graph=True)
        assert all(map(torch.equal, first, torch.autograd.grad(output.sum(), run.inputs)))
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            torch.autograd.grad(output.sum(), run.inputs)


def test_an_input_computed_from_a_weight_counts_its_gradient_once() -> None:
    """The second derivative through the reference sees each path once."""
    run = Run(CASES["gru"], OPTIONS["plain"])
    weight = run.inputs[2]
    x = weight[:10, :1].reshape(T, 1, F).expand(T, B, F).contiguous()
    actual = []
    for unroll in (fused.fused_unroll, un.unroll):
        output, _ = run(x, *run.inputs[1:], unroll=unroll)
        (first,) = torch.autograd.grad(output.square().sum(), weight, create_graph=True)
        actual.append([first, *torch.autograd.grad(first.sin().sum(), weight)])
    torch.testing.assert_close(*actual, rtol=0, atol=1e-11)


def test_without_gradients_nothing_is_saved() -> None:
    """no_grad, inference_mode and inputs that need none give the bits of training, and no node."""
    run = Run(CASES["lstm"], OPTIONS["ragged"])
    trained, bare = run(*run.inputs), [g.detach() for g in run.inputs]
    with torch.no_grad():
        assert all(map(torch.equal, run(*run.inputs), trained))
    with torch.inference_mode():
        assert all(map(torch.equal, run(*run.inputs), trained))
    assert not any(part.requires_grad for part in run(*bare))


# ---- layouts


def test_only_views_with_odd_strides_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch first and a slice of a wider tensor are read in place; an odd last axis and weights are not."""
    run = Run(CASES["gru"], OPTIONS["plain"])
    x, *rest = (g.detach() for g in run.inputs)
    expected, copied = run(x, *rest), []
    copy = launch._readable_operands
    monkeypatch.setattr(launch, "_readable_operands", lambda *a: copied.append(copy(*a)) or copied[-1])
    views = {
        "batch first": x.transpose(0, 1).contiguous().transpose(0, 1),
        "narrow": torch.cat([torch.ones_like(x), x, x], 2)[..., F : 2 * F],
        "last axis": x.transpose(0, 2).contiguous().transpose(0, 2),
    }
    for name, view in views.items():
        copied.clear()
        assert all(map(torch.equal, run(view, *rest), expected))
        assert len(copied) == (name == "last axis")
    turned = [g.T.contiguous().T if g.ndim == 2 else torch.stack([g, g], -1).select(-1, 0) for g in rest]
    assert all(map(torch.equal, run(x, *turned), expected))
    assert [a is b for a, b in zip(copied[-1], (x, *turned), strict=True)] == [True] + [False] * len(rest)


def test_the_gradients_of_copied_operands_are_those_of_the_operands() -> None:
    """Weights and state with odd strides, forward and backward."""
    run = Run(CASES["lstm"], OPTIONS["everything"])
    expected = run.gradients()
    x, *rest = (g.detach() for g in run.inputs)
    turned = [g.T.contiguous().T if g.ndim == 2 else torch.stack([g, g], -1).select(-1, 0) for g in rest]
    run.inputs = [g.requires_grad_() for g in (x.transpose(0, 2).contiguous().transpose(0, 2), *turned)]
    assert all(map(torch.equal, run.gradients(), expected))


@pytest.mark.parametrize("lay", [lambda g: g.expand(T, B, H), lambda g: torch.randn(B, T, H).transpose(0, 1)])
def test_gradients_may_have_any_strides(lay: Callable[[Tensor], Tensor]) -> None:
    """What sum() sends back is one number everywhere; a batch-first loss sends a view."""
    layer, x = un.LSTM(F, H), torch.randn(B, T, F).transpose(0, 1).requires_grad_()
    gradient = lay(torch.ones(()))
    expected = [x, *layer.parameters()]
    actual = torch.autograd.grad(layer(x)[0], expected, gradient)
    assert all(map(torch.equal, actual, torch.autograd.grad(layer(x)[0], expected, gradient.contiguous())))
    assert actual[0].stride() == x.stride()


def test_views_with_a_pending_negation_are_resolved() -> None:
    """The imaginary part of a conjugate lies in memory with the other sign."""
    layer = un.GRU(1, 1)
    lazy = torch.complex(torch.zeros(T, B), torch.randn(T, B)).conj().imag[..., None]
    assert lazy.is_neg()
    torch.testing.assert_close(layer(lazy), layer(lazy.resolve_neg().clone()), rtol=0, atol=0)
    output = layer(torch.randn(T, B, 1))[0]
    actual = torch.autograd.grad(output, layer.parameters(), lazy, retain_graph=True)
    expected = torch.autograd.grad(output, layer.parameters(), lazy.resolve_neg().clone())
    assert all(map(torch.equal, actual, expected))


@every_case
def test_operands_and_gradients_may_be_negated_views(case: Any) -> None:
    """Each operand in its turn, the mask, and the gradient of each result."""
    run = Run(case, OPTIONS["everything"])
    bare = [g.detach() for g in run.inputs]
    expected = run(*bare)
    for k in range(len(bare)):
        turned = [torch._neg_view(-g) if j == k else g for j, g in enumerate(bare)]
        assert turned[k].is_neg()
        assert all(map(torch.equal, run(*turned), expected))
    run.options["dropped"] = torch._neg_view(-run.options["dropped"])
    assert all(map(torch.equal, run(*bare), expected))
    answer = run(*run.inputs)
    for part in answer:
        gradient = torch.randn_like(part)
        actual = torch.autograd.grad(part, run.inputs, torch._neg_view(-gradient), retain_graph=True)
        assert all(
            map(torch.equal, actual, torch.autograd.grad(part, run.inputs, gradient, retain_graph=True))
        )
    turned = [torch._neg_view(-g).requires_grad_() for g in bare]
    actual = torch.autograd.grad(sum(part.sum() for part in run(*turned)), turned)
    assert all(map(torch.equal, actual, torch.autograd.grad(sum(part.sum() for part in answer), run.inputs)))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated")
def test_a_batch_of_gradients_equals_a_loop() -> None:
    """As a vectorized jacobian and gradcheck ask for it; through the reference."""
    run = Run(CASES["lstm"], OPTIONS["everything"])
    output, *_ = run(*run.inputs)
    batch = torch.randn(3, *output.shape, dtype=torch.float64)
    mapped = torch.autograd.grad(output, run.inputs, batch, is_grads_batched=True, retain_graph=True)
    for k in range(3):
        alone = torch.autograd.grad(output, run.inputs, batch[k], retain_graph=True)
        torch.testing.assert_close([g[k] for g in mapped], list(alone), rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(run, run.inputs, fast_mode=True, check_batched_grad=True)
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    loop, vectorized = (
        torch.autograd.functional.jacobian(lambda x: layer(x)[0], x, vectorize=v) for v in (False, True)
    )
    torch.testing.assert_close(vectorized, loop)


# ---- wrong use


@pytest.mark.parametrize("which", ["input", "weight", "output"])
def test_changing_saved_tensors_in_place_is_refused(which: str) -> None:
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
        ({"inputs": torch.zeros(T, B, F + 1)}, r"^unroll weight_ih: expected shape \(12, 3\) of torch"),
        ({"inputs": torch.zeros(T, B, F).double()}, r"^unroll weight_ih: .* of torch.float64 on the CPU"),
        ({"inputs": torch.zeros(T, B, F).half()}, r"^unroll inputs: expected float32 or float64 on the"),
        ({"state": GRUState(torch.zeros(B + 1, H))}, r"^unroll h0: expected shape \(3, 4\)"),
        ({"lengths": [T + 1, 1, 1]}, r"^unroll lengths: each must be from 0 to T=5"),
        ({"resets": torch.zeros(T, B, dtype=torch.bool)}, r"^unroll resets: expected shape"),
        ({"cell": RNNCell(torch.tanh)}, r"^unroll cell: the kernels know .* Run it with"),
        ({"inputs": torch.zeros(T, B, 0)}, r"^unroll inputs: expected at least one input"),
        ({"dropped": torch.ones(B, H, requires_grad=True)}, r"^unroll dropped: expected a mask without a"),
    ],
)  # fmt: skip
def test_operands_that_the_kernels_cannot_read_are_refused(change: dict[str, Any], message: str) -> None:
    """Before an address is taken."""
    weights = GRUWeights(torch.randn(3 * H, F), torch.randn(3 * H, H))
    tensors = {"cell": GRUCell(), "inputs": torch.randn(T, B, F), "weights": weights, **change}
    with pytest.raises(ArgumentError, match=message):
        fused.fused_unroll(**tensors)


def test_weights_replaced_before_backward_are_validated() -> None:
    """`.data =` counts no version; the new memory is checked before it is read."""
    layer = un.GRU(F, H)
    output, _ = layer(torch.randn(T, B, F))
    layer.weight_hh_l0.data = torch.zeros(3, 1)
    with pytest.raises(ArgumentError, match=r"^unroll weight_ih: expected shape"):
        output.sum().backward()


@pytest.mark.parametrize(
    "unpack",
    [lambda t: t[:-1], lambda t: t.float(), lambda t: t.to("meta")],
    ids=["cut", "float", "meta"],
)
@pytest.mark.parametrize("which", ["out", "saved"])
def test_saved_tensors_are_validated_in_backward(unpack: Callable[[Tensor], Tensor], which: str) -> None:
    """Hooks may hand back anything; another size, dtype or device is refused."""
    run = Run(CASES["lstm"], OPTIONS["plain"])
    place = {"out": -2, "saved": -1}[which]
    packed: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: packed.append(t.detach()) or len(packed) - 1,
        lambda k: unpack(packed[k]) if k == len(packed) + place else packed[k],
    ):
        output, *_ = run(*run.inputs)
    with pytest.raises(ArgumentError, match=rf"^unroll {which}: expected shape .* as forward saved it"):
        output.sum().backward()


def test_saved_tensors_may_come_back_with_other_strides() -> None:
    """With other strides, or another sign in memory, it is the same."""
    run = Run(CASES["gru"], OPTIONS["plain"])
    expected = torch.autograd.grad(run(*run.inputs)[0].sum(), run.inputs)
    for turn in (lambda t: torch.stack([t, t], -1).select(-1, 0), lambda t: torch._neg_view(-t)):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), turn):
            output, *_ = run(*run.inputs)
        assert all(map(torch.equal, torch.autograd.grad(output.sum(), run.inputs), expected))


@pytest.mark.parametrize("is_recorded", [False, True])
def test_backward_on_another_instruction_set_is_refused(
    is_recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one saves lies as no other reads it, though it may be as much."""
    monkeypatch.setattr(fused, "_is_traced", lambda _: is_recorded)
    layer, before = un.LSTM(F, 16), launch.instruction_set()
    others = [name for name in launch.compiled.runnable() if name != before]
    if not others:
        pytest.skip("this processor runs but one")
    output, _ = layer(torch.randn(T, B, F))
    try:
        launch.compiled.select(others[0])
        with pytest.raises(ArgumentError, match=r"^unroll backward: expected the instruction set of the"):
            output.sum().backward(retain_graph=True)
    finally:
        launch.compiled.select(before)
    output.sum().backward()


def test_lengths_changed_before_backward_are_validated() -> None:
    """No version counts what NumPy writes; the kernels look again, and say it as our own error."""
    run = Run(CASES["gru"], OPTIONS["plain"])
    lengths = torch.tensor([5, 0, 2])
    run.options["lengths"] = lengths
    output, *_ = run(*run.inputs)
    lengths.numpy()[1] = T + 1
    with pytest.raises(ArgumentError, match=r"^unroll lengths: each must be from 0 to T=5"):
        output.sum().backward()


def test_a_transform_around_the_operator_is_refused() -> None:
    """The layers go to the reference; who calls the operator itself is told to."""
    weights = GRUWeights(torch.randn(3 * H, F), torch.randn(3 * H, H))

    def total(x: Tensor) -> Tensor:
        return fused.fused_unroll(GRUCell(), x, weights)[0].sum()

    for transform in (torch.func.grad, torch.func.vmap):
        with pytest.raises(ArgumentError, match=r"^unroll: expected a call outside torch.func"):
            transform(total)(
                torch.zeros(T, B, F) if transform is torch.func.grad else torch.zeros(2, T, B, F)
            )
    with torch.autograd.forward_ad.dual_level(), pytest.raises(ArgumentError, match="forward mode"):
        total(torch.zeros(T, B, F))
