"""An alignment is a record: links, a table, JSON."""

import json

import numpy as np

from unrolled.models.text.translation.alignment import Alignment

ALIGNMENT = Alignment(
    ("der", "Hund", "der"), ("the", "dog"), np.array([[0.7, 0.2, 0.1], [0, 0.9, 0.1]]), "t d"
)


def test_each_target_token_is_linked_to_its_largest_weight() -> None:
    """And the sentence says so."""
    assert ALIGNMENT.links == (("the", "der"), ("dog", "Hund"))
    assert ALIGNMENT.sentence == "the < der, dog < Hund."


def test_the_table_keeps_tokens_that_repeat() -> None:
    """Each in a column of its own."""
    frame = ALIGNMENT.to_frame()
    assert frame.columns.tolist() == ["target", "der", "Hund", "der (3)"]
    assert frame["der (3)"].tolist() == [0.1, 0.1]


def test_it_is_written_as_json() -> None:
    """With every weight."""
    record = json.loads(json.dumps(ALIGNMENT.to_dict()))
    assert record["kind"] == "alignment"
    assert record["weights"] == ALIGNMENT.weights.tolist()
