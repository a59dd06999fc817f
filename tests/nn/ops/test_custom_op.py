"""The operators in graphs: torch.compile, torch.export, fake tensors, dispatch modes."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.kernels.operands import OPERANDS
from unrolled.nn.ops import custom_op, launch

pytestmark = [
    pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated"),
]

T, B, F, H = 6, 3, 2, 4
LAYERS: dict[str, Any] = {
    "rnn": lambda **more: un.RNN(F, H, **more),
    "gru-both-ways": lambda **more: un.GRU(F, H, bidirectional=True, batch_first=True, **more),
    "lstm-all": lambda **more: un.LSTM(
        F, H, 2, layer_norm=True, recurrent_dropout=0.3, zoneout=(0.2, 0.4), **more
    ),
}
every_layer = pytest.mark.parametrize("build", LAYERS.values(), ids=LAYERS)


class Whole(nn.Module):
    """A layer as a module of plain arguments."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None) -> Tensor:
        output, _ = self.layer(x, lengths=lengths, resets=resets)
        return output


def shape(layer: Any, T: int = T, B: int = B) -> tuple[int, ...]:
    """Of an input."""
    return (B, T, F) if layer.batch_first else (T, B, F)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch.compiler.reset()


@every_layer
@pytest.mark.parametrize("ragged", [False, True])
def test_a_compiled_step_equals_the_eager_one(build: Any, ragged: bool) -> None:
    """One graph, forward and backward, at every size; the same draws of masks and seeds."""
    layer = build()
    compiled = torch.compile(Whole(layer), fullgraph=True, backend="aot_eager", dynamic=True)
    for steps, rows in ((6, 3), (9, 5), (4, 7)):
        x = torch.randn(shape(layer, steps, rows), requires_grad=True)
        more = (torch.arange(rows) % (steps + 1), torch.rand(rows, steps) < 0.3) if ragged else ()
        results = []
        for module in (Whole(layer), compiled):
            torch.manual_seed(3)
            output = module(x, *more)
            results.append([output, *torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])])
        torch.testing.assert_close(*results, rtol=0, atol=1e-5)


def test_the_graph_does_not_grow_with_the_steps() -> None:
    """However many there are, a layer and direction is one call; and no size is traced twice."""
    calls = []

    def backend(traced: Any, _: Any) -> Any:
        calls.append([n for n in traced.graph.nodes if "recurrence" in str(n.target)])
        return traced

    compiled = torch.compile(
        Whole(un.GRU(F, H, 2, bidirectional=True)), fullgraph=True, backend=backend, dynamic=True
    )
    for steps in (50, 60, 70):
        compiled(torch.randn(steps, B, F))
    assert [len(nodes) for nodes in calls] == [4]


def test_a_graph_draws_new_seeds_and_masks_each_call() -> None:
    """None is baked in: two calls of one compiled layer differ, and a seed of torch repeats them."""
    layer = un.LSTM(F, H, zoneout=0.5)
    compiled = torch.compile(Whole(layer), fullgraph=True, backend="aot_eager")
    x = torch.randn(T, B, F)
    actual = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        actual.append(compiled(x))
    assert torch.equal(actual[0], actual[2])
    assert not torch.equal(actual[0], actual[1])


@pytest.mark.slow
@every_layer
def test_inductor_compiles_it(build: Any) -> None:
    """Torch's own code generator, with what stands before and after."""
    layer = build().eval()
    compiled = torch.compile(lambda x: layer(x.sin())[0].tanh().sum(), fullgraph=True)
    x = torch.randn(shape(layer))
    torch.testing.assert_close(compiled(x), layer(x.sin())[0].tanh().sum())


@every_layer
@pytest.mark.parametrize("ragged", [False, True])
def test_an_exported_layer_runs_at_other_sizes(build: Any, ragged: bool) -> None:
    """torch.export with steps and rows left open; each layer and direction is one operator of the program."""
    layer = build().eval()
    steps, rows = torch.export.Dim("steps", min=2), torch.export.Dim("rows", min=2)
    axes = (rows, steps) if layer.batch_first else (steps, rows)
    arguments = (torch.randn(shape(layer)),)
    open_sizes: tuple[Any, ...] = (dict(enumerate(axes)),)
    if ragged:
        arguments += (torch.tensor([6, 0, 2]), torch.zeros(B, T, dtype=torch.bool))
        open_sizes += ({0: rows}, {0: rows, 1: steps})
    whole = Whole(layer)
    program = torch.export.export(whole, arguments, dynamic_shapes=open_sizes)
    actual = [n for n in program.graph.nodes if n.target == torch.ops.unrolled.recurrence.default]
    assert len(actual) == layer.num_layers * (2 if layer.bidirectional else 1)
    other: tuple[Any, ...] = (torch.randn(shape(layer, 11, 5)),)
    if ragged:
        other += (torch.tensor([11, 0, 2, 1, 7]), torch.rand(5, 11) < 0.3)
    torch.testing.assert_close(program.module()(*other), whole(*other))


def test_wrong_lengths_are_found_when_the_graph_runs() -> None:
    """The compiler sees no numbers; the kernels do."""
    compiled = torch.compile(Whole(un.GRU(F, H)), fullgraph=True, backend="aot_eager")
    with pytest.raises(ValueError, match="lengths"):
        compiled(torch.randn(T, B, F), torch.tensor([1, T + 1, 2]))


@pytest.mark.parametrize("cell", [launch.RNN, launch.GRU, launch.LSTM])
def test_the_operators_pass_torchs_own_checks(cell: int) -> None:
    """Schema, fake tensors, autograd registration and AOT dispatch, with static and open sizes.

    They compare all outputs, so sizes are such that every number of `saved` is written.
    """
    torch.manual_seed(1)
    H, is_lstm = 16, cell == launch.LSTM  # whole vectors
    R = (1, 3, 4)[cell] * H
    sizes = [(T, B, F), (B, H), (B, H) if is_lstm else None, (R, F), (R, H), (R,), (R,), *[None] * 5]
    bare = [None if size is None else torch.randn(size, dtype=torch.float64) for size in sizes]
    resets, mask = torch.rand(B, T) < 0.3, torch.rand(B, H, dtype=torch.float64)
    rest = (None, resets, mask, None, torch.tensor(7))
    rule = (cell, 1 if cell == launch.RNN else 0, True, 0.3, 0.2 if is_lstm else 0.0)
    arguments = [None if t is None else t.clone().requires_grad_() for t in bare]
    torch.library.opcheck(custom_op.recurrence, (*arguments, *rest, *rule, True))
    out, h_n, c_n, saved = custom_op.recurrence(*bare, *rest, *rule, True)
    grads = torch.randn_like(out), torch.randn_like(h_n), torch.randn_like(c_n) if is_lstm else None
    for wants in ((True, True, True), (False, False, True), (True, False, False)):
        taken = (*bare, *rest, *rule, out, saved, *grads, *wants)
        torch.library.opcheck(custom_op.recurrence_backward, taken)


@every_layer
@pytest.mark.parametrize("has_gradient", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_traced_layer_runs_at_other_sizes(build: Any, has_gradient: bool, ragged: bool) -> None:
    """torch.jit.trace holds the operator too: steps, rows and lengths stay open, gradients flow."""
    layer = build().eval()
    layer.requires_grad_(has_gradient)
    whole = Whole(layer)
    arguments: tuple[Any, ...] = (torch.randn(shape(layer)),)
    arguments += (torch.full((B,), T), torch.zeros(B, T, dtype=torch.bool)) if ragged else ()
    traced = torch.jit.trace(whole, arguments)  # once with gradients, and to check it once without
    other: tuple[Any, ...] = (torch.randn(shape(layer, 9, 5)),)
    other += (torch.tensor([9, 0, 2, 1, 7]), torch.rand(5, 9) < 0.3) if ragged else ()
    output = traced(*other)
    torch.testing.assert_close(output, whole(*other), rtol=0, atol=0)
    if has_gradient:
        actual = torch.autograd.grad(output.sum(), layer.parameters())
        expected = torch.autograd.grad(whole(*other).sum(), layer.parameters())
        torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_modes_and_subclasses_see_the_operator() -> None:
    """A mode that counts, one that fakes, and a tensor of one's own class get answers, not addresses."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)

    class Seen(torch.utils._python_dispatch.TorchDispatchMode):
        names: list[str] = []  # noqa: RUF012

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(str(func))
            return func(*args, **(kwargs or {}))

    with Seen():
        output, h_n = layer(x)
        output.sum().backward()
    assert {"unrolled.recurrence.default", "unrolled.recurrence_backward.default"} <= set(Seen.names)
    assert h_n.shape == (1, B, H)
    with torch._subclasses.fake_tensor.FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake, _ = layer(mode.from_tensor(x))
    assert fake.shape == (T, B, H)

    class Own(Tensor):
        pass

    torch.testing.assert_close(layer(x.as_subclass(Own))[0].as_subclass(Tensor), output, rtol=0, atol=0)


def _arguments(**changed: Tensor | None) -> list[Any]:
    """Arguments of the operator of a GRU, with some of them changed."""
    weights = {"weight_ih": torch.randn(3 * H, F), "weight_hh": torch.randn(3 * H, H)}
    biases = {"bias_ih": torch.randn(3 * H), "bias_hh": torch.randn(3 * H)}
    given = {"x": torch.randn(T, B, F), **weights, **biases, **changed}
    names = [operand.name for operand in OPERANDS]
    return [*[given.get(name) for name in names], given.get("seed"), launch.GRU, 0, False, 0.0, 0.0]


WRONG = {
    "x": torch.randn(T, B, F).double(), "h0": torch.zeros(B, H).half(),
    "weight_hh": torch.randn(3 * H, H).double(), "bias_hh": torch.randn(3 * H).bfloat16(),
    "lengths": torch.ones(B, dtype=torch.int32), "resets": torch.zeros(B, T),
    "mask": torch.ones(B, H).double(), "starts": torch.ones(B, dtype=torch.int32),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_operator_checks_the_type_of_every_operand(name: str) -> None:
    """When it runs, and when a graph is made."""
    arguments = [*_arguments(**{name: WRONG[name]}), False]
    sentence = f"unroll {'weight_ih' if name == 'x' else name}: expected"
    with pytest.raises(ArgumentError, match=sentence):
        custom_op.recurrence(*arguments)
    with FakeTensorMode() as mode:
        fakes = [mode.from_tensor(each) if isinstance(each, Tensor) else each for each in arguments]
        with pytest.raises(ArgumentError, match=sentence):
            custom_op.recurrence(*fakes)


@pytest.mark.parametrize("seed", [torch.tensor(0.5), torch.tensor([1, 2])])
def test_the_operator_checks_the_seed(seed: Tensor) -> None:
    """One whole number."""
    with pytest.raises(ArgumentError, match="unroll seed: expected one whole number"):
        custom_op.recurrence(*_arguments(seed=seed), False)


@pytest.mark.parametrize(
    ("name", "grads"),
    [
        ("out", (torch.ones(T, B, H).double(), None)), ("out", (torch.ones(B, H), None)),
        ("h_n", (None, torch.ones(B, H).double())), ("h_n", (None, torch.ones(B + 1, H))),
    ],
)  # fmt: skip
def test_the_backward_operator_checks_gradients(name: str, grads: Any) -> None:
    """Shape and type, in a sentence."""
    arguments = _arguments()
    out, _, _, saved = custom_op.recurrence(*arguments, True)
    with pytest.raises(ArgumentError, match=f"unroll gradient of {name}: expected shape"):
        custom_op.recurrence_backward(*arguments, out, saved, *grads, None, True, True, True)


@pytest.mark.parametrize("cell", ["RNN", "GRU"])
@pytest.mark.parametrize("needs_x", [False, True])
def test_operations_are_counted_as_torchs(cell: str, needs_x: bool) -> None:
    """Torch's counter gives the number that it gives for torch's layer, forward and backward."""
    x, counts = torch.randn(T, B, F, requires_grad=needs_x), []
    for layer in (getattr(un, cell)(F, H), getattr(nn, cell)(F, H)):
        with FlopCounterMode(display=False) as counter:
            output, _ = layer(x)
            forward = counter.get_total_flops()
            output.sum().backward()
        counts.append((forward, counter.get_total_flops()))
    assert counts[0] == counts[1]
    assert counts[0][0] == 2 * T * B * (F + H) * H * (3 if cell == "GRU" else 1)
