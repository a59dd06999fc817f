"""Does order matter: what is said of planted tasks, and how often it is wrong."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import unrolled as ur
from unrolled import ArgumentError
from unrolled.probe.order_probe import order

from .conftest import draw_progress_at_once

SEEDS = 200


class Reads(nn.Module):
    """Answers by what it makes of the steps: a score for the second class."""

    def __init__(self, score: object) -> None:
        super().__init__()
        self.rnn, self.score = nn.RNN(1, 1), score

    def forward(self, x: Tensor) -> Tensor:
        score = 4 * self.score(x[..., 0])
        return torch.stack([-score, score], -1)


MEAN, LAST = Reads(lambda x: x.mean(1)), Reads(lambda x: x[:, -1])


def noise(count: int, seed: int = 0) -> list[np.ndarray]:
    """Sequences of 2 to 11 steps in no order."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 1)) for n in rng.integers(2, 12, size=count)]


def last_is_positive(X: list[np.ndarray]) -> np.ndarray:
    """1 or 0 for each."""
    return np.array([int(sequence[-1, 0] > 0) for sequence in X])


def test_a_model_that_cannot_see_the_order_has_a_p_value_of_1() -> None:
    """Rounding is no order, and no answer changes."""
    X = noise(60)
    result = order(MEAN, X, last_is_positive(X), retrain=False)
    assert (result.outcome, result.p_value) == ("no", 1.0)
    assert [row["flipped"] for row in result.table] == [0, 0, 0, 0]
    assert result.sentence.startswith("Order does not matter to this model: the Reads has a log loss of")


def test_a_model_that_reads_the_last_step_uses_the_order() -> None:
    """With the smallest p-value that the shuffles allow."""
    X = noise(60)
    result = order(LAST, X, last_is_positive(X), retrain=False)
    assert (result.outcome, result.p_value) == ("yes", 1 / 200)
    rows = {row["arrangement"]: row for row in result.table}
    assert rows["original"]["accuracy"] == 1.0
    flips = np.mean([(sequence[0, 0] > 0) != (sequence[-1, 0] > 0) for sequence in X])
    assert rows["reversed"]["flipped"] == pytest.approx(flips)
    assert rows["reversed"]["accuracy"] == pytest.approx(1 - flips)
    assert (result.predictions["reversed"] == [int(sequence[0, 0] > 0) for sequence in X]).all()


@pytest.mark.parametrize("count", [2, 7])
def test_the_models_p_value_is_valid_and_powerful(count: int) -> None:
    """False positives at .01, .05 and .1 where y is free of the order; few, ragged sequences, any model."""
    torch.manual_seed(0)
    net, result, seeds = nn.GRU(1, 4, batch_first=True), [], 100
    model = Reads(lambda x: net(x[..., None])[0][:, -1, 0])
    for seed in range(seeds):
        X = noise(count, seed)
        y = np.array([int(sequence.mean() > 0) for sequence in X])
        result.append(order(model, X, y, repeats=99, retrain=False, random_state=seed).p_value)
    for level in (0.01, 0.05, 0.1):
        assert (np.array(result) <= level).sum() <= stats.binom.ppf(0.999, seeds, level)
    assert np.mean(result) == pytest.approx(0.5, abs=0.1)  # not valid for want of ever being small


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """benchmarks/probe_trust.py, which makes the tasks and counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        return importlib.import_module("benchmarks.probe_trust")


@pytest.mark.parametrize(
    ("task", "model", "data", "head"),
    [
        (
            "bag of steps",
            "no",
            "no",
            "This model reacts to the order, but is not shown to gain from it: the GRU has",
        ),
        ("rise or fall", "yes", "yes", "Order matters to this model: the GRU has a log loss of"),
    ],
)
def test_planted_tasks_are_called_what_they_are(
    task: str, model: str, data: str, head: str, benchmark: ModuleType
) -> None:
    """Nothing but a bag of steps, nothing but order."""
    X, y = benchmark.TASKS[task](np.random.default_rng(1), 120)
    net = ur.SequenceClassifier(**benchmark.SETTINGS).fit(X[:60], y[:60])
    result = order(net, X[60:], y[60:])
    assert (result.outcome, result.retrained.outcome) == (model, data)
    assert result.sentence.startswith(head)
    assert result.retrained.sequences == 60


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("task", ["bag of steps", "slow curves"])
def test_order_is_seldom_found_where_there_is_none(task: str, benchmark: ModuleType) -> None:
    """200 seeds: at .01, .05 and .1 no more than that, and what chance adds once in a hundred times."""
    for row in benchmark.trust(task, SEEDS):
        if (task, row["asked"]) != ("slow curves", "model"):  # which may well use an order that is there
            for level in (0.01, 0.05, 0.1):
                assert row[f"p <= {level}"] <= stats.binom.ppf(0.99, SEEDS, level), row


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_order_is_found_where_it_is_all_there_is(benchmark: ModuleType) -> None:
    """200 seeds of 50 sequences: by the model's test in nine of ten, by the data's in four of five."""
    rows = {row["asked"]: row["p <= 0.05"] for row in benchmark.trust("rise or fall", SEEDS)}
    assert rows["model"] >= 0.9 * SEEDS
    assert rows["data"] >= 0.8 * SEEDS


def test_two_sequences_are_enough_for_the_model_and_too_few_for_the_data() -> None:
    """The lesson's toy: the model uses the order, and nobody can say more."""
    X, y = [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], [1, 0]
    net = ur.SequenceClassifier(cell="rnn", hidden_size=8, stem=False, pooling="last", max_epochs=60).fit(
        X, y
    )
    result = order(net, X, y)
    assert result.outcome == "yes"
    assert (result.retrained.outcome, result.retrained.p_value) == ("too few to tell", None)
    assert result.predictions["original"].tolist() == [1, 0]
    assert result.predictions["reversed"].tolist() == [0, 1]
    assert "2 sequences are too few to retrain models" in result.sentence


@pytest.mark.parametrize("X", [[[1.0], [2.0], [-1.0]], [[1.0, 2.0], [2.0, -1.0]], [[1.0] * 9] * 5])
def test_sequences_without_an_order_are_too_few_to_tell(X: list[list[float]]) -> None:
    """Single steps; two steps each of two; steps that are all the same."""
    result = order(LAST, X, [1, 0, 1, 0, 1][: len(X)])
    assert result.outcome == "too few to tell"
    assert result.sentence.startswith(
        "There is too little to tell whether order matters to this model: shuffling"
    )


def test_the_label_of_a_step_moves_with_it() -> None:
    """A tagger that looks at each step alone knows nothing of the order; one that looks back does."""

    class Steps(nn.Module):
        def __init__(self, back: int) -> None:
            super().__init__()
            self.rnn, self.back = nn.RNN(1, 1), back

        def forward(self, x: Tensor) -> Tensor:
            seen = x.roll(self.back, 1)
            return torch.cat([-9 * seen, 9 * seen], -1)

    X = [sequence for sequence in noise(40) if len(sequence) > 2]
    for back, outcome in ((0, "no"), (1, "yes")):
        y = [(np.roll(sequence[:, 0], back) > 0).astype(int) for sequence in X]
        result = order(Steps(back), X, y, retrain=False)
        assert result.outcome == outcome
        assert result.table[0]["accuracy"] == 1.0
        shuffled = result.table[2]
        assert (
            (shuffled["accuracy"], shuffled["flipped"]) == (1, 0) if back == 0 else shuffled["flipped"] > 0.2
        )


def test_models_trained_on_shuffled_steps_keep_each_steps_label() -> None:
    """Steps that each determine their own label score alike in any order."""
    X = [sequence for sequence in noise(40) if len(sequence) > 2]
    y = [(sequence[:, 0] > 0).astype(int) for sequence in X]
    net = ur.SequenceTagger(hidden_size=4, stem=False, max_epochs=8, learning_rate=3e-2).fit(X, y)
    result = order(net, X, y, repeats=19, folds=3)
    assert result.retrained.outcome == "no"
    assert min(result.retrained.accuracies) > 0.85


def test_numbers_have_errors_in_their_own_units() -> None:
    """A regressor of the last step, a hundred times as large."""
    X = noise(40)
    y = np.array([100 * sequence[-1, 0] for sequence in X])
    net = ur.SequenceRegressor(
        hidden_size=8, stem=False, pooling="last", max_epochs=20, learning_rate=3e-2
    ).fit(X, y)
    result = order(net, X, y, folds=4)
    assert (result.outcome, result.retrained.outcome) == ("yes", "yes")
    expected = np.sqrt(((net.predict(X) - y) ** 2).mean())
    assert result.table[0]["error"] == pytest.approx(expected, rel=1e-4)
    assert result.table[0]["accuracy"] is None
    assert "has an error of" in result.sentence


def test_the_same_seed_gives_the_same_result_and_the_model_is_unchanged() -> None:
    """To the last digit; another seed shuffles otherwise."""
    X = noise(30)
    y = last_is_positive(X)
    net = ur.SequenceClassifier(hidden_size=3, max_epochs=2).fit(X, y)
    before = net.predict_proba(X)
    result, again, other = (order(net, X, y, random_state=seed).to_dict() for seed in (1, 1, 2))
    assert result == again
    assert result["shuffled_losses"] != other["shuffled_losses"]
    assert result["retrained"]["p_value"] != other["retrained"]["p_value"]
    assert (net.predict_proba(X) == before).all()


def test_of_many_sequences_a_thousand_are_shuffled() -> None:
    """They are drawn, not taken from the start, which may be sorted by class."""
    X = np.random.default_rng(0).normal(size=(2500, 3, 1))
    y = (np.arange(2500) >= 1250).astype(int)
    result = order(LAST, X, y, repeats=19, retrain=False)
    assert result.sequences == 1000
    zeros = Reads(lambda x: x[:, -1] * 0 - 1)  # answers with the first class
    assert order(zeros, X, y, repeats=19, retrain=False).table[0]["accuracy"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("copies", "expected"), [(300, 199), (50, 50), (1, 39)])
def test_fewer_copies_are_shuffled_of_very_many_steps(
    monkeypatch: pytest.MonkeyPatch, copies: int, expected: int
) -> None:
    """As many as have no more steps in all than the bound, from 39 to 199; the p-value follows."""
    X = noise(60)
    monkeypatch.setattr("unrolled.probe.measure.permutation_scores._MOST_STEPS", copies * sum(map(len, X)))
    result = order(LAST, X, last_is_positive(X), retrain=False)
    assert (len(result.shuffled_losses), result.p_value) == (expected, 1 / (expected + 1))
    assert len(order(LAST, X, last_is_positive(X), repeats=60, retrain=False).shuffled_losses) == 60


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"repeats": 18}, "repeats: expected a whole number at least 19, got 18"),
        ({"folds": 2}, "folds: expected a whole number at least 3, got 2"),
        ({"random_state": 10**30}, f"random_state: expected a whole number from 0 to {2**62}, got 1"),
        ({"retrain": np.ones(2)}, "retrain: expected True or False, got array([1., 1.])"),
        ({"random_state": -1}, f"random_state: expected a whole number from 0 to {2**62}, got -1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], sentence: str) -> None:
    """Before the model runs."""
    X = noise(30)
    with pytest.raises(ArgumentError) as refused:
        order(LAST, X, last_is_positive(X), **arguments)
    assert sentence in str(refused.value)


def test_a_numpy_integer_is_a_seed() -> None:
    """np.random.default_rng(0).integers(9) makes such; shuffles and trainings are those of the plain one."""
    X = noise(20)
    y = last_is_positive(X)
    net = ur.SequenceClassifier(hidden_size=3, max_epochs=1, n_members=1).fit(X, y)
    plain, numpy = (order(net, X, y, repeats=19, folds=3, random_state=seed) for seed in (3, np.int64(3)))
    assert plain.to_dict() == numpy.to_dict()
    assert plain.retrained.p_value is not None


def test_long_work_shows_what_it_costs_and_how_long_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal, from half a second on; the copies in blocks are a quarter as many."""
    draw_progress_at_once(monkeypatch)
    X = noise(60)
    order(LAST, X, last_is_positive(X), repeats=40, retrain=False)
    shown = capsys.readouterr().err
    assert re.search(r"order, about \S+ \S+.*: \d+/52 copies, \d+:\d\d left", shown), shown
