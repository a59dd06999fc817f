"""Traces: the answers and states of the stream itself, and what they are made of."""

from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled.errors import ArgumentError, DataError
from unrolled.models.streaming.trace import trace


def _sequences() -> Any:
    rng = np.random.default_rng(3)
    return [rng.normal(size=(steps, 2)) for steps in (7, 9, 8, 11)]


@pytest.fixture(scope="module", params=["rnn", "gru", "lstm"])
def classifier(request: Any) -> Any:
    """Two networks of two layers of each cell."""
    model = ur.SequenceClassifier(
        cell=request.param, hidden_size=5, num_layers=2, n_members=2, max_epochs=2, random_state=0
    )
    return model.fit(_sequences(), ["a", "b", "a", "b"])


def test_a_trace_has_the_answers_and_states_of_the_stream(classifier: Any) -> None:
    """To the bit; the stream stands after the last step."""
    X, traced_stream, stream = _sequences()[0], classifier.stream(), classifier.stream()
    traced = trace(traced_stream, X, network=1)
    states = []
    for x, answer in zip(X, traced.answers, strict=True):
        np.testing.assert_array_equal(stream.step(x), answer)
        states.append(stream.state["network1.h1"])
    np.testing.assert_array_equal(traced.states, np.array(states, dtype=np.float64))
    assert traced_stream.snapshot() == stream.snapshot()


def test_input_and_memory_sum_to_the_state(classifier: Any) -> None:
    """At the first step there is no memory; later there is."""
    traced = trace(classifier.stream(), _sequences()[1])
    np.testing.assert_allclose(traced.from_input + traced.from_memory, traced.states, atol=1e-12)
    assert not traced.from_memory[0].any()
    assert np.abs(traced.from_memory[3:]).max() > 1e-3


def test_what_the_input_brings_is_the_step_of_an_empty_memory() -> None:
    """Without a stem: that of a fresh stream, fed this one step."""
    model = ur.SequenceTagger(stem=False, hidden_size=4, n_members=1, max_epochs=2, random_state=0)
    X = _sequences()
    model.fit(X, [["a"] * (len(x) - 1) + ["b"] for x in X])
    traced = trace(model.stream(), X[0])
    for x, brought in zip(X[0], traced.from_input, strict=True):
        fresh = model.stream()
        fresh.step(x)
        np.testing.assert_array_equal(fresh.state["network0.h0"].astype(np.float64), brought)


def test_a_forecaster_shows_the_state_that_it_carries() -> None:
    """One that reads its window anew has none to show."""
    values = 10 + np.sin(np.arange(80) / 3)
    model = ur.Forecaster(horizon=3, window=12, hidden_size=6, max_steps=5, random_state=0).fit(values)
    carried, window = trace(model.stream(window=False), values[:9]), trace(model.stream(), values[:9])
    assert carried.states.shape == (9, 6)
    assert np.abs(carried.from_memory).max() > 0
    assert window.states.shape == window.from_input.shape == (9, 0)
    assert len(window.answers) == 9


def test_wrong_values_leave_the_stream_where_it_is(classifier: Any) -> None:
    """A fault in the third step moves nothing; a network that is not there neither."""
    stream = classifier.stream()
    stream.step([1, 2])
    before = stream.snapshot()
    with pytest.raises(DataError, match="step 3"):
        trace(stream, [[1, 2], [3, 4], [np.nan, 5]])
    with pytest.raises(ArgumentError, match="network"):
        trace(stream, [[1, 2]], network=2)
    assert stream.snapshot() == before
