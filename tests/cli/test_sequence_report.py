"""Records for the classification and the probe report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.cli.sequence_report import label_texts, labelled_data, sequence_model_card
from unrolled.data.labelled.read import read_labelled
from unrolled.models.sequence.classifier import SequenceClassifier


def test_whole_numbers_as_labels_have_no_decimals() -> None:
    """A class 1.0 is 1; words stay."""
    assert label_texts(np.array([1.0, 2.5])).tolist() == ["1", "2.5"]
    assert label_texts(["up", "down"]).tolist() == ["up", "down"]
    assert label_texts(()).tolist() == []


def test_labelled_data_splits_the_values_by_sequence(kinds: Callable[..., Path]) -> None:
    """One array a sequence, its class beside it."""
    data = labelled_data(read_labelled(kinds("train", 4)))
    assert [values.shape for values in data.values] == [(6, 1)] * 4
    assert data.labels.tolist() == ["up", "down", "up", "down"]
    assert data.source == "train.csv"


def test_the_card_lists_cell_units_directions_weights_and_seed() -> None:
    """Facts of the fitted network, not of the constructor's defaults."""
    rng = np.random.default_rng(0)
    X: Any = rng.normal(size=(8, 5, 2))
    model = SequenceClassifier(cell="rnn", hidden_size=3, bidirectional=True, max_epochs=1, random_state=7)
    card = sequence_model_card(model.fit(X, np.arange(8) % 2))
    facts = dict(card.facts)
    assert facts["Network"] == "RNN, tanh, 1 layer of 3 units, both directions"
    assert facts["Weights"] == f"{model.n_parameters_:,}"
    assert facts["Seed"] == "7"
    assert card.command.startswith("unrolled")  # the words after it are those of the process
