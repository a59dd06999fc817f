"""Sessions of fitted estimators: however the events are cut and the states moved, the bits of `predict`."""

import json
from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled.models.streaming.snapshots import model_hash
from unrolled.models.streaming.streams import Streams
from unrolled.stream.replies import Again, Applied, Message, Refused
from unrolled.stream.server.wire import encode_answers
from unrolled.stream.session import Session
from unrolled.stream.store.memory import MemoryStore
from unrolled.stream.store.sqlite import SQLiteStore


def _classifier() -> Any:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(10, 3)) + slope for slope in (-1, 1) * 8]
    model = ur.SequenceClassifier(hidden_size=7, max_epochs=2, missing="mask").fit(X, ["down", "up"] * 8)
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
