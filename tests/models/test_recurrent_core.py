"""The core of a network is the layer that the cell names, built as it would be by hand."""

from typing import Any

import pytest
import torch

from unrolled.models.recurrent_core import CELLS, recurrent_core
from unrolled.nn.layers.rnn import GRU, LSTM, RNN

LAYERS: dict[str, Any] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


@pytest.mark.parametrize("cell", sorted(set(CELLS) - {"feedforward"}))
def test_it_is_the_layer_that_the_cell_names(cell: str) -> None:
    """With all that is given: weights, directions, dropout between layers, and the activation of rnn."""
    given = {"num_layers": 2, "dropout": 0.25, "bidirectional": True}
    extra = {"nonlinearity": "relu"} if cell == "rnn" else {}
    torch.manual_seed(0)
    core = recurrent_core(cell, 3, 5, activation="relu", **given)  # type: ignore[arg-type]
    torch.manual_seed(0)
    by_hand = LAYERS[cell](3, 5, batch_first=True, **given, **extra)
    assert repr(core) == repr(by_hand)
    pairs = zip(core.parameters(), by_hand.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_single_layer_has_no_dropout() -> None:
    """There is nothing between layers, and torch would warn."""
    one = recurrent_core("gru", 3, 5, num_layers=1, activation="tanh", dropout=0.25)
    two = recurrent_core("gru", 3, 5, num_layers=2, activation="tanh", dropout=0.25)
    assert (one.dropout, two.dropout) == (0.0, 0.25)
