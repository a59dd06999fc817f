"""What of the sequence estimators streams, and the sentence about what does not."""

from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError, DataError

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

X, Y = [[1.0, 2.0, 3.0, 1.0], [3.0, 2.0, 1.0, 2.0]], ["up", "down"]


def fitted(**options: Any) -> ur.SequenceClassifier:
    """A small model."""
    return ur.SequenceClassifier(**{"hidden_size": 4, "max_epochs": 1, "n_members": 1, **options}).fit(X, Y)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bidirectional": True}, r"bidirectional=True reads from the end"),
        ({"cell": "feedforward"}, r"cell='feedforward' reads a sequence as one vector"),
        ({"missing": "linear"}, r"missing='linear' fills a gap from the next known value"),
        ({"missing": "mask"}, r"missing='mask' fills a gap .* Fit with missing='forward' or 'forward\+mask'"),
        ({"pooling": "last+last"}, r"pooling='last\+last' names a pooling twice"),
    ],
)
def test_what_cannot_stream_says_why(options: dict[str, Any], sentence: str) -> None:
    """To whoever asks, and to whoever tries."""
    model = fitted(**options)
    with pytest.raises(ArgumentError, match=f"SequenceClassifier.stream: {sentence}"):
        model.stream()
    with pytest.raises(ArgumentError, match=sentence):
        ur.Streams(model, 3)
    assert model.why_not_streamable()
    assert fitted().why_not_streamable() == ""


def test_missing_values_are_taken_as_the_model_was_told() -> None:
    """NaN, but no infinite number."""
    stream = fitted(missing="forward+mask").stream()
    stream.steps([np.nan, 1.0, np.nan])
    with pytest.raises(DataError, match=r"got inf in column 0 of step 1\. Pass NaN where a value is missing"):
        stream.step(np.inf)
    assert stream.n_steps == 3


def test_a_stream_outlives_a_refit_of_its_model() -> None:
    """It goes on with the weights that it began with."""
    model = fitted()
    stream, expected = model.stream(), model.predict_proba([X[0]])[0]
    stream.steps(X[0][:3])
    model.fit([[9.0, 8.0], [1.0, 2.0]], Y)
    assert np.array_equal(stream.step(X[0][3]), expected)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many streams, which are dealt to threads."""
    model, rng = fitted(hidden_size=64), np.random.default_rng(0)
    inputs = {k: rng.normal(size=3 + k % 3) for k in range(300)}
    answers = []
    for threads in (1, 3):
        monkeypatch.setattr("torch.get_num_threads", lambda threads=threads: threads)
        answers.append(ur.Streams(model, 300).steps(inputs))
    assert all(np.array_equal(answers[0][k], answers[1][k]) for k in inputs)
