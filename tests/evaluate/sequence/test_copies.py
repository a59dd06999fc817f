"""Copies of sequences: found, kept in one fold, and counted once."""

from collections.abc import Callable

import numpy as np
import pytest

from unrolled.evaluate.comparison import compare
from unrolled.evaluate.sequence.copies import copies_across, copy_ids, group_copies, near_copies
from unrolled.evaluate.sequence.split import evaluation_data
from unrolled.evaluate.sequence.verdict import CandidateLosses, sequence_verdict
from unrolled.models.sequence.classifier import SequenceClassifier


@pytest.fixture
def copied() -> tuple[np.ndarray, np.ndarray]:
    """Twelve sequences of noise, each four times, with labels that mean nothing."""
    rng = np.random.default_rng(0)
    which = rng.permutation(np.repeat(np.arange(12), 4))
    return rng.normal(size=(12, 20, 1))[which], np.tile([0, 1], 6)[which]


def test_toys_repeat_by_chance_and_recordings_do_not() -> None:
    """Ragged and of several features; few values and steps are no copies."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(9, 2)), rng.normal(size=(12, 2))
    assert copy_ids([a, b, a, b[:9], a + 1e-9]).tolist() == [0, 1, 0, 2, 3]
    bits = [rng.integers(0, 2, (6, 1)).astype(float) for _ in range(200)]
    assert copy_ids(bits).tolist() == list(range(200))
    assert len(set(copy_ids([rng.integers(0, 2, (99, 1)).astype(float)] * 3).tolist())) == 1


def test_copies_are_kept_in_one_fold_and_said(copied: tuple[np.ndarray, np.ndarray]) -> None:
    """The nearest neighbour finds no copy of what it is asked about, and a remark says why."""
    X, y = copied
    model = SequenceClassifier(n_members=1, hidden_size=4, max_epochs=1)
    result = compare(model, X, y, baselines=["1-NN Euclidean", "majority class"])
    nearest = next(row for row in result.rows if row.name == "1-NN Euclidean")
    assert nearest.accuracy < 0.9
    assert result.groups == 12
    assert result.remarks[0].startswith(
        "36 of 48 sequences repeat another one exactly: copies are kept together"
    )


def test_groups_that_are_given_stay(copied: tuple[np.ndarray, np.ndarray]) -> None:
    """And few distinct sequences are left alone, with a remark."""
    X, y = copied
    grouped, _ = evaluation_data(X, y, "labels", np.arange(48) // 2)
    assert group_copies(grouped, min_groups=10) == (grouped, [])
    plain, _ = evaluation_data(X, y, "labels")
    data, remarks = group_copies(plain, min_groups=13)
    assert data.groups is None
    assert remarks == [
        "36 of 48 sequences repeat another one exactly: their score says nothing of new sequences."
    ]


def test_test_sequences_that_were_trained_on_are_said(copied: tuple[np.ndarray, np.ndarray]) -> None:
    """Copies between the parts."""
    X, y = copied
    train, _ = evaluation_data(X[:24], y[:24], "labels")
    test, _ = evaluation_data(np.concatenate([X[:5], X[:3] + 1]), y[:8], "labels")
    assert copies_across(train, test)[0].startswith("5 of 8 test sequences are in X as well")
    assert copies_across(train, evaluation_data(X[:5] + 1, y[:5], "labels")[0]) == []


def test_copies_counted_once_keep_the_error_rate() -> None:
    """Two guessers on twelve sequences, each eight times: as sequences a win is false far too often."""
    wins = np.zeros(2)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        which = np.repeat(np.arange(12), 8)
        wrong = rng.integers(0, 2, (2, 12))[:, which].astype(float)
        pair = [
            CandidateLosses(name, loss, "", 1.0) for name, loss in zip(("gru", "other"), wrong, strict=True)
        ]
        for k, groups in enumerate((None, which)):
            wins[k] += sequence_verdict(pair[0], pair[1:], is_labels=True, groups=groups).outcome == "better"
    assert wins[0] > 60
    assert wins[1] <= 22  # 5 % of 300, and what chance adds once in twenty times


@pytest.mark.parametrize(
    "augment",
    [
        lambda x, rng: x + 0.005 * rng.normal(size=x.shape),
        lambda x, rng: x * rng.uniform(0.5, 2),
        lambda x, rng: x + rng.normal(),
        lambda x, rng: 1.1 * x + 0.3 + 0.005 * rng.normal(size=x.shape),
    ],
)
def test_near_copies_are_remarked_on(augment: Callable[..., np.ndarray]) -> None:
    """As augmentation makes them: jitter, scale, level; within X and across a split."""
    rng = np.random.default_rng(2)
    X = list(rng.normal(size=(30, 20, 2)))
    X += [augment(x, rng) for x in X[:10]]
    y = np.tile([0, 1], 20)
    data, remarks = group_copies(evaluation_data(X, y, "labels")[0], min_groups=10)
    assert data.groups is None
    assert len(remarks) == 1
    assert remarks[0].startswith("10 of 40 sequences equal another one but for a little noise")
    train, test = (evaluation_data(X[part], y[part], "labels")[0] for part in (slice(0, 30), slice(30, 40)))
    assert copies_across(train, test)[0].startswith("10 of 10 test sequences equal others but for")


@pytest.mark.parametrize("kind", ["noise", "waves", "short", "ragged", "constant"])
def test_what_is_alike_by_nature_is_no_copy(kind: str) -> None:
    """Independent noise, curves that all are one sine, few steps, other lengths, no change at all."""
    rng = np.random.default_rng(3)
    X = {
        "noise": list(rng.normal(size=(300, 20, 1))),
        "waves": [np.sin(np.arange(40) / 6 + 0.01 * rng.normal())[:, None] for _ in range(60)],
        "short": list(rng.integers(0, 3, (100, 5, 1)).astype(float)),
        "ragged": [rng.normal(size=(n, 1)) for n in range(20, 60)],
        "constant": [np.full((30, 1), k) for k in range(40)],
    }[kind]
    assert near_copies(X).tolist() == []


def test_exact_copies_are_not_counted_twice(copied: tuple[np.ndarray, np.ndarray]) -> None:
    """They have a remark of their own."""
    X, y = copied
    assert len(group_copies(evaluation_data(X, y, "labels")[0], min_groups=10)[1]) == 1
