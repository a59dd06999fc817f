"""Streams of a model, one and many: states, ids, capacity and refusals."""

from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError, DataError, NotFittedError

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(9, 2)).cumsum(0) for _ in range(6)]


@pytest.fixture(scope="module")
def model() -> ur.SequenceClassifier:
    """Two features a step."""
    return ur.SequenceClassifier(hidden_size=6, max_epochs=1, n_members=2).fit(X, ["a", "b", "c"] * 2)


@pytest.fixture(scope="module")
def of_numbers() -> ur.SequenceRegressor:
    """One feature a step."""
    return ur.SequenceRegressor(hidden_size=6, max_epochs=1, n_members=1).fit([x[:, 0] for x in X], range(6))


def test_a_state_taken_out_and_put_back_continues_alike(model: Any) -> None:
    """It is a copy, and so are the answers."""
    stream = model.stream()
    answers = stream.steps(X[0][:4])
    kept, state = answers.copy(), stream.state
    later = stream.steps(X[0][4:])
    assert np.array_equal(answers, kept)
    stream.state = state
    assert stream.n_steps == 4
    assert np.array_equal(stream.steps(X[0][4:]), later)


def test_peek_and_a_refused_step_move_nothing(model: Any) -> None:
    """The answer of a peek is that of the step."""
    stream = model.stream()
    stream.steps(X[0][:3])
    before = stream.snapshot()
    peeked = stream.peek(X[0][3])
    with pytest.raises(DataError):
        stream.steps([[1.0, 2.0], [3.0, np.nan]])
    assert stream.snapshot() == before
    assert np.array_equal(stream.step(X[0][3]), peeked)


def test_reset_goes_back_to_the_start(model: Any) -> None:
    """As a stream that was never stepped."""
    stream = model.stream()
    stream.steps(X[0])
    stream.reset()
    assert stream.snapshot() == model.stream().snapshot()
    assert repr(stream) == "SequenceClassifier stream after 0 steps"


def test_a_number_is_a_step_of_one_feature(of_numbers: Any) -> None:
    """The answer of a regressor is a number, of several steps an array of them."""
    stream = of_numbers.stream()
    first = stream.step(0.5)
    stream.reset()
    assert np.array_equal(stream.steps([0.5, 1]), [first, of_numbers.predict([[0.5, 1.0]])[0]])
    assert stream.steps([]).shape == (0,)


def test_a_snapshot_moves_between_one_stream_and_many(model: Any, tmp_path: Any) -> None:
    """And to the model that was saved and loaded."""
    stream, streams = model.stream(), ur.Streams(model, 2)
    stream.steps(X[0][:5])
    streams.restore("a", stream.snapshot())
    loaded = ur.SequenceClassifier.load(model.save(tmp_path / "model"))
    last = loaded.stream(streams.snapshot("a")).steps(X[0][5:])
    assert np.array_equal(streams.steps({"a": X[0][5:]})["a"], last)
    assert np.array_equal(stream.steps(X[0][5:]), last)


def test_a_snapshot_of_another_model_is_refused(model: Any, of_numbers: Any) -> None:
    """Of one stream and of many, which stay as they are."""
    blob, streams = of_numbers.stream().snapshot(), ur.Streams(model, 2)
    with pytest.raises(DataError, match=r"one of this model \(\w{12}\), got one of another"):
        model.stream(blob)
    with pytest.raises(DataError, match=r"snapshot: expected one of this model"):
        streams.restore("a", blob)
    assert len(streams) == 0


def test_streams_come_go_and_return_from_zero(model: Any) -> None:
    """A place that is given back begins anew."""
    streams = ur.Streams(model, capacity=2)
    streams.steps({"a": X[0], "b": X[1]})
    assert (len(streams), "a" in streams, "c" in streams, list(streams)) == (2, True, False, ["a", "b"])
    with pytest.raises(ArgumentError, match=r"at most 2 streams, the capacity; got 3\. Remove some"):
        streams.steps({"c": X[2]})
    streams.remove("a")
    answers = streams.steps({"c": X[2], "b": X[0][:0]})
    assert np.array_equal(answers["c"], model.stream().steps(X[2]))
    assert answers["b"].shape == (0, 3)
    streams.reset("b")
    assert streams.snapshot("b") == model.stream().snapshot()
    assert streams.steps({}) == {}


@pytest.mark.parametrize("bad", [[[1.0, np.nan]], [[1.0]], ["text"], [[1.0, np.inf], [1.0, 2.0]]])
def test_a_bad_input_of_one_stream_harms_no_other(model: Any, bad: Any) -> None:
    """The error names it, and neither has moved."""
    streams = ur.Streams(model, capacity=3)
    streams.steps({"a": X[0], "b": X[1]})
    before = [streams.snapshot(name) for name in "ab"]
    with pytest.raises(DataError, match="stream 'b'"):
        streams.steps({"a": X[2], "b": bad, "new": X[3]})
    assert [streams.snapshot(name) for name in "ab"] == before
    assert "new" not in streams


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ([1.0], r"SequenceClassifier stream x: expected one step of 2 values, got shape \(1,\)"),
        ([[1.0, 2.0]], r"got shape \(1, 2\)\. Pass several steps to steps\(xs\)"),
        ([1.0, np.nan], r"expected finite numbers, got nan in column 1 of step 1\. Fit with missing="),
        ([np.inf, 1.0], r"got inf in column 0"),
        ("text", r"expected numbers, got 'text'"),
        ([[1.0], [1.0, 2.0]], r"expected numbers, got list"),
        (None, r"expected numbers, got NoneType"),
        ([1j, 2.0], r"values of type complex128"),
    ],
)
def test_a_bad_step_is_refused_in_a_sentence(model: Any, x: Any, sentence: str) -> None:
    """Of every kind."""
    with pytest.raises(DataError, match=sentence):
        model.stream().step(x)


def test_bad_steps_and_states_are_refused_in_a_sentence(model: Any, of_numbers: Any) -> None:
    """Several steps, and what stream.state did not give."""
    stream = model.stream()
    with pytest.raises(DataError, match=r"xs: expected steps of 2 values, \(n, 2\), got shape \(2,\)"):
        stream.steps([1.0, 2.0])
    with pytest.raises(DataError, match=r"expected one number, got shape \(2,\)"):
        of_numbers.stream().step([1.0, 2.0])
    with pytest.raises(ArgumentError, match=r"state: expected \['network0\.h0', .* got \['steps'\]"):
        stream.state = {"steps": np.int64(1)}
    with pytest.raises(ArgumentError, match=r"network0\.h0: expected shape \(6,\) of float32, got \(5,\)"):
        stream.state = {**stream.state, "network0.h0": np.zeros(5)}
    with pytest.raises(ArgumentError, match=r"Streams capacity: expected .* got 0"):
        ur.Streams(model, 0)
    for act in (ur.Streams.snapshot, ur.Streams.reset, ur.Streams.remove):
        with pytest.raises(ArgumentError, match=r"expected the id of a stream, got 'x', which is none"):
            act(ur.Streams(model, 1), "x")


def test_a_model_that_is_not_fitted_has_no_streams() -> None:
    """Nor a reason why not."""
    for ask in ("stream", "why_not_streamable"):
        with pytest.raises(NotFittedError, match=r"Call fit\(X, y\) first"):
            getattr(ur.SequenceClassifier(), ask)()
