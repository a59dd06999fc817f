"""Shorter and longer sequences: what is truncated, what is resampled, and when a model is said to fall."""

import json
import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled import ArgumentError
from unrolled.probe.length_probe import length, resample_sequences
from unrolled.probe.model.adapter import as_probed_model

from .conftest import draw_progress_at_once

RAGGED = [np.random.default_rng(k).normal(size=(n, 2)) for k, n in enumerate((4, 9, 1))]


class Reads(nn.Module):
    """Answers by what it makes of the steps: a score for the second class."""

    def __init__(self, score: object) -> None:
        super().__init__()
        self.rnn, self.score = nn.RNN(1, 1), score

    def forward(self, x: Tensor) -> Tensor:
        score = 4 * self.score(x[..., 0])
        return torch.stack([-score, score], -1)


MEAN, FIFTH = Reads(lambda x: x.mean(1)), Reads(lambda x: x[:, min(4, x.shape[1] - 1)])


def curves(count: int = 60, steps: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Straight lines from -a to b, and whether a < b."""
    ends = np.random.default_rng(0).normal(size=(count, 2))
    X = np.linspace(ends[:, 0], ends[:, 1], steps, axis=1)[..., None]
    return X, (X.mean((1, 2)) > 0).astype(int)


def test_truncation_keeps_the_first_part_and_resampling_the_shape() -> None:
    """In proportion to each one's own length, as numpy interpolates; padding is zero."""
    probed = as_probed_model(nn.Sequential(nn.RNN(2, 3, batch_first=True)), RAGGED)
    cut, longer = resample_sequences(probed, 5 / 9), resample_sequences(probed, 3.0)
    assert cut.lengths.tolist() == [2, 5, 1]
    assert longer.lengths.tolist() == [12, 27, 3]
    for k, sequence in enumerate(RAGGED):
        n, m = cut.lengths[k], int(longer.lengths[k])
        np.testing.assert_allclose(cut.values[k, :n], sequence[:n], rtol=1e-6)
        places = np.linspace(0, len(sequence) - 1, m)
        expected = [np.interp(places, np.arange(len(sequence)), column) for column in sequence.T]
        np.testing.assert_allclose(longer.values[k, :m], np.transpose(expected), atol=1e-6)
        assert (longer.values[k, m:] == 0).all()


def test_resampling_to_the_same_length_changes_nothing() -> None:
    """To the bit."""
    probed = as_probed_model(nn.Sequential(nn.RNN(2, 3, batch_first=True)), RAGGED)
    assert torch.equal(resample_sequences(probed, 1.0).values, probed.values)


def test_the_label_of_a_step_stays_with_it() -> None:
    """Stretched threefold, each label stands around its step; beyond a length stands none."""
    y = [np.arange(len(sequence)) % 3 for sequence in RAGGED]

    class Steps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, x[..., :1]], -1)

    longer = resample_sequences(as_probed_model(Steps(), RAGGED, y), 3.0)
    assert longer.targets[0].tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, *[-100] * 15]


@pytest.mark.parametrize("ratio", [0.5, 2.5])
@pytest.mark.parametrize("kind", [int, float])
def test_sequences_are_resized_alike_alone_and_beside_a_long_one(kind: type, ratio: float) -> None:
    """Values and the labels or numbers of steps, whatever the batches; beyond a length stands none."""
    X = [np.random.default_rng(n).normal(size=(n, 1)) for n in (*range(3, 40), 900)]
    y = [np.arange(len(sequence)) % 2 + (0.5 if kind is float else 0) for sequence in X]

    class Steps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if kind is float else torch.cat([x, -x], -1)

    together = resample_sequences(as_probed_model(Steps(), X, y), ratio)
    for k, sequence in enumerate(X):
        alone, n = (
            resample_sequences(as_probed_model(Steps(), [sequence], [y[k]]), ratio),
            int(together.lengths[k]),
        )
        assert torch.equal(together.values[k, :n], alone.values[0])
        assert torch.equal(together.targets[k, :n], alone.targets[0])
        assert not together.values[k, n:].any()
        beyond = together.targets[k, n:]
        assert beyond.isnan().all() if kind is float else (beyond == -100).all()


def test_a_mean_holds_on_longer_sequences() -> None:
    """And the sentence says where it was looked at."""
    X, y = curves()
    result = length(MEAN, X, y)
    assert [row.length for row in result.rows] == [2, 5, 10, 20, 40]
    assert [row.preparation for row in result.rows] == [
        "truncated",
        "truncated",
        "as given",
        "resampled",
        "resampled",
    ]
    assert result.falls_at is None
    assert result.sentence == (
        "The Reads holds on longer sequences: it is right in 100 % at the 10 steps given, "
        "and is right in 100 % at 40 (resampled to 4 times as long)."
    )
    assert result.outcome == "holds"


def test_a_model_that_reads_one_place_falls() -> None:
    """The fifth step of 10 is in the middle, of 40 at the start; chance is named beside it."""
    X, y = curves(200)
    result = length(FIFTH, X, y, lengths=[10, 80])
    assert (result.outcome, result.falls_at) == ("falls", 80)
    assert result.rows[0].score > 0.9 > result.rows[1].score
    assert result.baseline_score == pytest.approx(max(y.mean(), 1 - y.mean()))
    assert result.sentence == (
        "The Reads does worse on longer sequences: it is right in 93.5 % at the 10 steps given, but "
        "is right in 78 % at 80 (resampled to 8 times as long); always predicting the commonest class is "
        "right in 51 %. Resampling slows the pace: where the pace decides the label, generate "
        "sequences with make= instead."
    )


def test_pace_is_named_only_where_resampled_sequences_show_that_a_model_falls() -> None:
    """Not of longer sequences that were given or made, nor where it holds."""
    X, y = curves(200, steps=80)
    turns = Reads(lambda x: x.mean(1) * (1 if x.shape[1] <= 40 else -1))
    original = length(turns, X, y, trained_length=40, lengths=[80])
    made = length(FIFTH, make=lambda n: curves(200, n), trained_length=10, lengths=[80])
    holds = length(MEAN, X, y, lengths=[160])
    assert [result.outcome for result in (original, made, holds)] == ["falls", "falls", "holds"]
    assert "pace" not in original.sentence + made.sentence + holds.sentence


def test_a_few_sequences_do_not_tell_that_it_holds() -> None:
    """A loss that is no proof is no proof of the contrary either; what is worst is said."""
    X, y = curves(200)
    result = length(FIFTH, X[8:16], y[8:16], lengths=[10, 80])
    assert result.rows[1].score < result.rows[0].score
    assert (result.outcome, result.falls_at) == ("too few to tell", None)
    assert result.sentence.startswith(
        "8 sequences are too few to tell whether the Reads holds on longer ones: it"
    )


def test_an_error_that_overflows_is_the_worst_there_is() -> None:
    """No NaN, which is neither better nor worse; in JSON it is None."""

    class Powers(nn.Module):  # (B, 1)
        def forward(self, x: Tensor) -> Tensor:
            return x[:, -1] * (1.0 if x.shape[1] <= 10 else float("nan"))

    X, _ = curves()
    result = length(Powers(), X, X[:, -1, 0] + 0.5, lengths=[10, 20])
    assert (result.outcome, result.falls_at, result.rows[1].score) == ("falls", 20, np.inf)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["rows"][1]["score"] is None
    assert len(result.plot().data) > 0


def test_sequences_can_be_made() -> None:
    """At each length anew; the trained length has to be said."""
    requested = []

    def make(steps: int) -> tuple[np.ndarray, np.ndarray]:
        requested.append(steps)
        X = np.random.default_rng(steps).normal(size=(30, steps, 1))
        return X, (X.mean((1, 2)) > 0).astype(int)

    result = length(MEAN, make=make, trained_length=6, lengths=[12, 3])
    assert requested == [3, 6, 12]
    assert {row.preparation for row in result.rows} == {"generated"}
    assert [row.ratio for row in result.rows] == [0.5, 1, 2]


def test_longer_sequences_than_those_of_the_training_are_cut_to_it() -> None:
    """With trained_length named, X itself is the long end."""
    X, y = curves(steps=30)
    result = length(MEAN, X, y, lengths=[30], trained_length=10)
    assert [(row.length, row.preparation) for row in result.rows] == [(10, "truncated"), (30, "as given")]


@pytest.mark.parametrize(
    ("trained", "steps", "rows"),
    [
        (
            None,
            10,
            [(2, "truncated"), (5, "truncated"), (10, "as given"), (20, "resampled"), (40, "resampled")],
        ),
        (
            10,
            30,
            [
                (2, "truncated"),
                (5, "truncated"),
                (10, "truncated"),
                (20, "truncated"),
                (30, "as given"),
                (40, "resampled"),
            ],
        ),
        (
            40,
            10,
            [(10, "as given"), (20, "resampled"), (40, "resampled"), (80, "resampled"), (160, "resampled")],
        ),
        (
            20,
            19,
            [(5, "truncated"), (10, "truncated"), (19, "as given"), (38, "resampled"), (76, "resampled")],
        ),
        (
            20,
            21,
            [(5, "truncated"), (10, "truncated"), (21, "as given"), (42, "resampled"), (84, "resampled")],
        ),
    ],
)
def test_the_length_of_a_models_own_training_is_compared_with(
    trained: int | None, steps: int, rows: list[tuple[int, str]]
) -> None:
    """A fitted estimator knows it; X is scored as it is too, and counts as that long within a tenth."""
    model = ur.SequenceClassifier(hidden_size=2, max_epochs=1, n_members=1).fit(*curves())
    model.max_length_ = trained
    result = length(model, *curves(steps=steps))
    assert [(row.length, row.preparation) for row in result.rows] == rows
    compared = steps if trained is None or abs(steps - trained) <= trained / 10 else trained
    assert result.trained_length == compared
    assert [row.ratio for row in result.rows] == [steps / compared for steps, _ in rows]
    assert length(model, *curves(steps=steps), trained_length=25, lengths=[50]).trained_length == 25


def test_generated_sequences_are_compared_with_the_fitted_length() -> None:
    """Their length need not be said."""
    model = ur.SequenceClassifier(hidden_size=2, max_epochs=1, n_members=1).fit(*curves())
    result = length(model, make=lambda n: curves(40, n), lengths=[30])
    assert [(row.length, row.ratio, row.preparation) for row in result.rows] == [
        (10, 1, "generated"),
        (30, 3, "generated"),
    ]


def test_a_reference_that_is_resampled_is_named() -> None:
    """Of sequences shorter than those of the training."""
    result = length(MEAN, *curves(), trained_length=40, lengths=[80])
    assert result.sentence == (
        "The Reads holds on longer sequences: it is right in 100 % at the 40 steps of its training "
        "(resampled to them), and is right in 100 % at 80 (resampled to 2 times as long)."
    )


def test_numbers_are_scored_by_their_error() -> None:
    """The root of the mean squared error, beside that of the mean."""
    X, _ = curves()
    y = 50 * X.mean((1, 2))
    net = ur.SequenceRegressor(hidden_size=4, max_epochs=3).fit(X, y)
    result = length(net, X, y, lengths=[10, 20])
    assert result.task == "number"
    assert result.rows[0].score == pytest.approx(np.sqrt(((net.predict(X) - y) ** 2).mean()), rel=1e-4)
    assert result.rows[0].low < result.rows[0].score < result.rows[0].high
    assert result.baseline_score == pytest.approx(y.std(), rel=1e-5)
    assert list(result.to_frame().columns)[4] == "error"


def test_the_record_is_a_frame_a_dict_and_a_text() -> None:
    """Each with the same numbers."""
    X, y = curves()
    result = length(MEAN, X, y)
    assert result.kind == "length"
    assert result.to_frame()["accuracy"].tolist() == [row.score for row in result.rows]
    assert json.loads(json.dumps(result.to_dict()))["rows"][2]["preparation"] == "as given"
    assert str(result).endswith(result.sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "expected X and y, or make="),
        ({"make": lambda n: None}, "expected trained_length beside make="),
        ({"make": 5, "trained_length": 4}, "make: expected a function of a length, got 5"),
        (
            {"make": lambda n: (1, 2, 3), "trained_length": 4},
            "expected it to return X and y of a length",
        ),
        (
            {"make": lambda n: curves(steps=3), "trained_length": 6},
            "sequences of 2 steps at the longest, got 3",
        ),
        (
            {"X": curves()[0], "y": curves()[1], "lengths": 5},
            "lengths: expected a list of whole numbers",
        ),
        ({"X": curves()[0], "y": curves()[1], "lengths": [0]}, "lengths: expected a whole number at least 1"),
        (
            {"X": curves()[0], "y": curves()[1], "trained_length": -1},
            "trained_length: expected a whole number",
        ),
    ],
)
def test_missing_arguments_are_reported(arguments: dict[str, object], sentence: str) -> None:
    """In one sentence."""
    with pytest.raises(ArgumentError) as refused:
        length(MEAN, **arguments)
    assert sentence in str(refused.value)


def test_long_work_shows_how_long_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal, while the work goes on."""
    draw_progress_at_once(monkeypatch)
    length(MEAN, *curves(), lengths=[5, 10, 20])
    shown = capsys.readouterr().err
    assert re.search(r"length (5|15|35)/35 steps, \d+:\d\d left", shown), shown
