"""A comparison is prepared once: the same splits for all candidates, in the order of X in the end."""

import numpy as np

from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.sequence.prepared import excluded_remarks, prepare_sequences
from unrolled.models.sequence.classifier import SequenceClassifier

NAMES = ("majority class", "1-NN Euclidean")


def test_the_model_comes_first_and_folds_cover_every_sequence_once() -> None:
    """`order` brings predictions of fold after fold back into the order of X."""
    X, y = np.random.default_rng(0).normal(size=(12, 5, 1)), np.arange(12) % 2
    arguments = ComparisonArguments(folds=3, baselines=NAMES)
    prepared = prepare_sequences(SequenceClassifier(), X, y, "labels", arguments)
    assert [candidate.name for candidate in prepared.candidates] == ["gru", *NAMES]
    tested = np.concatenate([split.test.sequences for split in prepared.partition.splits])
    assert np.array_equal(tested[prepared.partition.order], X)
    assert (prepared.unit, prepared.uneven) == ("sequences", None)


def test_a_test_set_is_one_split() -> None:
    """Its classes that X lacks are told."""
    X, y = np.random.default_rng(0).normal(size=(12, 5, 1)), np.arange(12) % 2
    arguments = ComparisonArguments(test=(X[8:], [0, 1, 2, 0]), baselines=NAMES)
    prepared = prepare_sequences(SequenceClassifier(), X[:8], y[:8], "labels", arguments)
    assert len(prepared.partition.splits) == 1
    assert len(prepared.partition.tested) == 4
    assert any("1 of 4 test sequences have a class that is not in X" in each for each in prepared.remarks)


def test_baselines_that_cannot_take_part_have_a_reason() -> None:
    """A feed-forward net reads one length."""
    X = [np.ones((k % 3 + 3, 1)) * k for k in range(12)]
    arguments = ComparisonArguments(folds=3)
    prepared = prepare_sequences(SequenceClassifier(), X, np.arange(12) % 2, "labels", arguments)
    assert prepared.excluded["feedforward"] == "sequences differ in length"
    assert "feedforward" not in {candidate.name for candidate in prepared.candidates}


def test_baselines_left_out_for_one_reason_share_a_sentence() -> None:
    """And others have their own."""
    remarks = excluded_remarks({"a": "it is slow", "b": "it is missing", "c": "it is slow"})
    assert remarks == ["a and c left out: it is slow.", "b left out: it is missing."]
