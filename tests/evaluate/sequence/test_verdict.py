"""Where a network stands: what is said, and how often it is wrong where there is nothing to find."""

import numpy as np
import pytest
from scipy import stats

from unrolled.data.splits import stratified_folds
from unrolled.evaluate.sequence.verdict import (
    CandidateLosses,
    ComparisonVerdict,
    display_name,
    sequence_verdict,
)
from unrolled.stats.dependence import fold_inflation

RUNS = 200
MOST_FALSE = int(stats.binom.ppf(0.999, RUNS, 0.05))  # 5 %, and what chance adds once in a thousand times


def candidate(
    losses: np.ndarray, name: str = "MiniRocket", seconds: float = 1.0, score: str = "?"
) -> CandidateLosses:
    """One of those compared."""
    return CandidateLosses(name, np.asarray(losses, dtype=np.float64), score, seconds)


def of_labels(network: np.ndarray, *baselines: np.ndarray, **settings: object) -> ComparisonVerdict:
    """Where a network stands that is wrong here, among baselines that are wrong there."""
    candidates = [candidate(losses, str(k)) for k, losses in enumerate(baselines)]
    return sequence_verdict(candidate(network, "gru"), candidates, is_labels=True, **settings)


def mistakes(rng: np.random.Generator, rates: list[float], n: int, shared: float = 0.5) -> list[np.ndarray]:
    """(n,) right and wrong for each rate; hard sequences are hard for all of them."""
    hard = rng.normal(size=n)
    cuts = stats.norm.ppf(rates)
    group_effects = rng.normal(size=(len(rates), n))
    return [
        np.sqrt(shared) * hard + np.sqrt(1 - shared) * o < cut
        for o, cut in zip(group_effects, cuts, strict=True)
    ]


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize(
    "rates",
    [[0.2] * 2, [0.2] * 8, [0.2, 0.2, 0.5, 0.5, 0.5], [0.02] * 4],
    ids=["one equal", "seven equals", "one equal, three far behind", "all nearly perfect"],
)
def test_at_most_one_win_in_twenty_is_false(n: int, rates: list[float]) -> None:
    """A network as good as the best of its baselines is called better in 5 % at most."""
    rng = np.random.default_rng(1)
    wins = sum(of_labels(*mistakes(rng, rates, n)).outcome == "better" for _ in range(RUNS))
    assert wins <= MOST_FALSE


def test_the_best_of_many_equals_is_not_called_better_than_the_network() -> None:
    """Of eight baselines as good as the network, the luckiest is called better in 5 % at most."""
    rng = np.random.default_rng(2)
    worse = alone = 0
    for _ in range(RUNS):
        network, *baselines = mistakes(rng, [0.3] * 9, 100)
        worse += of_labels(network, *baselines).outcome == "worse"
        alone += of_labels(network, min(baselines, key=np.sum)).outcome == "worse"
    assert worse <= MOST_FALSE
    assert alone > MOST_FALSE  # planted: tested as if it had been the only one


def test_a_network_that_shadows_a_lucky_baseline_does_not_share_its_luck() -> None:
    """The network answers like one baseline, level with seven: its luck over the others is no win."""
    rng = np.random.default_rng(3)
    wins = over_others = 0
    for _ in range(RUNS):
        lucky, *others = mistakes(rng, [0.3] * 9, 100)
        network = lucky.copy()
        network[np.flatnonzero(lucky)[:1]] = False  # a single one more
        wins += of_labels(network, lucky, *others).outcome == "better"
        over_others += of_labels(network, others[0]).outcome == "better"
    assert wins <= MOST_FALSE
    assert over_others > 0


def test_a_real_difference_is_seen() -> None:
    """Ten of 100 wrong where the best baseline has 25: a win in at least 4 of 5 runs, and so reversed."""
    rng = np.random.default_rng(4)
    wins = losses = 0
    for _ in range(RUNS):
        good, bad, worse = mistakes(rng, [0.1, 0.25, 0.5], 120)
        wins += of_labels(good, bad, worse).outcome == "better"
        losses += of_labels(bad, good, worse).outcome == "worse"
    assert min(wins, losses) >= 0.8 * RUNS


def nearest(X: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(N,) whether the nearest sequence of another fold has another class."""
    far = ((X[:, None] - X[None]) ** 2).sum(axis=-1)
    far[fold[:, None] == fold[None]] = np.inf
    return y[far.argmin(axis=1)] != y


def test_folds_that_share_their_training_do_not_make_false_wins() -> None:
    """One nearest neighbour on each half of alike features, five folds: equals by construction."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    fold = stratified_folds(y, 5, None)
    wins = naive = 0
    for _ in range(2 * RUNS):
        X = rng.normal(size=(40, 40)) + (2 * y[:, None] - 1) / np.sqrt(20)
        network, baseline = nearest(X[:, :20], y, fold), nearest(X[:, 20:], y, fold)
        wins += of_labels(network, baseline, inflation=fold_inflation(5)).outcome == "better"
        naive += of_labels(network, baseline).outcome == "better"
    most = stats.binom.ppf(0.999, 2 * RUNS, 0.05)
    assert wins <= most
    assert naive > most  # planted: as if the folds were separate data


def test_a_real_difference_is_seen_through_folds() -> None:
    """Five per cent wrong against 25, 200 sequences in five folds: a win in at least 4 of 5 runs."""
    rng = np.random.default_rng(5)
    wins = sum(
        of_labels(*mistakes(rng, [0.05, 0.25], 200), inflation=fold_inflation(5)).outcome == "better"
        for _ in range(RUNS)
    )
    assert wins >= 0.8 * RUNS


def test_the_luck_of_a_group_counts_once() -> None:
    """Thirty groups of ten, right or wrong together: 300 sequences are not 300 trials."""
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(30), 10)
    wins = naive = 0
    for _ in range(RUNS):
        network, baseline = (rng.random(30) < 0.3)[groups], (rng.random(30) < 0.3)[groups]
        wins += of_labels(network, baseline, groups=groups).outcome == "better"
        naive += of_labels(network, baseline).outcome == "better"
    assert wins <= MOST_FALSE
    assert naive > MOST_FALSE


def test_squared_errors_make_no_false_wins() -> None:
    """Heavy tails, and a network that wins often but loses big: 5 % at most."""
    rng = np.random.default_rng(7)
    wins = 0
    for k in range(RUNS):
        baseline = rng.standard_t(5, size=60) ** 2
        gap = 0.5 * (1 - rng.exponential(size=60)) if k % 2 else rng.standard_t(3, size=60)
        verdict = sequence_verdict(candidate(baseline - gap, "gru"), [candidate(baseline)], is_labels=False)
        wins += verdict.outcome == "better"
    assert wins <= MOST_FALSE


def test_a_baseline_that_once_explodes_does_not_hide_a_win() -> None:
    """One squared error of 1e12 makes a difference look like chance; a baseline so far off is passed over."""
    rng = np.random.default_rng(8)
    near = 10 + rng.normal(size=40)
    burst = near.copy()
    burst[7] = 1e12
    verdict = sequence_verdict(
        candidate(near - 1, "gru"), [candidate(burst, "a"), candidate(near, "b")], is_labels=False
    )
    assert (verdict.outcome, verdict.best_baseline) == ("better", "b")


def test_many_sequences_are_flipped_in_blocks() -> None:
    """Fifty thousand of them are tested in about a second, and a small difference is seen."""
    rng = np.random.default_rng(9)
    worse, good = mistakes(rng, [0.11, 0.1], 50_000)
    verdict = of_labels(worse, good)
    assert (verdict.outcome, verdict.p_value) == ("worse", pytest.approx(1e-4, abs=1e-4))


def test_fewer_than_ten_are_too_few() -> None:
    """However large the difference: nine sequences, or ninety in nine groups."""
    right, wrong = np.zeros(9), np.ones(9)
    verdict = sequence_verdict(
        candidate(right, "gru", score="100.0 %"), [candidate(wrong, score="0.0 %")], is_labels=True
    )
    assert (verdict.outcome, verdict.p_value) == ("too few to tell", None)
    assert verdict.sentence == (
        "9 sequences are too few to tell: the GRU is right on 100.0 % of 9 sequences, the best of the simple "
        "ones (MiniRocket) on 0.0 % so far; test on at least 10."
    )
    groups = np.repeat(np.arange(9), 10)
    assert of_labels(np.zeros(90), np.ones(90), groups=groups).sentence.startswith("9 groups are too few")
    assert of_labels(np.zeros(10), np.ones(10)).outcome == "better"


def sentence_of(network: list[int], baselines: dict[str, tuple[list[int], float]]) -> str:
    """The sentence's last words, for 40 sequences of which these are wrong, the network taking 4 s."""
    candidates = [
        candidate(np.arange(40) < wrong[0], name, seconds) for name, (wrong, seconds) in baselines.items()
    ]
    verdict = sequence_verdict(candidate(np.arange(40) < network[0], "gru", 4.0), candidates, is_labels=True)
    return verdict.sentence.rpartition(": ")[2]


@pytest.mark.parametrize(
    ("network", "baselines", "words"),
    [
        ([0], {"MiniRocket": ([20], 0.1)}, "it has skill here."),
        ([20], {"MiniRocket": ([0], 0.1)}, "use MiniRocket instead, which takes 1/40 of the time."),
        ([20], {"1-NN DTW": ([0], 9.0)}, "use 1-NN DTW instead."),
        ([3], {"reservoir": ([3], 0.1)}, "the reservoir does as well in 1/40 of the time."),
        ([3], {"1-NN DTW": ([2], 9.0), "reservoir": ([3], 0.001)},
         "the reservoir does as well in 1/4,000 of the time."),
        ([3], {"feedforward": ([2], 3.0), "reservoir": ([4], 0.001)}, "the feed-forward net does as well."),
        ([3], {"majority class": ([5], 0.1)},
         "its lead may be luck, and the majority class takes 1/40 of the time."),
        ([3], {"bag of steps": ([4], 4.0)}, "its lead may be luck."),
    ],
)  # fmt: skip
def test_each_outcome_has_its_conclusion(
    network: list[int], baselines: dict[str, tuple[list[int], float]], words: str
) -> None:
    """Who does as well, who is quicker, and what to do."""
    assert sentence_of(network, baselines) == words


def test_the_sentence_has_scores_counts_and_conclusion() -> None:
    """Scores, how many, how often by chance, and what it means; of numbers the error."""
    network, baseline = np.arange(40) < 2, np.arange(40) < 12
    verdict = sequence_verdict(
        candidate(network, "lstm", score="95.0 %"), [candidate(baseline, score="70.0 %")], is_labels=True
    )
    assert verdict.sentence == (
        "The LSTM is right on 95.0 % of 40 sequences, the best of the simple ones (MiniRocket) on 70.0 %; a "
        "difference this large would appear in fewer than 1 of 1,000 such comparisons if there were none: it "
        "has skill here."
    )
    verdict = sequence_verdict(
        candidate(np.full(40, 4.0), "gru", score="2"),
        [candidate(np.full(40, 9.0), score="3")],
        is_labels=False,
    )
    assert verdict.sentence.startswith(
        "The GRU is off by 2 (RMSE) over 40 sequences, the best of the simple ones (MiniRocket) by 3; a "
    )


def test_of_equal_baselines_the_quickest_is_the_best() -> None:
    """The one to name is the one to use."""
    wrong = np.arange(40) < 4
    baselines = [candidate(wrong, "slow", 9.0), candidate(wrong, "quick", 0.1)]
    assert sequence_verdict(candidate(wrong, "gru"), baselines, is_labels=True).best_baseline == "quick"


def test_each_baseline_has_a_p_of_its_own() -> None:
    """In the direction that is seen, whoever is ahead."""
    network, behind, ahead = np.arange(40) < 8, np.arange(40) < 13, np.arange(40) < 0
    verdict = of_labels(network, behind, ahead)
    assert verdict.p_values == (pytest.approx(1 / 2**5), pytest.approx(1 / 2**8))


def test_display_names_fit_into_a_sentence() -> None:
    """Cells by their initials, classes as they are called."""
    assert [display_name(name) for name in ("rnn", "feedforward", "KNeighborsClassifier")] == [
        "the RNN",
        "the feed-forward net",
        "KNeighborsClassifier",
    ]
