"""One training with each activation: shared data and seeds, divergence, sentences."""

import json

import numpy as np
import pytest

import unrolled as ur
from unrolled import ArgumentError, DataError, NotFittedError
from unrolled.probe.activations_probe import DEFAULT_ACTIVATIONS, activations

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 12, 1))
Y = np.where(X[:, -1, 0] > 0, "up", "down")


def test_every_activation_is_trained_from_every_seed() -> None:
    """The five of the lesson, each with its curves, scores and gradients."""
    result = activations(X, Y, seeds=2, max_epochs=6)
    assert tuple(row.name for row in result.rows) == DEFAULT_ACTIVATIONS
    for row in result.rows:
        assert row.losses.shape == (2, 6)
        assert (
            row.diverged.shape
            == row.scores.shape
            == row.growth_before.shape
            == row.growth_after.shape
            == (2,)
        )
        assert np.isfinite(row.growth_before).all()
    assert (result.held_out, result.sequences, result.epochs) == (10, 40, 6)
    assert result.best in DEFAULT_ACTIVATIONS
    sigmoid, tanh = result.rows[:2]
    assert sigmoid.growth_before.max() < tanh.growth_before.min()  # a sigmoid is a quarter as steep


def test_a_model_may_stand_before_its_data() -> None:
    """Then the networks have its units; the data are the same."""
    model = ur.SequenceClassifier(hidden_size=5, max_epochs=1, n_members=1).fit(X, Y)
    options = {"activations": ["tanh"], "seeds": 1, "max_epochs": 2}
    of_model = activations(model, X, Y, **options)
    alone = activations(X, Y, hidden_size=5, **options)
    assert (of_model.rows[0].losses == alone.rows[0].losses).all()
    by_name = activations(X=X, y=Y, hidden_size=5, **options)
    assert (by_name.rows[0].losses == alone.rows[0].losses).all()
    with pytest.raises(ArgumentError, match="activations y: expected the labels"):
        activations(model, X, **options)
    with pytest.raises(ArgumentError, match="activations y: expected the labels"):
        activations(X, **options)
    with pytest.raises(NotFittedError):
        activations(ur.SequenceClassifier(), X, Y, **options)


def test_nothing_but_the_activation_differs() -> None:
    """Asked for twice, it gives the same numbers; beside another, too."""
    alone = activations(X, Y, activations=["tanh"], seeds=2, max_epochs=3).rows[0]
    beside = activations(X, Y, activations=["relu", "tanh"], seeds=2, max_epochs=3).rows[1]
    assert (alone.losses == beside.losses).all()
    assert (alone.scores == beside.scores).all()
    assert not (alone.losses[0] == alone.losses[1]).all()


def test_a_training_that_explodes_is_counted_and_named() -> None:
    """An activation without bounds, a rate that is far too high; what broke down is None in the record."""
    result = activations(
        10 * X.cumsum(1), Y, activations=["tanh", "identity"], seeds=2, max_epochs=8, learning_rate=8.0
    )
    bounded, free = result.rows
    assert free.diverged.all()
    assert free.diverged_share == 1.0
    assert "diverged with" in result.sentence
    assert "identity" in result.sentence
    record = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert record["rows"][1]["name"] == "identity"
    assert np.isfinite(bounded.losses).all()


def test_a_training_that_ends_above_where_it_began_diverged_too() -> None:
    """Its numbers are finite, and of no use."""
    result = activations(
        10 * X.cumsum(1), Y, activations=["identity"], seeds=2, max_epochs=8, learning_rate=0.3
    )
    assert np.isfinite(result.rows[0].losses).all()
    assert result.rows[0].diverged.all()


def test_few_sequences_are_both_trained_on_and_scored() -> None:
    """The lesson's toy, and the record says so."""
    result = activations(
        [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]],
        [1, 0],
        activations=["tanh"],
        seeds=2,
        hidden_size=8,
        max_epochs=60,
    )
    assert result.held_out == 0
    assert result.rows[0].score == 1.0
    assert result.sentence == (
        "On the sequences that it was trained on the network with tanh is right in 100 %; "
        "no training diverged."
    )


def test_numbers_with_decimals_are_learned_as_numbers() -> None:
    """Their error is in their own units."""
    result = activations(X, 100 * X[:, -1, 0], activations=["tanh"], seeds=1, max_epochs=20)
    assert result.task == "number"
    assert 0 < result.rows[0].score < 80  # that of the mean is 100
    assert "error" in result.to_frame().columns


def test_bad_arguments_and_bad_data_are_refused() -> None:
    """All faults of one call at once."""
    with pytest.raises(ArgumentError) as refused:
        activations(X, Y, activations=["tanh", "rellu"], seeds=0, learning_rate=0)
    for sentence in ("Did you mean 'relu'?", "seeds: expected", "learning_rate: expected"):
        assert sentence in str(refused.value)
    with pytest.raises(DataError, match="activations y"):
        activations(X, Y[:5])
    with pytest.raises(DataError, match="activations X"):
        activations([], [])
