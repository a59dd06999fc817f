"""X and y as everyone takes them: kept in their form, split once for all, refused in a sentence."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unrolled.data.io.arrays import as_sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.sequence.split import (
    evaluation_data,
    holdout_data,
    partition_by_folds,
    partition_by_test_set,
    resolve_folds,
    unseen_class_remarks,
)


def block(count: int = 12, steps: int = 5) -> np.ndarray:
    """Distinct numbers, (N, T)."""
    return np.arange(count * steps, dtype=np.float64).reshape(count, steps)


Y = np.tile(["a", "b"], 6)


def test_arrays_and_lists_keep_their_form() -> None:
    """An estimator is given some of what came, not something made of it."""
    rows = np.array([7, 2])
    for X in (block(), block()[..., None]):
        np.testing.assert_array_equal(evaluation_data(X, Y, "labels")[0].subset(rows).X, X[rows])
    ragged = [row[: 2 + k % 3] for k, row in enumerate(block())]
    some = evaluation_data(ragged, Y, "labels")[0].subset(rows)
    assert some.X[0] is ragged[7]
    assert some.X[1] is ragged[2]
    assert [x.shape for x in some.sequences] == [(3, 1), (4, 1)]
    assert some.y.tolist() == ["b", "a"]


@pytest.mark.parametrize("frame", [pd.DataFrame, lambda X: pl.DataFrame(X, schema=list("vwxyz"))])
def test_a_frame_of_one_feature_becomes_an_array(frame: Any) -> None:
    """So that estimators which know no sequences read it."""
    X = evaluation_data(frame(block()), Y, "labels")[0].X
    np.testing.assert_array_equal(X, block())


def test_other_frames_become_lists() -> None:
    """A long frame, a nested one, `Sequences`: (T, F) arrays."""
    ids = np.repeat(np.arange(12), 5)
    long = pd.DataFrame({"unique_id": ids, "ds": np.tile(np.arange(5), 12), "x": block().ravel()})
    nested = pd.DataFrame({"x": list(block())})
    for X in (long, nested, as_sequences(list(block()))):
        data, _ = evaluation_data(X, Y, "labels")
        assert isinstance(data.subset(np.array([3])).X, list)
        np.testing.assert_array_equal(data.subset(np.array([3])).X[0], block()[3, :, None])


def test_each_sequence_is_tested_once_by_models_not_fitted_on_it() -> None:
    """Over all folds, each sequence once; training and test never overlap."""
    data, _ = evaluation_data(block(), Y, "labels")
    partition = partition_by_folds(data, 3, stratified=True)
    tested = np.concatenate([split.test.X for split in partition.splits])
    np.testing.assert_array_equal(tested[partition.order], block())
    for train, test in partition.splits:
        assert len(train) + len(test) == 12
        assert not set(train.X[:, 0]) & set(test.X[:, 0])
        assert sorted(test.y) == ["a", "a", "b", "b"]


def test_groups_stay_together() -> None:
    """Their names may be texts or numbers; both sides know them."""
    data, _ = evaluation_data(block(), Y, "labels", [f"person {k // 2}" for k in range(12)])
    for train, test in partition_by_folds(data, 3, stratified=True).splits:
        assert len(test) == 4
        assert not set(train.groups) & set(test.groups)


def test_numbers_are_not_stratified() -> None:
    """No class can be missing from a fold."""
    data, _ = evaluation_data(block(), np.arange(12) / 3, "numbers")
    splits = partition_by_folds(data, 5, stratified=False).splits
    assert [len(split.test) for split in splits] == [3, 3, 2, 2, 2]


def test_classes_missing_in_training_are_remarked_on() -> None:
    """Counted, in a sentence; none where there are none."""
    train, _ = evaluation_data(block(), Y, "labels")
    test = holdout_data(train, (block(3), ["a", "c", "d"]), "labels")
    partition = partition_by_test_set(train, test)
    sentence = "2 of 3 test sequences have a class that is not in X: none can be right."
    assert unseen_class_remarks(partition.splits[0]) == [sentence]
    assert (partition.folds, partition.training_y.tolist()) == (None, train.y.tolist())
    test = holdout_data(train, (block(2), ["a", "b"]), "labels")
    assert unseen_class_remarks(partition_by_test_set(train, test).splits[0]) == []


@pytest.mark.parametrize(
    ("test", "error", "words"),
    [
        (block(3), ArgumentError, r"test: expected \(X_test, y_test\), or with .* got ndarray\."),
        ((block(3), Y[:2]), DataError, "compare test y: expected 3 as X has 3 sequences, got 2"),
        (
            (np.zeros((2, 5, 3)), Y[:2]),
            DataError,
            "compare test X: expected 1 features a step, as in X, got 3",
        ),
        ((block(2), [0, 1]), DataError, "compare test y: expected labels like 'a' of y, got 0"),
    ],
)
def test_an_invalid_test_set_is_refused(test: Any, error: type, words: str) -> None:
    """What came, and the way out."""
    train, _ = evaluation_data(block(), Y, "labels")
    with pytest.raises(error, match=words):
        holdout_data(train, test, "labels")


def test_bad_data_is_refused_as_by_the_estimators() -> None:
    """Their own sentences, with the name of this call."""
    with pytest.raises(DataError, match=r"compare X, sequence 1, step 1: expected a number, got NaN"):
        evaluation_data([[1.0, 2.0, 3.0], [1.0, np.nan, 2.0]], ["a", "b"], "labels")
    with pytest.raises(DataError, match=r"compare y: expected 12 as X has 12 sequences, got 11"):
        evaluation_data(block(), Y[1:], "labels")
    with pytest.raises(DataError, match=r"groups: expected 12 names, one a sequence, got shape \(3,\)"):
        evaluation_data(block(), Y, "labels", [0, 1, 2])


def test_a_class_in_one_fold_only_is_refused() -> None:
    """Its fold could not learn it; with groups the sentence says so."""
    y = ["a", "a", "b", "b", "c"]
    data, _ = evaluation_data(block(5), y, "labels")
    words = "labels: expected every class in at least two folds, got class 'c' in one seq"
    with pytest.raises(DataError, match=words):
        partition_by_folds(data, 2, stratified=True)
    grouped, _ = evaluation_data(block(4), y[:4], "labels", groups=[0, 1, 2, 2])
    with pytest.raises(DataError, match="got class 'b' in one group only"):
        partition_by_folds(grouped, 2, stratified=True)
    partition_by_folds(evaluation_data(block(4), y[:4], "labels")[0], 2, stratified=True)


@pytest.mark.parametrize(
    ("n", "groups", "folds", "remarks"),
    [
        (12, None, 5, []),
        (4, None, 4, ["4 folds, one a sequence."]),
        (12, [k // 4 for k in range(12)], 3, ["3 folds, one a group."]),
        (12, [k // 2 for k in range(12)], 5, []),
    ],
)
def test_folds_are_five_or_one_a_group(n: int, groups: Any, folds: int, remarks: list[str]) -> None:
    """Where none are given; those that are given stay."""
    data, _ = evaluation_data(block(n), Y[:n], "labels", groups)
    assert resolve_folds(None, data) == (folds, remarks)
    assert resolve_folds(7, data) == (7, [])


def test_columns_of_a_test_frame_are_taken_by_name() -> None:
    """Steps of a table, and features of a list of frames; others are refused."""
    frame = pd.DataFrame(block(), columns=list("vwxyz"))
    train, _ = evaluation_data(frame, Y, "labels")
    test = holdout_data(train, (frame[list("zxywv")], Y), "labels")
    np.testing.assert_array_equal(test.X, block())
    np.testing.assert_array_equal(np.stack(test.sequences)[..., 0], block())
    with pytest.raises(DataError, match=r"compare test X: expected the columns .* got 'z' missing"):
        holdout_data(train, (frame.rename(columns={"z": "a"}), Y), "labels")
    parts = [pd.DataFrame(row.reshape(-1, 2), columns=["u", "v"]) for row in block(12, 6)]
    train, _ = evaluation_data(parts, Y, "labels")
    test = holdout_data(train, ([part[["v", "u"]] for part in parts], Y), "labels")
    assert np.asarray(test.X[3]).tolist() == block(12, 6)[3].reshape(-1, 2).tolist()


def test_targets_and_groups_of_a_frame_are_aligned_by_id() -> None:
    """What groupby gives is sorted by id; so in a test set."""
    names = np.array([f"r{k}" for k in np.random.default_rng(0).permutation(12)])
    long = pd.DataFrame(
        {"unique_id": np.repeat(names, 5), "ds": np.tile(np.arange(5), 12), "x": block().ravel()}
    )
    y = pd.Series(Y, index=names).sort_index()
    data, _ = evaluation_data(long, y, "labels", pd.Series(np.arange(12) // 2, index=names).sort_index())
    assert data.y.tolist() == Y.tolist()
    assert data.groups.tolist() == (np.arange(12) // 2).tolist()
    assert holdout_data(data, (long, y), "labels").y.tolist() == Y.tolist()


def test_padding_is_cut_and_a_layout_turned_round() -> None:
    """Every candidate is given the sequences without padding, steps first."""
    padded = block()
    padded[3, 2:] = np.nan
    data, _ = evaluation_data(padded, Y, "labels")
    assert [len(x) for x in data.X] == [len(x) for x in data.sequences] == [5, 5, 5, 2, *[5] * 8]
    first = block(12, 6).reshape(12, 2, 3)
    train, _ = evaluation_data(first, Y, "labels", layout="nct")
    assert np.asarray(train.X[1]).tolist() == first[1].T.tolist()
    test = holdout_data(train, (first, Y), "labels", layout="nct")
    assert np.asarray(test.X[1]).tolist() == first[1].T.tolist()


def test_lengths_cut_the_padding_of_both_parts() -> None:
    """As in fit and predict; what was cut is in no list that an estimator is given."""
    lengths = np.arange(12) % 4 + 2
    padded = np.where(np.arange(5) < lengths[:, None], block(), 0.0)
    data, _ = evaluation_data(padded, Y, "labels", lengths=lengths)
    test = holdout_data(data, (padded[::2], Y[::2], lengths[::2]), "labels", is_padded=True)
    for part, expected in ((data, lengths), (test, lengths[::2])):
        assert [len(x) for x in part.sequences] == expected.tolist()
        assert [len(x) for x in part.X] == expected.tolist()
    ragged = [row[:n] for row, n in zip(padded, lengths, strict=True)]
    assert len(holdout_data(data, (ragged, Y), "labels", is_padded=True)) == 12
    with pytest.raises(ArgumentError, match="got no lengths_test"):
        holdout_data(data, (padded, Y), "labels", is_padded=True)
    with pytest.raises(DataError, match="compare test X lengths: expected 12 whole numbers"):
        holdout_data(data, (padded, Y, lengths[:3]), "labels")
    with pytest.raises(ArgumentError, match="got 4 parts"):
        holdout_data(data, (padded, Y, lengths, None), "labels")
