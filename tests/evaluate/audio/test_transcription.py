"""A Transcriber is compared with simple transcripts of the same recordings, and its verdict is a test's."""

import json
from typing import Any

import numpy as np
import pytest

from unrolled import Transcriber, compare
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.audio.transcription import compare_transcripts
from unrolled.evaluate.corpus import MIN_ROWS

SMALL: dict[str, Any] = {
    "rate": 8000, "unit": "word", "hidden_size": 24, "num_layers": 1, "learning_rate": 1e-2,
}  # fmt: skip
TONES = {"do": 400, "mi": 900, "so": 1700}


def _pairs(count: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Sentences of two to four tones, so that few are heard twice."""
    rng, waves, texts = np.random.default_rng(seed), [], []
    for _ in range(count):
        words = [str(word) for word in rng.choice(list(TONES), rng.integers(2, 5))]
        tones = [np.sin(2 * np.pi * TONES[w] * np.arange(1600) / 8000) * np.hanning(1600) for w in words]
        pauses = [np.zeros(rng.integers(200, 600)) for _ in words]
        wave = np.concatenate([part for pair in zip(pauses, tones, strict=True) for part in pair])
        waves.append(0.3 * (wave + rng.normal(0, 0.003, len(wave))))
        texts.append(" ".join(words))
    return waves, texts


@pytest.fixture(scope="module")
def fitted() -> Transcriber:
    """Tests must not change it."""
    return Transcriber(**SMALL, max_epochs=14).fit(*_pairs(80, 0))


@pytest.fixture(scope="module")
def result(fitted: Transcriber) -> Any:
    """It beside both baselines, on unseen recordings."""
    return compare_transcripts(fitted, *_pairs(80, 0), ComparisonArguments(_pairs(40, 1)), fitted=fitted)


def test_a_transcriber_that_hears_is_better_than_its_baselines(fitted: Transcriber, result: Any) -> None:
    """With a p-value for each, and the rates of its own score."""
    assert result.outcome == "better"
    assert result.p_value < 0.01
    rates = fitted.score_texts(*_pairs(40, 1))
    assert result.rows[0].word_error_rate == rates.word_error_rate
    assert result.rows[0].interval[0] <= rates.word_error_rate <= result.rows[0].interval[1]
    assert result.rows[0].name == "gru"
    assert result.sentence.startswith("The GRU has ")
    assert "are among those learned from: whoever remembers them" in result.remarks[-1]


def test_the_result_is_a_table_and_json(result: Any) -> None:
    """With every transcript in the predictions alone."""
    record = json.loads(json.dumps(result.to_dict()))
    assert record["kind"] == "transcription comparison"
    assert "columns" not in record
    frame = result.to_frame()
    assert frame["word_error_rate"].tolist() == [row.word_error_rate for row in result.rows]
    assert result.predictions.shape == (40, 5)
    assert str(result).splitlines()[0].split()[:3] == ["model", "word", "errors"]


def test_a_part_or_whole_speakers_are_held_out() -> None:
    """Once; without speakers a remark says so."""
    waves, texts = _pairs(100, 2)
    quick = Transcriber(**SMALL | {"hidden_size": 4}, max_epochs=1)
    baseline = ["commonest transcript"]
    alone = compare(quick, waves[:50], texts[:50], baselines=baseline)
    assert alone.n_sequences == 10
    assert any("No groups= were given" in remark for remark in alone.remarks)
    speakers = [f"voice {k % 3}" for k in range(100)]
    result = compare(quick, waves, texts, groups=speakers, folds=3, baselines=baseline)
    tested = set(result.predictions["recording"].str.extract(r"(\d+)$")[0].astype(int) % 3)
    assert len(tested) == 1
    assert not any("No groups=" in remark for remark in result.remarks)


def test_few_recordings_have_no_verdict() -> None:
    """Of fewer than twenty a lucky one decides."""
    quick = Transcriber(**SMALL | {"hidden_size": 4}, max_epochs=1)
    result = compare(quick, *_pairs(20, 3), test=_pairs(MIN_ROWS - 1, 4))
    assert (result.outcome, result.p_value) == ("too few to tell", None)
    assert "19 recordings are too few to tell" in result.sentence


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"lengths": [1]}, ArgumentError, "lengths: a comparison of recordings has no use for it"),
        ({"baselines": ["copy"]}, ArgumentError, "baselines: "),
        ({"test": 5}, ArgumentError, r"test: expected a pair"),
        ({"folds": 1}, ArgumentError, "folds: "),
        ({"folds": 30}, DataError, "at least 60 recordings, two a fold, got 20"),
        ({"groups": ["one"] * 20}, DataError, "whole groups"),
    ],
)
def test_arguments_without_use_are_refused(settings: dict[str, Any], kind: type, message: str) -> None:
    """Before a training."""
    with pytest.raises(kind, match=message):
        compare(Transcriber(**SMALL), *_pairs(20, 5), **settings)
