"""Training samples: weights and groups in order; copies are one, with their weight."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.arrays import as_sequences
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.sequence.samples import check_weights, collect_samples, merge_copies
from unrolled.models.sequence.tagger import SequenceTagger

RNG = np.random.default_rng(0)
DATA = Sequences.from_arrays([[1.0, 2.0], [3.0], [1.0, 2.0], [4.0, 5.0, 6.0]])
Y = np.array([7, 8, 7, 9])


def test_without_copies_and_weights_nothing_changes() -> None:
    """Nor with equal weights: the order, and so the training, stays."""
    for weights in (None, np.full(4, 2.5)):
        samples = merge_copies(DATA, np.arange(4), weights, None)
        assert samples.data is DATA
        assert (samples.weights, samples.n_copies) == (None, 4)


def test_copies_with_one_target_are_one() -> None:
    """With another target they stay; each has its weight, 1 on average."""
    samples = merge_copies(DATA, Y, None, None)
    assert sorted(zip(samples.targets.tolist(), samples.weights.tolist(), strict=True)) == [
        (7, 1.5), (8, 0.75), (9, 0.75)
    ]  # fmt: skip
    assert samples.n_copies == 4
    assert merge_copies(DATA, np.array([7, 8, 0, 9]), None, None).weights is None
    assert len(merge_copies(DATA, Y, None, np.array([0, 1, 1, 0])).data) == 4


def test_groups_follow_their_sequences() -> None:
    """Numbered anew from 0 on."""
    samples = merge_copies(DATA, Y, np.array([1.0, 0, 1, 3]), np.array([0, 1, 0, 2]))
    assert set(zip(samples.targets.tolist(), samples.groups.tolist(), strict=True)) in (
        {(7, 0), (9, 1)}, {(7, 1), (9, 0)}
    )  # fmt: skip


def test_targets_of_steps_follow_their_sequences() -> None:
    """A tagger's."""
    tags = np.array(["a", "b", "c", "a", "b", "d", "e", "f"])
    samples = merge_copies(DATA, tags, None, None)
    parts = np.split(samples.targets, samples.data.offsets[1:-1])
    assert {"".join(part): len(one.values) for part, one in zip(parts, samples.data, strict=True)} == {
        "ab": 2, "c": 1, "def": 3
    }  # fmt: skip
    assert samples.step_weights.shape == (6,)


def test_weights_and_groups_are_aligned_by_id() -> None:
    """As y is."""
    frame = pd.DataFrame({"unique_id": ["b", "b", "a"], "ds": [0, 1, 0], "x": [1.0, 2.0, 3.0]})
    data = as_sequences(frame)
    assert check_weights(pd.Series({"a": 1.0, "b": 3.0}), data).tolist() == [3, 1]
    samples = collect_samples(data, np.array([0, 1]), None, pd.Series({"a": "ann", "b": "bob"}))
    other = collect_samples(data, np.array([0, 1]), None, ["bob", "ann"])
    assert samples.groups.tolist() == other.groups.tolist()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1, 2], r"sample_weight: expected 4 numbers, one a sequence, got shape \(2,\)"),
        (np.ones((4, 1)), r"sample_weight: .* got shape \(4, 1\)"),
        ([1, -1, 1, 1], "sample_weight, position 1: expected a weight of at least 0, got -1"),
        ([0, 0, 0, 0], "sample_weight: expected a weight above zero, got only zero"),
        ([1, np.nan, 1, 1], "sample_weight, position 1"),
        (["a"] * 4, "sample_weight: expected numbers, got 'a'"),
    ],
)
def test_wrong_weights_are_refused(weights: Any, words: str) -> None:
    """With what came."""
    with pytest.raises(DataError, match=words):
        check_weights(weights, DATA)


X = [RNG.normal(size=(steps, 2)) for steps in RNG.integers(3, 8, 14)]
CASES = [
    (SequenceClassifier, np.array(["a", "b"] * 7)),
    (SequenceRegressor, RNG.normal(size=14)),
    (SequenceTagger, [(x[:, 0] > 0).astype(int) for x in X]),
]


@pytest.mark.parametrize(
    "solver", [{"max_epochs": 3}, {"solver": "reservoir"}], ids=["gradient", "reservoir"]
)
@pytest.mark.parametrize(("kind", "y"), CASES, ids=[kind.__name__ for kind, _ in CASES])
def test_a_weight_is_as_many_copies(kind: Any, y: Any, solver: dict[str, Any]) -> None:
    """To the bit, in any order; weight 0 is absence, equal weights are none, others matter."""
    settings = {"hidden_size": 4, "n_members": 1, **solver}
    weights = np.array([3, 1, 0, 2, 1, 1, 4] * 2)
    rows = np.repeat(np.arange(14), weights)[::-1]

    def fitted(rows: Any, **named: Any) -> Any:
        model = kind(**settings).fit([X[i] for i in rows], [y[i] for i in rows], **named)
        proba = getattr(model, "predict_proba", model.predict)(X)
        return np.concatenate(proba) if isinstance(proba, list) else proba

    everything = fitted(range(14))
    weighted = fitted(range(14), sample_weight=weights)
    np.testing.assert_array_equal(weighted, fitted(rows))
    np.testing.assert_array_equal(fitted(range(14), sample_weight=np.full(14, 5.0)), everything)
    assert not np.array_equal(weighted, everything)


@pytest.mark.parametrize(("kind", "y"), CASES, ids=[kind.__name__ for kind, _ in CASES])
def test_a_score_is_weighted_as_copies_are(kind: Any, y: Any) -> None:
    """Accuracy of sequences and of steps, and R²."""
    model = kind(hidden_size=4, n_members=1, max_epochs=3).fit(X, y)
    weights = np.array([3, 1, 0, 2, 1, 1, 4] * 2)
    rows = np.repeat(np.arange(14), weights)
    score = model.score(X, y, sample_weight=weights)
    assert score == pytest.approx(model.score([X[i] for i in rows], [y[i] for i in rows]))
    assert score != pytest.approx(model.score(X, y), abs=1e-4)


def test_groups_are_no_third_argument() -> None:
    """Elsewhere the third one is the weights: both are named."""
    with pytest.raises(TypeError, match="positional arguments"):
        SequenceClassifier().fit(X, CASES[0][1], np.ones(14))
