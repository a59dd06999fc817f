"""Sessions of fitted estimators: however the events are cut and the states moved, the bits of `predict`."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unrolled as ur
from unrolled.errors import StreamError
from unrolled.models.streaming.snapshots import model_hash
from unrolled.models.streaming.streams import Streams
from unrolled.stream.client import connect
from unrolled.stream.replies import Again, Applied, Message, Old, Refused
from unrolled.stream.served_model import serve_model
from unrolled.stream.server.wire import encode_answers
from unrolled.stream.session import Session
from unrolled.stream.store.memory import MemoryStore
from unrolled.stream.store.sqlite import SQLiteStore


def _classifier() -> Any:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(10, 3)) + slope for slope in (-1, 1) * 8]
    model = ur.SequenceClassifier(hidden_size=7, max_epochs=2, missing="forward+mask")
    model.fit(X, ["down", "up"] * 8)
    return model, model.predict_proba


def _regressor() -> Any:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(10, 3)) for _ in range(16)]
    model = ur.SequenceRegressor(cell="lstm", hidden_size=5, max_epochs=2).fit(X, [x.sum() for x in X])
    return model, model.predict


@pytest.mark.parametrize("make", [_classifier, _regressor])
def test_a_session_answers_as_the_model_does(make: Any) -> None:
    """Streams come and go from memory, and a new process takes over."""
    model, predict = make()
    x = np.random.default_rng(1).normal(size=(5, 12, 3))
    store, picks = MemoryStore(), np.random.default_rng(2)
    session, done = Session(Streams(model, capacity=2), store), [0] * 5
    answers: list[list[Any]] = [[] for _ in range(5)]
    while min(done) < 12:
        if picks.random() < 0.2:
            session = Session(Streams(model, capacity=2), store)
        chosen = [k for k in range(5) if done[k] < 12 and picks.random() < 0.6]
        lengths = [min(int(picks.integers(1, 5)), 12 - done[k]) for k in chosen]
        messages = [
            Message(f"s{k}", done[k] + 1, x[k, done[k] : done[k] + length])
            for k, length in zip(chosen, lengths, strict=True)
        ]
        for k, length, reply in zip(chosen, lengths, session.apply_many(messages), strict=True):
            assert isinstance(reply, Applied)
            answers[k] += json.loads(reply.y)
            done[k] += length
        assert all(isinstance(reply, Again) for reply in session.apply_many(messages))
    for k in range(5):
        whole = [predict([x[k, : n + 1]])[0].tolist() for n in range(12)]
        assert answers[k] == whole


def test_bad_events_of_an_estimator_stop_their_message_alone(tmp_path: Any) -> None:
    """A wrong width beside good ones; missing values where the model takes them; another model's state."""
    model, predict = _classifier()
    session = Session(Streams(model, capacity=10), SQLiteStore(tmp_path / "s.db", model=model_hash(model)))
    good = [[0.1, None, 0.3]]
    replies = session.apply_many([Message("a", 1, good), Message("b", 1, [[1, 2]]), Message("c", 1, good)])
    assert [type(reply) for reply in replies] == [Applied, Refused, Applied]
    assert isinstance(replies[0], Applied)
    assert json.loads(replies[0].y) == predict([[[0.1, np.nan, 0.3]]]).tolist()
    other = Session(Streams(_regressor()[0], capacity=10), MemoryStore())
    other.apply("a", 1, [[1, 2, 3]])
    saved = other.snapshot("a")
    assert saved is not None
    with pytest.raises(ur.UnrolledError, match="of another"):
        session.restore("a", saved)
    assert session.last("a") == 1
    session.close()


def test_a_forecaster_answers_a_record_an_event() -> None:
    """Median and band of the whole horizon; null before the third value; as `predict` gives them."""
    y = np.exp(np.cumsum(np.random.default_rng(0).normal(0.01, 0.05, size=60)))
    model = ur.Forecaster(horizon=2, hidden_size=4, max_steps=2).fit(y)
    session = Session(Streams(model, capacity=2), MemoryStore(), encode=encode_answers)
    replies = [session.apply("a", 1, y[:2]), session.apply("a", 3, y[2:])]
    answers = [answer for reply in replies for answer in json.loads(getattr(reply, "y", b""))]
    assert len(answers) == 60
    assert answers[0]["median"] == [None, None]
    last, frame = answers[-1], model.predict()
    assert last["median"] == frame["lstm"].tolist()
    assert (last["lo"], last["hi"]) == (frame["lstm-lo-80"].tolist(), frame["lstm-hi-80"].tolist())
    whole = Session(Streams(model, capacity=2), MemoryStore()).apply("a", 1, y)
    assert json.loads(getattr(whole, "y", b"")) == answers


def _monthly() -> Any:
    """A Forecaster that reads the calendar, and its values."""
    y = np.random.default_rng(0).normal(size=60).cumsum() + 50
    dates = pd.date_range("2000-01-01", periods=60, freq="MS")
    model = ur.Forecaster(horizon=2, hidden_size=4, max_steps=2, season=12, window=6)
    return model.fit(pd.DataFrame({"ds": dates, "y": y})), y


def test_the_first_message_of_a_stream_carries_its_start() -> None:
    """It is part of the message: with another one it is not the same again."""
    model, y = _monthly()
    store, served = MemoryStore(), serve_model(model, 3)
    session = Session(served.streams, store, encode=encode_answers, begin=served.begin)
    first = session.apply("a", 1, y[:5], start="2001-03-01")
    assert isinstance(first, Applied)
    assert session.apply("a", 1, y[:5], start="2001-03-01") == Again(5, first.y)
    assert session.apply("a", 1, y[:5], start="2001-04-01") == session.apply("a", 1, y[:5]) == Old(5)
    served = serve_model(model, 3)
    session = Session(served.streams, store, encode=encode_answers, begin=served.begin)
    second = session.apply("a", 6, y[5:20])
    assert isinstance(second, Applied)
    expected = model.stream(start="2001-03-01").steps(y[:20])
    assert [each["median"] for each in json.loads(second.y)] == expected.median[5:].tolist()


@pytest.mark.parametrize(
    ("stream", "n", "start", "words"),
    [
        ("new", 1, None, "expected the time of its first value"),
        ("new", 1, "soon", "start: expected a time, got 'soon'"),
        ("new", 1, "2500-01-01", "start: expected a time"),
        ("begun", 3, "2001-03-01", "start: expected it in the first message, n = 1; got it with n = 3"),
    ],
)
def test_a_start_that_cannot_be_used_stops_its_message_alone(
    stream: str, n: int, start: str | None, words: str
) -> None:
    """None, no time, and a start that comes later; the stream can begin all the same."""
    model, y = _monthly()
    served = serve_model(model, 3)
    session = Session(served.streams, MemoryStore(), encode=encode_answers, begin=served.begin)
    session.apply("begun", 1, y[:2], start="2000-01-01")
    replies = session.apply_many(
        [Message(stream, n, y[:1], start), Message("beside", 1, y[:1], "2000-01-01")]
    )
    assert isinstance(replies[0], Refused)
    assert words in replies[0].sentence
    assert isinstance(replies[1], Applied)
    assert session.last("new") is None
    assert isinstance(session.apply("new", 1, y[:1], start="2000-01-01"), Applied)


def test_streams_without_times_take_no_start() -> None:
    """Of values of which no time is known."""
    model, _ = _regressor()
    served = serve_model(model, 3)
    session = Session(served.streams, MemoryStore(), begin=served.begin)
    with pytest.raises(StreamError, match="start: expected none, for these streams have no times"):
        session.apply("a", 1, [[0.1, 0.2, 0.3]], start="2000-01-01")


def test_a_client_gives_each_stream_its_start(new_server: Any) -> None:
    """With its first message; the page traces from it."""
    model, y = _monthly()
    server = new_server(model=model)
    assert server.request("GET", "/model").record["needs_start"]
    expected = model.stream(start="2001-03-01").steps(y[:4]).median[3].tolist()
    with connect(server.url) as client:
        stream = client.stream("a", start="2001-03-01")
        stream.steps(y[:2])
        assert stream.steps(y[2:4])[1]["median"] == expected
        with pytest.raises(StreamError, match="expected the time of its first value"):
            client.stream("b").step(y[0])
    body = {"x": y[:4].tolist(), "start": "2001-03-01"}
    assert server.request("POST", "/trace", body).record["y"][3]["median"] == expected
    for wrong in ({"x": y[:4].tolist()}, body | {"start": "soon"}):
        assert server.request("POST", "/trace", wrong).record["error"] == "bad_input"
