"""The recurrent layer inside a network: one layout to look at, whatever it was called with."""

import re

import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled import ArgumentError, probe
from unrolled.probe.model.layer_hook import LayerCall, capture_calls, find_recurrent_layer, single_call

X = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))  # B, T, C
LENGTHS = torch.tensor([2, 5, 4])


def _packed(layer: nn.Module, x: Tensor) -> object:
    rows = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    output, state = layer(rows)
    return nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0], state


LAYOUTS = {
    "batch first": (True, lambda layer, x: layer(x)),
    "time first": (False, lambda layer, x: layer(x.transpose(0, 1))),
    "one sequence": (True, lambda layer, x: layer(x[0])),
    "packed": (True, _packed),
}


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM, ur.nn.RNN, ur.nn.GRU, ur.nn.LSTM])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_captured_as_batch_first(kind: type, layout: str) -> None:
    """And a run that gives back what it saw changes nothing."""
    batch_first, call = LAYOUTS[layout]
    layer = kind(2, 4, num_layers=2, bidirectional=True, batch_first=batch_first)
    own_output, own_state = call(layer, X)
    with capture_calls(layer, lambda seen: (seen.output.clone(), seen.final)) as calls:
        output, state = call(layer, X)
    seen = single_call(calls, layer)
    B = 1 if layout == "one sequence" else 3
    assert seen.inputs.shape == (B, 5, 2)
    assert seen.output.shape == (B, 5, 8)
    assert seen.lengths.tolist() == (LENGTHS.tolist() if layout == "packed" else [5] * B)
    assert {part.shape for part in seen.final} == {(4, B, 4)}
    assert len(seen.final) == (2 if kind in {nn.LSTM, ur.nn.LSTM} else 1)
    within = torch.arange(5) < seen.lengths[:, None]
    assert torch.equal(seen.inputs[within], X[:B][within])
    assert torch.equal(output, own_output)
    both = zip(*((part if isinstance(part, tuple) else (part,)) for part in (state, own_state)), strict=True)
    assert all(torch.equal(a, b) for a, b in both)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_replacement_is_returned_in_the_layers_layout(layout: str) -> None:
    """The network goes on with it; a row beyond its length stays zero where it is packed."""
    batch_first, call = LAYOUTS[layout]
    layer = nn.GRU(2, 4, batch_first=batch_first)
    steps = torch.arange(1.0, 6.0)[None, :, None]

    def run(seen: LayerCall) -> tuple[Tensor, tuple[Tensor, ...]]:
        return torch.ones_like(seen.output) * steps, tuple(part * 0 + 7 for part in seen.final)

    with capture_calls(layer, run):
        output, state = call(layer, X)
    output = output.transpose(0, 1) if layout == "time first" else output
    expected = steps.expand(3, 5, 4) * (
        (torch.arange(5) < LENGTHS[:, None])[..., None] if layout == "packed" else 1
    )
    assert torch.equal(output, expected[0] if layout == "one sequence" else expected)
    assert (state == 7).all()


def test_lengths_and_an_initial_state_are_captured() -> None:
    """As an unrolled layer takes them, by name or by position."""
    layer, h = ur.nn.GRU(2, 4, batch_first=True), torch.randn(1, 3, 4)
    with capture_calls(layer) as calls:
        layer(X, h, lengths=LENGTHS)
        layer(X, hx=h)
    assert calls[0].lengths.tolist() == LENGTHS.tolist()
    assert all(torch.equal(call.state[0], h) for call in calls)


def test_a_layer_that_runs_twice_or_never_is_refused() -> None:
    """A probe needs one call to hook."""
    layer = nn.GRU(2, 4)
    with pytest.raises(ArgumentError, match="ran 2 times"):
        single_call([None, None], layer)
    with pytest.raises(ArgumentError, match="ran 0 times"):
        single_call([], layer)


def test_the_last_of_several_layers_is_found() -> None:
    """It is the one that the answer is read from; a network without any has none."""
    first, last = nn.RNN(2, 3), ur.nn.LSTM(3, 4)
    assert find_recurrent_layer(nn.ModuleList([first, last, nn.Linear(4, 2)])) is last
    assert find_recurrent_layer(nn.Linear(2, 2)) is None


class Head(nn.Module):
    """The answer of a layer's last step, whatever the layer takes for time."""

    def __init__(self, *, batch_first: bool = True) -> None:
        super().__init__()
        self.rnn, self.fc = nn.GRU(2, 4, batch_first=batch_first), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


class Mean(Head):
    """One number for the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean()


class Idle(Head):
    """The layer is never run."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.mean(1) @ self.rnn.weight_ih_l0[:4].T)


class Cut(Head):
    """No gradient gets through."""

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


BATCH, CLASSES = torch.arange(60.0).reshape(5, 6, 2) / 60, [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("module", "values", "sentence"),
    [
        (
            Head(batch_first=False),
            BATCH,
            "read the second axis of (1, 6, 2) as time, it reads the first. Make it",
        ),
        (Head(), BATCH[..., :1], "called with values of shape (1, 6, 1); the Head raised: input"),
        (nn.Module(), BATCH, "the Module raised: Module [Module] is missing"),
        (Mean(), BATCH, "the Mean gave ()"),
    ],
)
def test_a_module_that_is_not_called_with_a_batch_is_refused(
    module: nn.Module, values: Tensor, sentence: str
) -> None:
    """Above all one that takes the batch for time, whose answers look like any other's."""
    for ask in (probe.order, probe.memory, probe.gradients, probe.length):
        with pytest.raises(ArgumentError, match=re.escape(sentence)):
            ask(module, values, CLASSES)


def test_a_layer_that_is_never_run_or_lets_no_gradient_through_is_refused() -> None:
    """In a sentence, by the probes that go back through it."""
    for ask in (probe.memory, probe.gradients):
        with pytest.raises(ArgumentError, match="it ran 0 times"):
            ask(Idle(), BATCH, CLASSES)
        with pytest.raises(ArgumentError, match="blocks it"):
            ask(Cut(), BATCH, CLASSES)


def test_gradients_are_measured_under_no_grad() -> None:
    """A probe called inside torch.no_grad() gives the same result."""
    torch.manual_seed(0)
    module = Head()
    with torch.no_grad():
        inside = [ask(module, BATCH, CLASSES).sentence for ask in (probe.memory, probe.gradients)]
    assert inside == [ask(module, BATCH, CLASSES).sentence for ask in (probe.memory, probe.gradients)]
