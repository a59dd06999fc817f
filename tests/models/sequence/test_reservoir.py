"""The readout of a reservoir is ridge regression, its penalty and temperature chosen by left-out units."""

import numpy as np
import pytest
import torch

from unrolled.models.sequence import reservoir
from unrolled.models.sequence import training as sequence_training
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import (
    SequenceNetwork,
    SequenceNetworkConfig,
)
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.sequence.reservoir import solve_readout
from unrolled.models.sequence.tagger import SequenceTagger
from unrolled.models.sequence.training import initialize_from_data


def _shapes(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """A bump that rises slowly or falls slowly, somewhere in 40 to 60 noisy steps, at any level."""
    rng = np.random.default_rng(seed)
    y, X = rng.integers(0, 2, count), []
    for label in y:
        steps = rng.integers(40, 60)
        ramp = np.concatenate([np.linspace(0, 1, 12), [0.0]])
        x, at = rng.normal(0, 0.05, steps) + rng.normal(), rng.integers(0, steps - 13)
        x[at : at + 13] += ramp if label else ramp[::-1]
        X.append(x[:, None])
    return X, y


def _initialized(count: int, hidden_size: int) -> tuple[SequenceNetwork, SequenceDataset]:
    rng = np.random.default_rng(0)
    lengths = torch.from_numpy(rng.integers(5, 12, count))
    values = torch.from_numpy(rng.normal(size=(int(lengths.sum()) + 1, 2))).float()
    values[-1] = 0
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)[:-1]])
    means = torch.stack([values[a : a + n, 0].mean() for a, n in zip(starts, lengths, strict=True)])
    dataset = SequenceDataset(values, starts, lengths, (means > 0).long() + (means > 0.2).long())
    torch.manual_seed(0)
    config = SequenceNetworkConfig(
        2, 3, hidden_size=hidden_size, pooling="last+mean", stem_channels=6, memory_steps=8
    )
    network = SequenceNetwork(config)
    initialize_from_data(network, dataset)
    return network, dataset


@pytest.mark.parametrize("groups", [30, 10, 2])  # of fewer and of more members than there are features
@pytest.mark.parametrize("hidden_size", [4, 40])  # fewer and more features than the 30 sequences
def test_the_readout_is_ridge_with_the_least_leave_one_out_error(hidden_size: int, groups: int) -> None:
    """Each group left out in turn, for every penalty, by solving anew."""
    network, dataset = _initialized(30, hidden_size)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    group = torch.arange(30) % groups
    history = solve_readout(network, dataset, weights, group)
    batch = dataset.batch(torch.arange(30))
    with torch.no_grad():
        f = network.standardize(network.features(batch.values, batch.lengths)).double()
    y = torch.nn.functional.one_hot(batch.targets, 3).double() * 2 - 1
    w, losses = weights[batch.targets], []
    for penalty in reservoir._PENALTIES * f.shape[1]:
        errors = []
        for i in range(30):
            others = group != group[i]
            W, b = _ridge(f[others], y[others], w[others], penalty)
            errors.append(w[i] * (y[i] - f[i] @ W - b).square().mean())
        losses.append((torch.stack(errors).mean().item(), penalty))
    W, b = _ridge(f, y, w, min(losses)[1])
    ratio = (network.head.weight.detach().double() / W.T).flatten()
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-2, atol=0)  # the temperature
    torch.testing.assert_close(network.head.bias.double(), b * ratio[0], rtol=1e-2, atol=1e-4)
    left_out = torch.empty(30, 3, dtype=torch.float64)
    for i in range(30):
        W, b = _ridge(f[group != group[i]], y[group != group[i]], w[group != group[i]], min(losses)[1])
        left_out[i] = f[i] @ W + b
    cross_entropy = torch.nn.functional.cross_entropy(left_out * ratio[0], batch.targets, reduction="none")
    assert history.best.train_loss == pytest.approx(float((cross_entropy * w).mean()), rel=1e-3)


def _ridge(f: torch.Tensor, y: torch.Tensor, w: torch.Tensor, penalty: torch.Tensor) -> tuple:
    center, mean = w @ f / w.sum(), w @ y / w.sum()
    F = f - center
    W = torch.linalg.solve((F * w[:, None]).T @ F + penalty * torch.eye(F.shape[1]), (F * w[:, None]).T @ y)
    return W, mean - center @ W


def test_long_sequences_set_the_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them may be longer than all that is looked at; one alone has no spread."""
    network, dataset = _initialized(30, 4)
    batch = dataset.batch(torch.arange(30))
    for steps in (sequence_training._SCALE_STEPS, 40, 3):
        monkeypatch.setattr(sequence_training, "_SCALE_STEPS", steps)
        initialize_from_data(network, dataset)
        with torch.no_grad():
            features = network.standardize(network.features(batch.values, batch.lengths))
        torch.testing.assert_close(features.mean(0), torch.zeros(8), rtol=0, atol=1e-5)
        torch.testing.assert_close(features.std(0, correction=0), torch.ones(8))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_reservoir_of_every_cell_learns_shapes(cell: str) -> None:
    """Bumps at any place and level; its probabilities are worth something too."""
    (X, y), (X_test, y_test) = _shapes(60, 0), _shapes(200, 1)
    model = SequenceClassifier(cell=cell, solver="reservoir").fit(X, y)
    assert model.score(X_test, y_test) >= 0.97
    sure = model.predict_proba(X_test)[np.arange(200), y_test]
    assert -np.log(sure).mean() < 0.15
    assert model.stopping_reason_.startswith("No epochs: the readout was solved in closed form")


def test_the_same_seed_gives_the_same_reservoir() -> None:
    """And another seed another one."""
    X, y = _shapes(20, 0)
    one, twin, other = (
        SequenceClassifier(solver="reservoir", hidden_size=8, random_state=seed).fit(X, y)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one.predict_proba(X), twin.predict_proba(X))
    assert not np.allclose(one.predict_proba(X), other.predict_proba(X))


def test_numbers_are_predicted() -> None:
    """The slope of a ramp under noise."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=120)
    X = [slope * np.linspace(0, 1, 30) + rng.normal(0, 0.1, 30) for slope in y]
    model = SequenceRegressor(solver="reservoir", hidden_size=64).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.95


def test_a_tagger_predicts_every_step() -> None:
    """Whether the sum of the last three signs is positive."""
    rng = np.random.default_rng(0)
    X = [np.sign(rng.normal(size=int(n))) for n in rng.integers(10, 30, 60)]
    y = [(np.convolve(x, np.ones(3))[: len(x)] > 0).astype(int) for x in X]
    model = SequenceTagger(solver="reservoir").fit(X[:40], y[:40])
    assert model.score(X[40:], y[40:]) > 0.97


def _levels(seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Forty recordings, each at a level of its own that says nothing of its class."""
    rng = np.random.default_rng(seed)
    return [rng.normal(2 * rng.normal(size=3), 1, (60, 3)) for _ in range(40)], rng.integers(0, 2, 40)


def test_a_level_that_marks_a_recording_predicts_no_class() -> None:
    """Its other steps, or its other pieces, tell its class; of a new one they tell nothing."""
    (X, y), (X_test, y_test) = _levels(0), _levels(1)
    tagger = SequenceTagger(solver="reservoir", hidden_size=32).fit(X, [np.full(60, k) for k in y])
    shares = np.concatenate(tagger.predict_proba(X_test))
    assert -np.log(shares[np.arange(2400), np.repeat(y_test, 60)]).mean() < 1
    pieces, labels = [x[k : k + 10] for x in X for k in range(0, 60, 10)], np.repeat(y, 6)
    model = SequenceClassifier(solver="reservoir", hidden_size=32)
    shares = model.fit(pieces, labels, groups=np.repeat(np.arange(40), 6)).predict_proba(X_test)
    assert -np.log(shares[np.arange(40), y_test]).mean() < 1


def test_one_group_alone_is_left_out_sample_by_sample() -> None:
    """Without it there would be nothing to learn from."""
    network, dataset = _initialized(30, 4)
    weights = torch.ones(3, dtype=torch.float64)
    alone = solve_readout(network, dataset, weights, torch.zeros(30, dtype=torch.int64))
    expected = solve_readout(network, dataset, weights).best.train_loss
    assert alone.best.train_loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("most", [40, 7, 1])
def test_groups_are_drawn_whole(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as have few enough samples; one at least."""
    monkeypatch.setattr(reservoir, "_MAX_SAMPLES", most)
    units, n_samples = torch.arange(30) % 6, torch.ones(30, dtype=torch.int64)
    rows = reservoir._draw_units(units, n_samples)
    assert len(rows) == {40: 30, 7: 5, 1: 5}[most]
    assert (torch.bincount(units[rows], minlength=6) % 5 == 0).all()


def test_many_sequences_are_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readout is that of one piece, where there is one penalty and one temperature."""
    network, dataset = _initialized(60, 3)
    weights = torch.ones(3, dtype=torch.float64)
    monkeypatch.setattr(reservoir, "_PENALTIES", reservoir._PENALTIES[8:9])
    monkeypatch.setattr(reservoir, "_TEMPERATURES", reservoir._TEMPERATURES[8:9])
    solve_readout(network, dataset, weights)
    at_once = network.head.weight.clone()
    monkeypatch.setattr(reservoir, "_MAX_SAMPLES", 40)
    solve_readout(network, dataset, weights)
    torch.testing.assert_close(network.head.weight, at_once)


def test_a_reservoir_reads_its_input_directly() -> None:
    """The sign of the current step and the last value, which a line tells, and random units blur."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 1)) for n in rng.integers(10, 30, 120)]
    tags = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    settings = {"solver": "reservoir", "hidden_size": 64}
    tagger = SequenceTagger(**settings).fit(X[:80], tags[:80])
    assert tagger.score(X[80:], tags[80:]) > 0.98  # 0.965 by the squared error, 0.87 by states alone
    last = np.array([x[-1, 0] for x in X])
    regressor = SequenceRegressor(**settings).fit(X[:80], last[:80])
    assert regressor.score(X[80:], last[80:]) > 0.999
    mean = np.array([x.mean() for x in X])
    assert SequenceRegressor(**settings).fit(X[:80], mean[:80]).score(X[80:], mean[80:]) > 0.999


@pytest.mark.parametrize("per_step", [False, True])
def test_direct_inputs_are_those_of_the_steps(*, per_step: bool) -> None:
    """Against a loop; padding is never read."""
    config = SequenceNetworkConfig(2, 3, hidden_size=4, per_step=per_step, direct_inputs=True)
    network = SequenceNetwork(config).eval()
    values, lengths = torch.randn(3, 6, 2), torch.tensor([6, 1, 4])
    features = network.features(values, lengths)
    for k, n in enumerate(lengths.tolist()):
        if per_step:
            assert torch.equal(features[k, :n, 4:], values[k, :n])
        else:
            expected = torch.cat([values[k, n - 1], values[k, :n].mean(0)])
            torch.testing.assert_close(features[k, -4:], expected)
