"""The core of a network is the layer that the cell names, built as it would be by hand."""

from typing import Any

import pytest
import torch

from unrolled.models.recurrent_core import CELLS, CoreConfig, recurrent_core
from unrolled.nn.layers.rnn import GRU, LSTM, RNN

LAYERS: dict[str, Any] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


@pytest.mark.parametrize("cell", sorted(set(CELLS) - {"feedforward"}))
def test_it_is_the_layer_that_the_cell_names(cell: str) -> None:
    """With all that is given: weights, directions, dropout between layers, and the activation of rnn."""
    config = CoreConfig(cell=cell, hidden_size=5, num_layers=2, activation="relu", dropout=0.25)
    given: dict[str, Any] = {"num_layers": 2, "dropout": 0.25, "bidirectional": True}
    given |= {"nonlinearity": "relu"} if cell == "rnn" else {}
    torch.manual_seed(0)
    core = recurrent_core(config, 3, bidirectional=True)
    torch.manual_seed(0)
    by_hand = LAYERS[cell](3, 5, batch_first=True, **given)
    assert repr(core) == repr(by_hand)
    pairs = zip(core.parameters(), by_hand.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_single_layer_has_no_dropout() -> None:
    """There is nothing between layers, and torch would warn."""
    one, two = (recurrent_core(CoreConfig(num_layers=n, dropout=0.25), 3) for n in (1, 2))
    assert (one.dropout, two.dropout) == (0.0, 0.25)
