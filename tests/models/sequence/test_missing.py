"""Missing values: filled within each sequence alone, or beside a mask, in fit and in predict."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone

import unrolled as ur
from unrolled import ArgumentError, DataError, probe
from unrolled.data.sequences import Sequences
from unrolled.models.sequence.missing import MISSING_METHODS, fill_missing

NAN = float("nan")
SMALL = {"hidden_size": 8, "max_epochs": 12, "n_members": 1}
RNG = np.random.default_rng(0)
Y = np.arange(80) % 2
X = RNG.normal(size=(80, 12, 2)) + np.where(Y, 1.0, -1.0)[:, None, None]
GAPS = np.where(RNG.random(X.shape) < 0.3, NAN, X)


@pytest.mark.parametrize("how", MISSING_METHODS)
def test_gaps_are_filled_as_a_loop_fills_them(how: str) -> None:
    """Feature by feature, by pandas; nothing passes from one sequence to the next."""
    arrays = [np.where(RNG.random((n, 2)) < 0.5, NAN, RNG.normal(size=(n, 2))) for n in (1, 2, 7, 16, 31)]
    arrays.append(np.full((4, 2), NAN))
    filled = fill_missing(Sequences.from_arrays(arrays), how, np.array([5.0, 6.0]))
    parts = np.split(filled.values, filled.offsets[1:-1])
    for array, part in zip(arrays, parts, strict=True):
        frame = pd.DataFrame(array)
        expected = frame.interpolate(limit_direction="both") if how in ("linear", "mask") else frame.ffill()
        np.testing.assert_allclose(part[:, :2], expected.fillna({0: 5.0, 1: 6.0}))
        if how in ("forward", "linear"):
            continue
        np.testing.assert_array_equal(part[:, 2:4], np.isnan(array))
        for k in range(2):
            since = 0
            for t, value in enumerate(array[:, k]):
                since = since + 1 if np.isnan(value) else 0
                assert part[t, 4 + k] == pytest.approx(np.log1p(since))


@pytest.mark.parametrize("how", MISSING_METHODS)
@pytest.mark.parametrize("solver", ["gradient", "reservoir"])
def test_an_estimator_learns_from_gaps(how: str, solver: str, tmp_path: Path) -> None:
    """And predicts on gaps and without; it is saved, cloned and pickled as it is."""
    if (how, solver) == ("decay", "reservoir"):
        with pytest.raises(ArgumentError, match="missing: solver='reservoir' learns no rates"):
            ur.SequenceClassifier(missing=how, solver=solver).fit(GAPS[:60], Y[:60])
        return
    settings = SMALL if solver == "gradient" else {"hidden_size": 32, "n_members": 1}
    model = ur.SequenceClassifier(missing=how, solver=solver, **settings).fit(GAPS[:60], Y[:60])
    assert model.score(GAPS[60:], Y[60:]) >= 0.95
    assert model.score(X[60:], Y[60:]) >= 0.95
    assert model.n_features_in_ == 2
    reads = next(fact.text for fact in model.summary() if fact.name == "Reads")
    assert reads.startswith("2 features a step")
    assert ("whether it is missing" in reads) == (how not in ("forward", "linear"))
    loaded = ur.SequenceClassifier.load(model.save(tmp_path / "model"))
    for twin in (loaded, pickle.loads(pickle.dumps(model))):
        assert (twin.predict_proba(GAPS) == model.predict_proba(GAPS)).all()
    assert clone(model).missing == how
    assert model.__sklearn_tags__().input_tags.allow_nan


def test_regressors_taggers_lists_and_frames_take_gaps() -> None:
    """None in a list and NaN in a frame are the same; so is a prediction for one sequence alone."""
    ragged = [row[: 4 + k % 5] for k, row in enumerate(GAPS)]
    tags = [np.full(len(row), y) for row, y in zip(ragged, Y, strict=True)]
    tagger = ur.SequenceTagger(missing="mask", **SMALL).fit(ragged, tags)
    assert [len(each) for each in tagger.predict(ragged)] == [len(row) for row in ragged]
    alone = tagger.predict_proba(ragged[:1])[0]
    np.testing.assert_allclose(alone, tagger.predict_proba(ragged)[0], atol=1e-6)
    table = pd.DataFrame(GAPS[..., 0])
    regressor = ur.SequenceRegressor(missing="linear", **SMALL).fit(table, Y.astype(float))
    lists = [[None if np.isnan(v) else float(v) for v in row] for row in GAPS[..., 0]]
    np.testing.assert_allclose(regressor.predict(table), regressor.predict(lists))


def test_few_sequences_are_not_told_apart_by_their_gaps() -> None:
    """Sixteen bumps with or without a small one behind: where gaps were differenced, accuracy was 0.65."""

    def bumps(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        y, steps = np.arange(n) % 2, np.arange(110)
        large = np.exp(-0.5 * ((steps - 50 - rng.normal(size=(n, 1))) / 12) ** 2)
        small = 0.25 * y[:, None] * np.exp(-0.5 * ((steps - 80) / 4) ** 2)
        X = large + small + rng.normal(0, 0.03, (n, 110))
        return np.where((rng.random(X.shape) < 0.1) & (steps > 0), NAN, X)[..., None], y

    rng = np.random.default_rng(0)
    model = ur.SequenceClassifier(missing="mask", n_members=1, random_state=0).fit(*bumps(16, rng))
    assert model.score(*bumps(200, rng)) >= 0.9


@pytest.mark.parametrize("stem", [True, False])
def test_rates_of_decay_are_learned(stem: bool) -> None:
    """Each feature its own: the class is in one whose gaps are long, noise is in the other."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = np.full((120, 24, 2), NAN)
    X[:, ::3, 1] = rng.normal(size=(120, 8))
    X[:, 2, 0] = np.where(y, 1.0, -1.0)
    model = ur.SequenceClassifier(
        missing="decay", stem=stem, pooling="last", hidden_size=8, n_members=1, max_epochs=30, dropout=0
    ).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) >= 0.95
    decay = model.networks_[0].decay
    first = type(decay)(2)
    assert not torch.equal(decay.rate, first.rate)
    assert not torch.equal(decay.offset, first.offset)
    if not stem:  # what must last from step 2 to step 24 decays less than noise
        assert decay.rate[0] < decay.rate[1]


def test_before_its_first_value_a_decayed_feature_is_the_mean() -> None:
    """To the bit, in training and after: no step tells of a later one."""
    model = ur.SequenceTagger(missing="decay", **SMALL | {"max_epochs": 2})
    model.fit([row[:, :1] for row in GAPS], [np.full(len(row), y) for row, y in zip(GAPS, Y, strict=True)])
    sequence = np.array([NAN, NAN, NAN, 2.0, NAN])[:, None]
    values, _ = model.tensors([sequence])
    assert values[0, :3, 0].tolist() == [0, 0, 0]
    late = np.where(np.isnan(sequence), NAN, -7.0)
    both = model.predict_proba([sequence, late])
    assert (both[0][:3] == both[1][:3]).all()
    assert (both[0][3] != both[1][3]).any()


def test_gaps_are_refused_with_the_way_out_that_works() -> None:
    """Nothing is filled unasked; an infinite value and an empty sequence are refused all the same."""
    with pytest.raises(DataError, match="Fit with missing='mask', 'forward' or 'linear'"):
        ur.SequenceClassifier(**SMALL).fit(GAPS, Y)
    fitted = ur.SequenceClassifier(**SMALL).fit(X, Y)
    with pytest.raises(DataError, match="missing='mask'"):
        fitted.predict(GAPS)
    with pytest.raises(DataError, match="got inf"):
        ur.SequenceClassifier(missing="mask", **SMALL).fit(np.where(np.isnan(GAPS), np.inf, X), Y)
    with pytest.raises(DataError, match="length 0"):
        ur.SequenceClassifier(missing="mask", **SMALL).fit([[], [1.0]], [0, 1])
    with pytest.raises(ArgumentError, match="missing: expected"):
        ur.SequenceClassifier(missing="mean").fit(GAPS, Y)


def test_probes_read_gaps_as_the_model_does() -> None:
    """Its inputs are filled before the networks read them; retrained models read those."""
    model = ur.SequenceClassifier(missing="mask", **SMALL | {"max_epochs": 2}).fit(GAPS, Y)
    assert np.isfinite(probe.memory(model, GAPS).gradient).all()
    assert probe.order(model, GAPS[:24], Y[:24], repeats=19, folds=3).retrained is not None
    assert np.isfinite(probe.activations(model, GAPS, Y, seeds=1, activations=["tanh"]).rows[0].score)
    decayed = ur.SequenceClassifier(missing="decay", **SMALL | {"max_epochs": 2}).fit(GAPS, Y)
    assert np.isfinite(probe.memory(decayed, GAPS).gradient).all()
