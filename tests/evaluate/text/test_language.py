"""compare puts a language model beside n-grams and gzip, on text that none was fitted on, with a verdict."""

from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.text.language import LANGUAGE_BASELINES, LanguageComparison, compare_language
from unrolled.models.text.language.language_model import LanguageModel

QUICK: dict[str, Any] = {"hidden_size": 6, "embedding_size": 4, "max_epochs": 1}


def _text(n_words: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(["the", "cat", "sat", "on", "a", "mat"], size=n_words)) + "."


@pytest.fixture(scope="module")
def result() -> LanguageComparison:
    """Blocks of a running text."""
    return ur.compare(LanguageModel(**QUICK), _text(1500), test=_text(1700, seed=1))


def test_half_a_training_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the comparison."""

    def interrupted(self: LanguageModel, X: Any) -> LanguageModel:
        def interrupt(record: dict[str, Any]) -> None:
            raise KeyboardInterrupt

        return fit(self, X, callbacks=[interrupt])

    fit = LanguageModel.fit
    monkeypatch.setattr(LanguageModel, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ur.compare(LanguageModel(hidden_size=4, max_epochs=2), "to be or not to be " * 60)


def test_all_candidates_stand_beside_each_other(result: LanguageComparison) -> None:
    """The network first, then the best; a network of one epoch is worse than n-grams, and it is said."""
    assert [row.name for row in result.rows] == ["lstm", "character n-gram", "gzip"]
    assert set(LANGUAGE_BASELINES) == {row.name for row in result.rows[1:]}
    assert (result.outcome, result.best_baseline, result.unit) == ("worse", "character n-gram", "blocks")
    assert result.n_units == result.n_characters // 200
    assert result.n_characters == len(_text(1700, seed=1))
    assert "use a character n-gram model instead" in result.sentence
    assert "bits a character on 2" in result.sentence
    for row in result.rows:
        assert row.interval[0] < row.bits_per_character < row.interval[1]
        assert row.nats_per_character == pytest.approx(row.bits_per_character * np.log(2))
    assert result.rows[0].p_value is None
    assert result.p_value < 0.05


def test_a_comparison_is_printed_and_written(result: LanguageComparison) -> None:
    """As text, frame and JSON; a figure has the fewest bits at the top."""
    assert str(result).startswith("model ")
    assert "Witten-Bell" in str(result)
    frame = result.to_frame()
    assert list(frame["name"]) == [row.name for row in result.rows]
    assert "bits_per_character-lo-95" in frame
    record = result.to_dict()
    assert (record["kind"], record["task"]) == ("language comparison", "texts")
    assert record["rows"][0]["name"] == "lstm"
    plot = result.plot()
    assert plot.layout.xaxis.title.text == "bits a character"
    assert plot.layout.yaxis.ticktext == ("Character n-gram", "Gzip", "LSTM")


def test_the_scores_are_those_of_the_model() -> None:
    """Of a model that was fitted already, and of a copy of it, which leaves it as it is."""
    text, tested = _text(800), _text(1500, seed=1)
    model = LanguageModel(**QUICK)
    copied = ur.compare(model, text, test=tested, baselines=["gzip"])
    assert not model.__sklearn_is_fitted__()
    model.fit(text)
    given = compare_language(
        model, text, None, ComparisonArguments(test=tested, baselines="gzip"), is_fitted=True
    )
    expected = model.evaluate(tested).bits_per_character
    assert given.rows[0].bits_per_character == pytest.approx(expected)
    assert copied.rows[0].bits_per_character == pytest.approx(expected)


def test_documents_are_the_units_of_a_test() -> None:
    """Drawn from X where there is no test text; each counts by its length, its end included."""
    documents = [_text(int(n), seed=int(n)) for n in range(5, 125)]
    result = ur.compare(LanguageModel(unit="word", **QUICK), documents)
    assert (result.unit, result.n_units) == ("documents", 12)
    model = LanguageModel(**QUICK).fit(documents[:100])
    result = compare_language(
        model, documents[:100], None, ComparisonArguments(test=documents[100:]), is_fitted=True
    )
    score = model.evaluate(documents[100:])
    assert result.rows[0].bits_per_character == pytest.approx(score.bits_per_character)
    assert result.n_characters == score.n_characters == sum(map(len, documents[100:])) + 20


def test_a_short_text_is_too_short_to_tell() -> None:
    """One block has no test, and no interval."""
    result = ur.compare(LanguageModel(**QUICK), _text(200), test=_text(50, seed=1))
    assert (result.outcome, result.p_value, result.n_units) == ("too few to tell", None, 1)
    assert np.isnan(result.rows[0].interval).all()
    assert " - " in str(result).splitlines()[1]
    assert result.sentence.startswith("1 block is too few to tell: the LSTM spends ")
    assert " bits a character on 1 block, the best" in result.sentence


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"y": [1]}, ArgumentError, "y: a comparison of language models has no use for it"),
        ({"folds": 3}, ArgumentError, "folds: a comparison of language models has no use"),
        ({"groups": [1]}, ArgumentError, "groups: a comparison of language models has no use"),
        ({"baselines": ["5-gram"]}, ArgumentError, "baselines: expected some of character n-gram, gzip"),
        ({"level": 0}, ArgumentError, "level: expected"),
        ({"test": ""}, DataError, "compare test: expected a text, got an empty one"),
        ({"X": None}, DataError, "compare X: expected a text or a list of documents, got None"),
        ({"X": "short"}, ArgumentError, "test: expected some text to test on"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    """Before anything is fitted."""
    with pytest.raises(error, match=sentence):
        ur.compare(LanguageModel(**QUICK), **{"X": _text(300)} | arguments)


def test_a_fitted_model_wants_a_test_text() -> None:
    """Part of its own text would flatter it."""
    model_text = _text(100)
    model = LanguageModel(**QUICK).fit(model_text)
    with pytest.raises(ArgumentError, match="a fitted model is scored on text it has not seen"):
        compare_language(model, model_text, None, ComparisonArguments(), is_fitted=True)
