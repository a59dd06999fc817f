"""ConvGRU and ConvLSTM: equality with their cells, pieces, padding, resets, options, errors."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled.errors import ArgumentError, TensorError
from unrolled.nn.cells.conv import ConvGRUCell, ConvLSTMCell, ConvWeights

B, T, C, D, H, W = 3, 5, 2, 4, 6, 7
KINDS: list[Any] = [un.ConvGRU, un.ConvLSTM]
CLOSE = {"rtol": 0.0, "atol": 2e-6}  # torch's convolutions round by the number of frames in a call


def frames(*lead: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Seeded frames (B, T, C, H, W)."""
    return torch.randn(*(lead or (B, T)), C, H, W, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def layer_of(kind: Any, **options: Any) -> Any:
    """A layer with seeded weights."""
    torch.manual_seed(1)
    return kind(C, D, **options)


def parts(state: Any) -> tuple[Tensor, ...]:
    """The parts of a state, of one or several."""
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_a_loop_over_its_cell(kind: Any) -> None:
    """Two layers, one step after the other."""
    layer, x = layer_of(kind, num_layers=2, kernel_size=(2, 5)), frames()
    cell: Any = (ConvGRUCell if kind is un.ConvGRU else ConvLSTMCell)((H, W))
    inputs = list(x.unbind(1))
    for k in range(2):
        weights = ConvWeights(*(getattr(layer, f"{field}_l{k}") for field in ConvWeights._fields))
        state, outputs = cell.initial_state(B, weights), []
        for x_t in inputs:
            state = cell.step(x_t, state, weights)
            outputs.append(state.h)
        inputs = outputs
    output, h_n = layer(x)
    torch.testing.assert_close(output, torch.stack(inputs, 1), **CLOSE)
    torch.testing.assert_close(parts(h_n)[0][1], inputs[-1], **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 1, 4, 5])
def test_two_pieces_equal_one_run(kind: Any, cut: int) -> None:
    """The state is a value that can be taken out and put back."""
    layer, x = layer_of(kind, num_layers=2), frames()
    whole, last = layer(x)
    first, state = layer(x[:, :cut])
    second, state = layer(x[:, cut:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, **CLOSE)
    torch.testing.assert_close(state, last, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_never_read(kind: Any) -> None:
    """NaN beyond a row's length changes no output and no gradient; a row alone is that row in a batch."""
    layer, x, lengths = layer_of(kind), frames(), [5, 0, 2]
    for row, length in enumerate(lengths):
        x[row, length:] = torch.nan
    output, state = layer(x, lengths=lengths)
    assert not output.isnan().any()
    for row, length in enumerate(lengths):
        assert not output[row, length:].any()
        alone, alone_state = layer(x[row : row + 1, :length])
        torch.testing.assert_close(output[row : row + 1, :length], alone, **CLOSE)
        for part, alone_part in zip(parts(state), parts(alone_state), strict=True):
            torch.testing.assert_close(part[:, row], alone_part[:, 0], **CLOSE)
    output.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in layer.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_begins_a_segment(kind: Any) -> None:
    """After it nothing of what came before is left."""
    layer, x = layer_of(kind), frames()
    resets = torch.zeros(B, T, dtype=torch.bool)
    resets[1, 3] = True
    output, _ = layer(x, resets=resets)
    torch.testing.assert_close(output[1, 3:], layer(x[1:2, 3:])[0][0], **CLOSE)
    torch.testing.assert_close(output[0], layer(x[:1])[0][0], **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_zoneout_keeps_units_in_training_and_takes_the_mean_after(kind: Any) -> None:
    """With rate 1 the state never moves; a rate between changes the outputs, in another way each time."""
    x = frames()
    still = layer_of(kind, zoneout=1.0)
    assert not still(x)[0].any()
    layer = layer_of(kind, zoneout=0.3)
    first, second = layer(x)[0], layer(x)[0]
    assert not torch.equal(first, second)
    assert ((first[:, 1:] == first[:, :-1]).float().mean() - 0.3).abs() < 0.05
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
    assert not torch.equal(layer(x)[0], layer_of(kind).eval()(x)[0])


def test_dropout_acts_between_layers_in_training() -> None:
    """And warns where there is nothing between."""
    layer, x = layer_of(un.ConvGRU, num_layers=2, dropout=0.5), frames()
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
    with pytest.warns(UserWarning, match="dropout=0.5 has no effect"):
        un.ConvGRU(C, D, dropout=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_right(kind: Any) -> None:
    """Gradcheck in float64 through lengths and resets, of the frames and of the weights."""
    torch.manual_seed(2)
    layer = kind(1, 1, kernel_size=(2, 3), dtype=torch.float64)
    x = torch.randn(2, 3, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    resets = torch.tensor([[False, True, False], [False, False, False]])
    names = [name for name, _ in layer.named_parameters()]

    def run(x: Tensor, *weights: Tensor) -> Tensor:
        values = dict(zip(names, weights, strict=True))
        output: Tensor = torch.func.functional_call(
            layer, values, (x,), {"lengths": [3, 2], "resets": resets}
        )[0]
        return output

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()))


@pytest.mark.parametrize("kind", KINDS)
def test_no_steps_and_no_rows(kind: Any) -> None:
    """The state is the initial one, or empty."""
    layer = layer_of(kind)
    output, state = layer(frames(B, 0))
    assert output.shape == (B, 0, D, H, W)
    assert not parts(state)[0].any()
    output, state = layer(frames(0, T))
    assert output.shape == (0, T, D, H, W)
    assert parts(state)[0].shape == (1, 0, D, H, W)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_equal(kind: Any) -> None:
    """Pickle, deepcopy and state_dict."""
    layer, x = layer_of(kind, bias=False, num_layers=2), frames()
    other = kind(C, D, bias=False, num_layers=2)
    other.load_state_dict(layer.state_dict())
    for copied in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), other):
        assert torch.equal(copied(x)[0], layer(x)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_computes_in_its_dtype(kind: Any) -> None:
    """Frames, state and weights are cast."""
    layer, x = layer_of(kind), frames()
    with torch.autocast("cpu"):
        output, state = layer(x)
    assert {output.dtype, parts(state)[0].dtype} == {torch.bfloat16}
    torch.testing.assert_close(output.float(), layer(x)[0], rtol=0, atol=3e-2)


def test_the_layer_says_what_runs_it_and_how_it_was_built() -> None:
    """`explain`, as the other layers; `repr` names what differs from the defaults."""
    layer = un.ConvLSTM(C, D, (3, 5), 2, zoneout=0.1)
    assert str(layer.explain()).startswith("reference: the convolutions are torch's")
    assert repr(layer) == "ConvLSTM(2, 4, (3, 5), num_layers=2, zoneout=0.1)"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"in_channels": 0}, "in_channels: expected a whole number at least 1, got 0"),
        ({"hidden_channels": 2.5}, "hidden_channels: expected a whole number"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size: expected one number or two, got 3"),
        ({"kernel_size": 0}, "kernel_size: expected a whole number at least 1"),
        ({"zoneout": 1.5}, "zoneout"),
        ({"bias": 1}, "bias: expected True or False, got 1"),
        ({"dtype": torch.int64}, "dtype: expected a floating-point dtype"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], said: str) -> None:
    """The option and what came."""
    with pytest.raises(ArgumentError, match=said):
        un.ConvGRU(**({"in_channels": C, "hidden_channels": D} | options))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda layer: layer(frames()[0]), r"expected frames \(B, T, C, H, W\); got shape \(5, 2, 6, 7\)"),
        (lambda layer: layer(frames()[:, :, :1]), "third axis must be in_channels=2"),
        (lambda layer: layer(frames().numpy()), "expected a tensor, got ndarray"),
        (lambda layer: layer(frames().double()), "expected torch.float32"),
        (lambda layer: layer((frames() * 9).to(torch.uint8)), "expected torch.float32"),
        (lambda layer: layer(frames()[..., :0]), "expected frames"),
        (lambda layer: layer(frames(), torch.zeros(1, B, D, H, 1)), r"\(1, 3, 4, 6, 7\), which is"),
        (lambda layer: layer(frames(), lengths=[1, 2]), "lengths: expected 3 numbers"),
        (lambda layer: layer(frames(), lengths=[1, 2, 9]), "from 0 to T=5; got 9 in row 2"),
        (lambda layer: layer(frames(), resets=torch.zeros(B, T)), "resets: expected bool"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(call: Any, said: str) -> None:
    """The argument, the demand and what came."""
    with pytest.raises(TensorError, match=said):
        call(layer_of(un.ConvGRU))
