"""A Translator is compared with simple translations on the same texts, and its verdict is a test's."""

import json
from typing import Any

import numpy as np
import pytest

from unrolled import Translator, compare
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.corpus import MIN_ROWS
from unrolled.evaluate.text.translation import compare_translations

pytest.importorskip("sacrebleu", reason="translations are compared by BLEU")

Pairs = tuple[list[str], list[str]]
SMALL: dict[str, Any] = {
    "unit": "word", "hidden_size": 48, "embedding_size": 24, "encoder_layers": 1, "dropout": 0.1,
    "word_dropout": 0.0, "learning_rate": 1e-2,
}  # fmt: skip


def _pairs(count: int, seed: int) -> Pairs:
    """Words that come out in another order: the last one first."""
    rng = np.random.default_rng(seed)
    words = ["ein", "zwei", "drei", "vier", "acht"]
    english = dict(zip(words, ["one", "two", "three", "four", "eight"], strict=True))
    rows = [[str(w) for w in rng.choice(words, 4)] for _ in range(count)]
    return [" ".join(row) for row in rows], [" ".join(english[w] for w in row[::-1]) for row in rows]


@pytest.fixture(scope="module")
def fitted() -> Translator:
    """Tests must not change it."""
    return Translator(**SMALL, max_epochs=16).fit(*_pairs(300, 0))


@pytest.fixture(scope="module")
def result(fitted: Translator) -> Any:
    """It beside all baselines, on unseen pairs."""
    return compare_translations(
        fitted, *_pairs(300, 0), ComparisonArguments(test=_pairs(60, 1)), fitted=fitted
    )


def test_a_translator_that_reorders_is_better_than_its_baselines(result: Any) -> None:
    """With a p-value for each, and BLEU as sacrebleu has it."""
    assert result.outcome == "better"
    assert result.p_value < 0.01
    assert {row.name for row in result.rows} == {"gru", "copy", "word by word", "nearest sentence"}
    assert [row.bleu for row in result.rows[1:]] == sorted((r.bleu for r in result.rows[1:]), reverse=True)
    for row in result.rows:
        assert row.interval[0] - 1e-9 <= row.bleu <= row.interval[1] + 1e-9
    assert result.best_baseline == result.rows[1].name
    assert "it has skill here" in result.sentence
    assert "tok:13a" in str(result)


def test_a_comparison_of_translations_is_a_record(result: Any) -> None:
    """A table, JSON without the single texts, a figure, and a frame of all translations."""
    record = json.loads(json.dumps(result.to_dict()))
    assert record["rows"][0]["bleu"] == result.rows[0].bleu
    assert "columns" not in record
    assert result.to_frame()["bleu-lo-95"][0] == result.rows[0].interval[0]
    assert list(result.predictions.columns)[:3] == ["source", "target", "gru"]
    assert len(result.predictions) == 60
    plot = result.plot()
    assert plot.layout.xaxis.title.text == "BLEU"
    assert plot.layout.yaxis.ticktext[0] == "GRU"


def test_an_untrained_translator_is_worse(fitted: Translator) -> None:
    """And the sentence says what to use instead."""
    other = Translator(**SMALL | {"hidden_size": 4}, max_epochs=1)
    result = compare(other, *_pairs(60, 0), test=_pairs(60, 1), baselines=["word by word"])
    assert (result.outcome, result.best_baseline) == ("worse", "word by word")
    assert "use word by word instead" in result.sentence
    assert not other.__sklearn_is_fitted__()


def test_without_a_test_set_one_part_is_held_out() -> None:
    """Once, and repeated sources are counted."""
    sources, targets = _pairs(50, 0)
    result = compare(Translator(**SMALL, max_epochs=1), sources * 2, targets * 2, folds=4, baselines=["copy"])
    assert result.n_sequences == 25
    assert "One part in 4 was held out" in result.remarks[0]
    assert "test sources are among those learned from" in result.remarks[1]


def test_half_a_training_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the comparison."""

    def interrupted(self: Translator, X: Any, y: Any) -> Translator:
        def interrupt(record: dict[str, Any]) -> None:
            raise KeyboardInterrupt

        return fit(self, X, y, callbacks=[interrupt])

    fit = Translator.fit
    monkeypatch.setattr(Translator, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(Translator(**SMALL, max_epochs=2), *_pairs(60, 0), test=_pairs(60, 1))


def test_few_texts_are_too_few_to_tell(fitted: Translator) -> None:
    """Without a p-value."""
    arguments = ComparisonArguments(test=_pairs(MIN_ROWS - 1, 1), baselines=["copy"])
    result = compare_translations(fitted, *_pairs(300, 0), arguments, fitted=fitted)
    assert (result.outcome, result.p_value) == ("too few to tell", None)
    assert "are too few to tell" in result.sentence


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"groups": [1, 2]}, ArgumentError, "groups: a comparison of translations has no use for it"),
        ({"lengths": [1, 2]}, ArgumentError, "lengths: a comparison of translations has no use for it"),
        ({"folds": 1}, ArgumentError, "folds: expected a whole number at least 2"),
        ({"level": 100}, ArgumentError, "level: expected a number above 0 and below 100"),
        ({"baselines": ["copi"]}, ArgumentError, "baselines: expected some of .* Did you mean 'copy'"),
        ({"test": ["a"]}, ArgumentError, r"test: expected a pair \(X_test, y_test\)"),
        ({"test": (["a"], ["b", "c"])}, DataError, "compare test y: expected 1 text"),
        ({}, DataError, "compare X: expected at least 10 texts, two a fold, got 2"),
    ],
)
def test_comparisons_that_cannot_be_are_refused(
    options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    """One sentence each."""
    with pytest.raises(error, match=sentence):
        compare(Translator(), ["a", "b"], ["c", "d"], **options)
