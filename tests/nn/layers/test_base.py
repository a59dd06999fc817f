"""Choice of the backend, edge cases, and torch's transforms."""

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, hessian, jvp, vmap

import unrolled.nn as un
from unrolled import kernels
from unrolled.errors import ArgumentError
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


def assert_close(actual: Any, expected: Any) -> None:
    """Equal in float64 up to the order of sums."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


# ---- backends


FUSED = f"fused: one operator runs all steps on the {kernels.build_info()['instruction_set']} kernels."
NO_RESETS = torch.zeros(B, T, dtype=torch.bool)


@pytest.mark.parametrize(
    ("layer", "more", "sentence"),
    [
        (un.RNN(F, H), {}, FUSED),
        (un.RNN(F, H, 2, nonlinearity="prelu", bidirectional=True, layer_norm=True), {}, FUSED),
        (un.GRU(F, H, zoneout=0.1, recurrent_dropout=0.2), {"lengths": [T, 2, 3, 0]}, FUSED),
        (un.LSTM(F, H), {"hx": None}, FUSED),
        (un.LSTM(F, H, dtype=torch.float64), {}, FUSED),
        (
            un.LSTM(F, H, proj_size=2),
            {},
            "torch: the kernels have no projection; torch.lstm runs the whole layer.",
        ),
        (
            un.LSTM(F, H, proj_size=2),
            {"lengths": [T, 2, 3, 0], "resets": NO_RESETS},
            "reference: the kernels have no projection; not every length is T; resets are given.",
        ),
        (
            un.RNN(F, H, nonlinearity=torch.nn.PReLU()),
            {},
            (
                "reference: the kernels know nonlinearities by name, and this is a callable;"
                " torch has no operator for nonlinearity=PReLU(num_parameters=1)."
            ),
        ),
        (
            un.GRU(F, H, dtype=torch.bfloat16),
            {},
            "torch: the kernels have no bfloat16; torch.gru runs the whole layer.",
        ),
        (
            un.GRU(F, H, device="meta"),
            {},
            "torch: the input is on meta, the kernels on the CPU; torch.gru runs the whole layer.",
        ),
    ],
)  # fmt: skip
def test_explain_returns_backend_and_reasons(layer: Any, more: dict[str, Any], sentence: str) -> None:
    """The kernels if they can; else the reasons against them and against torch's operator."""
    x = torch.randn(T, B, F).to(layer.weight_ih_l0)
    backend = layer.explain(x, **more)
    assert str(backend) == sentence
    assert sentence.startswith(backend.name)


def test_explain_names_active_transforms() -> None:
    """Those of torch.func, and forward mode, go to the reference."""
    layer, said = un.GRU(F, H), []

    def ask(x: Tensor) -> Tensor:
        said.append(str(layer.explain(x)))
        return x

    vmap(ask)(torch.zeros(2, T, B, F))
    (sentence,) = said
    assert sentence.startswith(
        "reference: a torch.func transform is active, and the kernels cannot be mapped;"
    )
    with torch.autograd.forward_ad.dual_level():
        assert layer.explain(torch.zeros(T, B, F)).name != "fused"


def test_missing_kernels_warn_once(monkeypatch: pytest.MonkeyPatch, recwarn: Any) -> None:
    """The first call warns, at the caller's line; explain always names it; the outputs are equal."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    before = [layer(x)[0], layer(x, resets=NO_RESETS)[0]]
    monkeypatch.setattr(kernels, "_compiled", None)
    monkeypatch.setattr(kernels.loading, "_has_warned", False)
    with pytest.warns(kernels.KernelsMissingWarning, match="torch do the work") as said:
        after = [layer(x)[0]]
    assert [w.filename for w in said] == [__file__]
    after.append(layer(x, resets=NO_RESETS)[0])
    assert not recwarn.list
    torch.testing.assert_close(after, before)
    start = "the compiled kernels are missing"
    assert str(layer.explain(x)) == f"torch: {start}; torch.gru runs the whole layer."
    assert str(layer.explain(x, resets=NO_RESETS)) == f"reference: {start}; resets are given."


@every_layer
@pytest.mark.parametrize("more", [{}, {"lengths": [1, 2, 3, 4]}])
def test_forward_runs_the_backend_that_explain_returns(
    build: Any, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other backend runs."""
    layer, x, ran = build(), torch.randn(T, B, F), []
    for name in ("torch", "reference"):
        original = getattr(layer, f"_run_{name}")
        monkeypatch.setattr(layer, f"_run_{name}", lambda *a, n=name, f=original: ran.append(n) or f(*a))
    kernels_run = fused.run_recurrence
    monkeypatch.setattr(fused, "run_recurrence", lambda *a: ran.append("fused") or kernels_run(*a))
    layer(x, **more)
    assert ran == [layer.explain(x, **more).name]


class Unhashable:
    """A callable that no cache can hold, as a dataclass with __call__ is."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, a: Tensor) -> Tensor:
        return a.tanh()


def test_unhashable_callable_is_a_nonlinearity() -> None:
    """Hashable or not; and no call keeps it alive."""
    phi = Unhashable()
    layer, x = un.RNN(F, H, nonlinearity=phi), torch.randn(T, B, F)
    named = un.RNN(F, H)
    named.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), named(x))
    gone = weakref.ref(phi)
    del layer, phi
    gc.collect()
    assert gone() is None


# ---- edges


@every_layer
@pytest.mark.parametrize("more", [{}, {"lengths": [0] * B}])
def test_no_step_returns_the_initial_state(build: Any, more: dict[str, Any]) -> None:
    """T = 0, which torch refuses: an empty output and the state as it was given."""
    layer = build(num_layers=2, bidirectional=True)
    _, state = layer(torch.randn(T, B, F))
    output, after = layer(torch.zeros(0, B, F), state, **more)
    assert output.shape == (0, B, 2 * (layer.proj_size or H))
    torch.testing.assert_close(after, state, rtol=0, atol=0)


def test_a_nan_stays_in_its_row() -> None:
    """A NaN in a valid step reaches that row from there on, and no other row."""
    x = torch.randn(T, B, F)
    x[3, 1] = float("nan")
    for more in ({}, {"resets": torch.zeros(B, T, dtype=torch.bool)}):
        output, _ = un.GRU(F, H)(x, **more)
        assert output.isnan().any(-1).nonzero().tolist() == [[t, 1] for t in range(3, T)]


def test_a_reset_ends_a_nan() -> None:
    """The segment after the reset is finite."""
    x, resets = torch.randn(T, B, F), torch.zeros(B, T, dtype=torch.bool)
    x[3, 1], resets[1, 4] = float("nan"), True
    output, _ = un.LSTM(F, H)(x, resets=resets)
    assert output.isnan().any(-1).nonzero().tolist() == [[3, 1]]


@every_layer
def test_dropout_acts_in_training_only(build: Any) -> None:
    """Evaluated, a layer with dropout equals one without; trained, it differs from call to call."""
    layer, x = build(num_layers=2, dropout=0.5), torch.randn(T, B, F)
    for more in ({}, {"lengths": [1, 2, 3, 4]}):
        assert not torch.equal(layer.train()(x, **more)[0], layer(x, **more)[0])
        plain = build(num_layers=2)
        plain.load_state_dict(layer.state_dict())
        assert torch.equal(layer.eval()(x, **more)[0], plain(x, **more)[0])


# ---- transforms


@every_layer
def test_vmap_equals_a_loop(build: Any) -> None:
    """Over inputs and resets, with lengths that are the same for all."""
    layer = build(bidirectional=True, dtype=torch.float64)
    x, resets = torch.randn(6, T, B, F, dtype=torch.float64), torch.rand(6, B, T) < 0.3
    mapped = vmap(lambda x, r: layer(x, lengths=[1, 7, 0, 3], resets=r)[0])(x, resets)
    looped = [layer(x[k], lengths=[1, 7, 0, 3], resets=resets[k])[0] for k in range(6)]
    assert_close(mapped, torch.stack(looped))


@every_layer
def test_vmap_over_rows_equals_the_batch(build: Any) -> None:
    """Each row as an input without a batch axis."""
    layer, x = build(dtype=torch.float64), torch.randn(T, B, F, dtype=torch.float64)
    mapped = vmap(lambda row: layer(row)[0], in_dims=1, out_dims=1)(x)
    assert_close(mapped, layer(x)[0])


@every_layer
def test_vmap_over_weights_equals_a_loop(build: Any) -> None:
    """An ensemble: many sets of weights, one input."""
    layers = [build(dtype=torch.float64) for _ in range(3)]
    stacked, _ = torch.func.stack_module_state(layers)
    x = torch.randn(T, B, F, dtype=torch.float64)
    mapped = vmap(lambda w: functional_call(layers[0], w, (x,))[0])(stacked)
    assert_close(mapped, torch.stack([layer(x)[0] for layer in layers]))


@every_layer
def test_gradients_per_sample_equal_a_loop(build: Any) -> None:
    """Map over grad: one gradient of the weights for each input, as differentially private training asks."""
    layer, x = build(dtype=torch.float64), torch.randn(6, T, F, dtype=torch.float64)
    weights = {name: weight.detach() for name, weight in layer.named_parameters()}

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(layer, weights, (x,))[0].square().sum()

    mapped = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    for k in range(6):
        layer.zero_grad()
        layer(x[k])[0].square().sum().backward()
        for name, weight in layer.named_parameters():
            assert_close(mapped[name][k], weight.grad)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*is deprecated")  # torch's own forward mode calls it
def test_forward_mode_and_hessians_work() -> None:
    """A jvp equals the gradient along a direction; a hessian is symmetric and not zero."""
    layer = un.GRU(F, H, dtype=torch.float64)
    x, v = torch.randn(2, T, B, F, dtype=torch.float64)

    def total(x: Tensor) -> Tensor:
        return layer(x, lengths=[1, 7, 0, 3])[0].square().sum()

    _, along = jvp(total, (x,), (v,))
    assert_close(along, (grad(total)(x) * v).sum())
    second = hessian(total)(x).reshape(x.numel(), -1)
    assert_close(second, second.T)
    assert second.abs().max() > 1e-3


def test_vmap_over_lengths_raises() -> None:
    """The error says what to do instead."""
    layer = un.GRU(F, H)
    with pytest.raises(
        ArgumentError, match=r"^GRU lengths: vmap cannot map over them\. Let the layer's batch axis"
    ):
        vmap(lambda x, n: layer(x, lengths=n)[0])(torch.zeros(2, T, B, F), torch.ones(2, B, dtype=torch.long))


def test_autocast_holds_for_every_activation() -> None:
    """A callable whose operations autocast would lift to float32 stays in bfloat16 like the rest."""

    def bump(a: Tensor) -> Tensor:
        return torch.nn.functional.mse_loss(a, torch.ones_like(a), reduction="none").neg().exp()

    layer = un.RNN(F, H, nonlinearity=bump)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, h_n = layer(torch.randn(T, B, F))
    assert (output.dtype, h_n.dtype) == (torch.bfloat16, torch.bfloat16)


def test_replaced_and_parametrized_weights_are_used() -> None:
    """functional_call, weight_norm and a plain assignment take effect with and without lengths."""
    layer, x = un.GRU(F, H), torch.randn(T, B, F)
    for more in ({}, {"lengths": [1, 2, 3, 4]}):
        doubled = {name: 2 * weight for name, weight in layer.named_parameters()}
        called = functional_call(layer, doubled, (x,), more)[0]
        other = un.GRU(F, H)
        other.load_state_dict({name: weight.detach() for name, weight in doubled.items()})
        assert torch.equal(called, other(x, **more)[0])
        other.weight_hh_l0 = torch.nn.Parameter(torch.zeros(3 * H, H))
        assert not torch.equal(called, other(x, **more)[0])
        torch.nn.utils.parametrizations.weight_norm(other, "weight_ih_l0")
        before = other(x, **more)[0]
        with torch.no_grad():
            other.parametrizations.weight_ih_l0.original0.mul_(3)
        assert not torch.equal(before, other(x, **more)[0])


def test_flatten_parameters_does_nothing_on_a_cpu() -> None:
    """Code written for torch calls it; the weights stay where they are."""
    layer = un.LSTM(F, H, num_layers=2)
    before = [weight.data_ptr() for weight in layer.parameters()]
    layer.flatten_parameters()
    assert [weight.data_ptr() for weight in layer.parameters()] == before
    assert [len(weights) for weights in layer.all_weights] == [4, 4]


def test_moving_between_dtypes_and_devices_keeps_outputs() -> None:
    """To float64 and back, and to a device that holds shapes only."""
    layer, x = un.LSTM(F, H), torch.randn(T, B, F)
    before = layer(x)[0]
    assert torch.equal(layer.double().float()(x)[0], before)
    assert layer.to("meta")(x.to("meta"))[0].shape == before.shape


# ---- graphs


@pytest.mark.parametrize(
    ("build", "options", "is_training"),
    [
        (un.RNN, {}, True),
        (un.GRU, {"zoneout": 0.3, "recurrent_dropout": 0.3, "layer_norm": True}, True),
        (un.LSTM, {"zoneout": 0.3}, False),
    ],
)
@pytest.mark.parametrize("lengths", [None, [1, 2, 0, 2], torch.tensor([1, 2, 0, 2])], ids=type)
def test_compile_traces_one_graph(
    build: Any, options: dict[str, Any], is_training: bool, lengths: Any
) -> None:
    """No break, whatever is asked for; the same draws, the same answers."""
    layer, x = build(F, H, **options).train(is_training), torch.randn(2, B, F)
    more = {} if lengths is None else {"lengths": lengths, "resets": torch.rand(B, 2) < 0.5}
    torch.compiler.reset()
    compiled = torch.compile(lambda x: layer(x, **more)[0], backend="eager", fullgraph=True)
    torch.manual_seed(1)
    actual = compiled(x)
    torch.manual_seed(1)
    torch.testing.assert_close(actual, layer(x, **more)[0], rtol=0, atol=1e-6)
