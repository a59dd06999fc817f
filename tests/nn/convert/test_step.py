"""One step as a module: its exported program answers as the layer, over many steps."""

from typing import Any

import pytest
import torch

import unrolled.nn as un
from unrolled.errors import ArgumentError, TensorError
from unrolled.nn.convert import StepModule

F, H, B = 3, 5, 2
N_STEPS = 1000
TOLERANCE = (
    5e-6  # float32; rounding of 1,000 steps, of which a stable recurrence forgets all but the last ones
)

LAYERS: dict[str, tuple[Any, int]] = {  # and for how many steps
    "rnn": (lambda: un.RNN(F, H, nonlinearity="prelu"), 50),
    "gru": (lambda: un.GRU(F, H, 2, batch_first=True, dropout=0.5), 1000),
    "gru-zoneout": (lambda: un.GRU(F, H, zoneout=0.2, layer_norm=True), 50),
    "lstm": (lambda: un.LSTM(F, H, 2, bias=False), 1000),
    "cells": (lambda: un.CellLayer(F, [[un.Direction(un.cells.ResetFirstGRUCell(), _gru_weights())]]), 50),
}


def _gru_weights() -> Any:
    return un.cells.GRUWeights(torch.randn(3 * H, F) * 0.4, torch.randn(3 * H, H) * 0.4)


def _zeros(layer: Any) -> list[torch.Tensor]:
    state = layer.stream(B).state
    return [torch.zeros_like(part) for part in (state if isinstance(state, tuple) else (state,))]


@pytest.mark.parametrize(("make", "n_steps"), LAYERS.values(), ids=LAYERS)
def test_an_exported_step_answers_as_the_layer(make: Any, n_steps: int) -> None:
    """Outputs of up to a thousand steps, and the last state; nothing of unrolled is in the program."""
    layer, x = make().eval(), torch.randn(n_steps, B, F)
    state = _zeros(layer)
    exported = torch.export.export(StepModule(layer), (x[0], *state))
    assert "unrolled" not in str(exported.graph)
    program, outputs = exported.module(), []
    with torch.no_grad():
        for x_t in x:
            output, *state = program(x_t, *state)
            outputs.append(output)
        expected, last = layer(x.transpose(0, 1) if layer.batch_first else x)
    expected = expected.transpose(0, 1) if layer.batch_first else expected
    torch.testing.assert_close(torch.stack(outputs), expected, rtol=0, atol=TOLERANCE)
    parts = last if isinstance(last, tuple) else (last,)
    torch.testing.assert_close(state, list(parts), rtol=0, atol=TOLERANCE)


def test_a_training_layer_steps_as_at_inference() -> None:
    """Nothing is dropped, as in a stream."""
    layer, x = un.GRU(F, H, 2, dropout=0.9, recurrent_dropout=0.9), torch.randn(B, F)
    step = StepModule(layer)
    torch.testing.assert_close(step(x, *_zeros(layer))[0], layer.stream(B).step(x), rtol=0, atol=TOLERANCE)


def test_gradients_reach_the_weights_of_the_layer() -> None:
    """They are shared, not copied."""
    layer = un.RNN(F, H)
    StepModule(layer)(torch.randn(B, F), *_zeros(layer))[0].sum().backward()
    assert layer.weight_ih_l0.grad is not None


def test_what_has_no_step_is_refused() -> None:
    """Both directions, other modules, a state of too few parts."""
    with pytest.raises(ArgumentError, match=r"bidirectional=False"):
        StepModule(un.GRU(F, H, bidirectional=True))
    with pytest.raises(ArgumentError, match=r"got torch.*Linear"):
        StepModule(torch.nn.Linear(F, H))  # type: ignore[arg-type]
    with pytest.raises(TensorError, match=r"expected 2 tensors \(h, c\), got 1"):
        StepModule(un.LSTM(F, H))(torch.randn(B, F), torch.zeros(1, B, H))
