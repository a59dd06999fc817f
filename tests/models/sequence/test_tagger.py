"""Every step of a sequence gets a class, from the steps up to it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.errors import ArgumentError, DataError
from unrolled.models.sequence.tagger import SequenceTagger

QUICK = {"hidden_size": 8, "max_epochs": 30, "learning_rate": 0.02, "n_members": 1}


def _rises(count: int, seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Ragged noise; each step is tagged by whether it lies above the step before it."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=steps) for steps in rng.integers(2, 12, count)]
    return X, [np.where(np.diff(x, prepend=0.0) > 0, "up", "down") for x in X]


@pytest.fixture(scope="module")
def fitted() -> SequenceTagger:
    """A model of the rises; tests must not change it."""
    return SequenceTagger(**QUICK).fit(*_rises(100))


def test_a_tag_depends_on_the_steps_before_it(fitted: SequenceTagger) -> None:
    """Which one step alone cannot tell; on sequences that it has not seen."""
    X, y = _rises(40, seed=1)
    tags = fitted.predict(X)
    assert [len(row) for row in tags] == [len(x) for x in X]
    assert fitted.score(X, y) > 0.9
    assert fitted.score(X, y) == np.mean(np.concatenate(tags) == np.concatenate(y))
    assert fitted.classes_.tolist() == ["down", "up"]


def test_probabilities_of_a_step_sum_to_one(fitted: SequenceTagger) -> None:
    """N arrays of a row a step."""
    X, _ = _rises(10, seed=2)
    for x, probabilities, tags in zip(X, fitted.predict_proba(X), fitted.predict(X), strict=True):
        assert probabilities.shape == (len(x), 2)
        np.testing.assert_allclose(probabilities.sum(1), 1.0)
        assert tags.tolist() == fitted.classes_[probabilities.argmax(1)].tolist()


def test_a_prediction_depends_on_no_later_step(fitted: SequenceTagger) -> None:
    """The tags of a beginning are the beginning of the tags; not so if it reads from the end too."""
    X, y = _rises(20, seed=3)
    whole = fitted.predict_proba(X)
    for x, probabilities in zip(X, whole, strict=True):
        np.testing.assert_allclose(fitted.predict_proba([x[:2]])[0], probabilities[:2], atol=1e-6)
    both = SequenceTagger(**QUICK | {"max_epochs": 2}, bidirectional=True).fit(X, y)
    x = max(X, key=len)
    assert np.abs(both.predict_proba([x[:2]])[0] - both.predict_proba([x])[0][:2]).max() > 1e-4


def test_other_sequences_change_no_prediction(fitted: SequenceTagger) -> None:
    """Alone, and among longer ones."""
    X, _ = _rises(15, seed=4)
    for x, probabilities in zip(X, fitted.predict_proba(X), strict=True):
        np.testing.assert_allclose(fitted.predict_proba([x])[0], probabilities, atol=1e-6)


def test_balanced_weights_reach_a_rare_tag() -> None:
    """One step in ten, at random: with weights it is expected half of the time."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(10, 1)) for _ in range(30)]
    y = [(rng.random(10) < 0.1).astype(int) for _ in range(30)]
    quick = {"hidden_size": 4, "max_epochs": 10}
    plain = np.concatenate(SequenceTagger(**quick).fit(X, y).predict_proba(X))[:, 1].mean()
    model = SequenceTagger(**quick, class_weight="balanced").fit(X, y)
    balanced = np.concatenate(model.predict_proba(X))[:, 1].mean()
    assert plain < 0.2
    assert plain + 0.1 < balanced < 0.65


def test_tags_come_as_lists_arrays_or_one_array() -> None:
    """(N, T) where all have one length."""
    X = np.random.default_rng(0).normal(size=(6, 4, 2))
    y = (X[..., 0] > 0).astype(int)
    quick = {"hidden_size": 4, "max_epochs": 2}
    expected = SequenceTagger(**quick).fit(X, y).predict_proba(X)
    for form in (y.tolist(), list(y), [tuple(tags) for tags in y], pd.DataFrame(y)):
        np.testing.assert_array_equal(SequenceTagger(**quick).fit(X, form).predict_proba(X), expected)


def test_a_table_of_tags_is_cut_where_sequences_end() -> None:
    """A row a sequence, a column a step; its index is aligned with the ids of X."""
    frame = pd.DataFrame({"unique_id": list("bbbaa"), "ds": [0, 1, 2, 0, 1], "x": np.arange(5.0)})
    lists = [["up", "up", "down"], ["down", "up"]]
    table = pd.DataFrame([*lists[::-1]], index=["a", "b"])
    quick = {"hidden_size": 4, "max_epochs": 2}
    expected = SequenceTagger(**quick).fit(frame, lists).predict_proba(frame)
    actual = SequenceTagger(**quick).fit(frame, table).predict_proba(frame)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_flat_tags_of_an_array_are_refused_with_the_way_out() -> None:
    """Which works."""
    x = np.random.default_rng(0).normal(size=(6, 4))
    y = (x > 0).astype(int).ravel()
    with pytest.raises(DataError, match=r"Give np.reshape\(y, \(6, 4\)\)\."):
        SequenceTagger(hidden_size=4, max_epochs=2).fit(x, y)
    SequenceTagger(hidden_size=4, max_epochs=2).fit(x, np.reshape(y, (6, 4)))


X = [[1.0, 2.0], [3.0]]


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (["a", "b"], "expected 2 lists of labels, one a sequence, with one label a step"),
        ([["a", "b"]], "expected 2 lists of labels, one a sequence, with one label a step"),
        (["a", "b", "a"], r"Give np.split\(y, np.cumsum\(lengths\)\[:-1\]\)"),
        (None, "expected 2 lists of labels, one a sequence, with one label a step"),
        ([["a", "b"], ["b", "a"]], "sequence 1: expected 1 labels, one a step of X, got 2."),
        ([["a", "a"], ["a"]], r"expected at least two classes, got one class \('a'\) in all labels"),
        ([["a", "b"], [1]], "expected labels of one type"),
        ([[None, None], [None]], "expected a label at some steps, got none at 3 steps"),
        ([[0.5, 1.0], [2.0]], "Unknown label type"),
    ],
)
def test_labels_must_match_the_steps(y: Any, sentence: str) -> None:
    """One sentence, of y."""
    with pytest.raises((DataError, TypeError), match=f"^SequenceTagger y.*{sentence}"):
        SequenceTagger(hidden_size=2, max_epochs=1).fit(X, y)


def test_score_counts_an_unseen_class_as_wrong(fitted: SequenceTagger) -> None:
    """As the classifier does."""
    tags = fitted.predict(X)
    assert fitted.score(X, tags) == 1
    assert fitted.score(X, [tags[0], ["level"]]) == pytest.approx(2 / 3)


def test_pooling_is_refused() -> None:
    """Every step has a prediction of its own; ignored silently, it would mislead."""
    with pytest.raises(ArgumentError, match="pooling: every step has a prediction of its own"):
        SequenceTagger(pooling="mean").fit(X, [["a", "b"], ["b"]])


def test_tags_in_columns_are_labels_or_refused_with_the_way_out() -> None:
    """(N, T, 1) is a label a step, (N, T, K) one-hot."""
    X = np.random.default_rng(0).normal(size=(12, 6, 1))
    settings: dict[str, Any] = {"hidden_size": 4, "n_members": 1, "max_epochs": 2}
    model = SequenceTagger(**settings).fit(X, (X > 0).astype(int))
    assert model.classes_.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"3 columns a step.*y.argmax\(axis=2\)"):
        SequenceTagger(**settings).fit(X, np.zeros((12, 6, 3)))


@pytest.mark.parametrize("gap", [None, float("nan"), -100])
@pytest.mark.parametrize("solver", ["gradient", "reservoir"])
def test_steps_without_a_label_are_left_out(gap: Any, solver: str) -> None:
    """Of the classes, the loss and the score; the summary says how many, and a saved model too."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 1)) for n in rng.integers(5, 12, 40)]
    whole = [(x[:, 0] > 0).astype(int).tolist() for x in X]
    gaps = [[gap if rng.random() < 0.4 else tag for tag in tags] for tags in whole]
    settings: dict[str, Any] = {"hidden_size": 8, "n_members": 1, "solver": solver}
    settings |= {"max_epochs": 30} if solver == "gradient" else {}
    model = SequenceTagger(**settings).fit(X, gaps)
    assert model.classes_.tolist() == [0, 1]
    n_missing = sum(tag not in (0, 1) for tags in gaps for tag in tags)
    assert model.n_unlabelled_ == n_missing
    assert f"{n_missing} steps, left out of the loss" in str(model.summary())
    assert model.score(X, whole) > 0.9
    pairs = [
        (p == t)
        for tags, true in zip(model.predict(X), gaps, strict=True)
        for p, t in zip(tags, true, strict=True)
        if t in (0, 1)
    ]
    assert model.score(X, gaps) == pytest.approx(np.mean(pairs))
    model.save("tagger")
    assert SequenceTagger.load("tagger").n_unlabelled_ == n_missing


def test_what_an_unlabelled_step_holds_changes_nothing() -> None:
    """None, NaN and -100 are the same training, to the bit; so is one without sequences of no label."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(24, 6, 1))
    tags = (X[..., 0] > 0).astype(float)
    tags[:, 3], tags[:5] = np.nan, np.nan
    settings = QUICK | {"max_epochs": 3}
    models = [
        SequenceTagger(**settings).fit(X, tags),
        SequenceTagger(**settings).fit(X, np.nan_to_num(tags, nan=-100).astype(int)),
        SequenceTagger(**settings).fit(X, np.where(np.isnan(tags), None, tags.astype(object))),
        SequenceTagger(**settings).fit(X[5:], tags[5:]),
    ]
    first, *others = [np.stack(model.predict_proba(X)) for model in models]
    for other in others:
        assert np.array_equal(first, other)


def test_texts_may_have_gaps_and_weights() -> None:
    """None among texts; weights of sequences count labelled steps only."""
    X = np.random.default_rng(0).normal(size=(12, 6, 1))
    tags = np.where(X[..., 0] > 0, "up", "down").astype(object)
    tags[:, 2] = None
    model = SequenceTagger(**QUICK | {"max_epochs": 2}).fit(X, tags, sample_weight=np.arange(12))
    assert model.classes_.tolist() == ["down", "up"]
    assert 0 <= model.score(X, tags, sample_weight=np.arange(12)) <= 1
    with pytest.raises(DataError, match="expected a label at some steps, got none at 72 steps"):
        SequenceTagger(**QUICK).fit(X, np.full((12, 6), -100))
    with pytest.raises(DataError, match="expected a label at some steps"):
        model.score(X, np.full((12, 6), None))
