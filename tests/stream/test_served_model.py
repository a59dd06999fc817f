"""Models of every kind behind a session: each event once, and the bits of the model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled.errors import ArgumentError
from unrolled.stream.replies import Again, Applied, Gap, Old
from unrolled.stream.served_model import LIKELIEST, serve_model
from unrolled.stream.server.wire import encode_answers
from unrolled.stream.session import Session
from unrolled.stream.store.sqlite import SQLiteStore


def _run(model: Any, path: Path, parts: list[Any], **options: Any) -> list[Any]:
    """Send parts one after another, each to a new session on the same store, and each twice."""
    answers, n = [], 1
    for part in parts:
        served = serve_model(model, 2, **options)
        store = SQLiteStore(path, model="m", durability="process")
        session = Session(served.streams, store, read=served.read, encode=encode_answers)
        applied = session.apply("a", n, part)
        assert isinstance(applied, Applied)
        assert session.apply("a", n, part) == Again(applied.last, applied.y)
        assert session.apply("a", applied.last + 2, part) == Gap(applied.last + 1)
        if n > 1:
            assert session.apply("a", n - 1, part) == Old(applied.last)
        session.close()
        answers.append(json.loads(applied.y))
        n = applied.last + 1
    return answers


def test_a_served_language_model_answers_with_its_likeliest_tokens(
    language_model: Any, tmp_path: Path
) -> None:
    """An event is a token, so numbers count tokens."""
    answers = _run(language_model, tmp_path / "s.db", ["to", " be, o", [3, 4]])
    p = language_model.predict_proba("to be, o")
    got = [row for part in answers[:2] for row in part]
    assert len(got) == 8
    for row, expected in zip(got, p, strict=True):
        assert [each for _, each in row] == np.sort(expected)[::-1][:LIKELIEST].tolist()
        assert [expected[language_model.tokens_.index(token)] for token, _ in row] == [p for _, p in row]


def test_a_served_text_classifier_answers_each_word(text_classifier: Any, tmp_path: Path) -> None:
    """Of a text, and of a list of words."""
    answers = _run(text_classifier, tmp_path / "s.db", ["so funny", ["a", "plot"]])
    expected = text_classifier.stream().steps(["so", "funny", "a", "plot"]).tolist()
    assert answers[0] + answers[1] == expected


def test_a_served_audio_classifier_answers_each_chunk(
    audio_classifier: Any, tones: Any, tmp_path: Path
) -> None:
    """An event is a sample; detections come with the chunk that completes them, and once."""
    parts = [(part * 32767).astype(np.int16) for part in np.split(tones, [333, 1000, 2500])]
    answers = _run(audio_classifier, tmp_path / "s.db", parts, threshold=0.6)
    live = audio_classifier.stream(threshold=0.6)
    scores = live.feed(np.concatenate(parts)).tolist()
    assert [row for part in answers for row in part["scores"]] == scores
    found = [each for part in answers for each in part["detections"]]
    assert [each["seconds"] for each in found] == [each.seconds for each in live.detections]


def test_a_served_transcriber_answers_with_what_a_chunk_adds(
    transcriber: Any, tones: Any, tmp_path: Path
) -> None:
    """Joined, the text of the library's stream."""
    parts = [(part * 32767).astype(np.int16) for part in np.split(tones, [333, 1000, 2500])]
    answers = _run(transcriber, tmp_path / "s.db", parts)
    live = transcriber.stream()
    assert "".join(each["text"] for each in answers) == live.feed(np.concatenate(parts)) != ""
    assert answers[-1]["seconds"] == live.seconds


def test_a_model_that_cannot_stream_is_refused_before_anything_is_served() -> None:
    """In the model's own sentence."""
    model = ur.TextClassifier(hidden_size=4, n_members=1, max_epochs=1).fit(["a b", "c d"] * 4, [0, 1] * 4)
    with pytest.raises(ArgumentError, match="bidirectional=True reads from the end"):
        serve_model(model, 2)


@pytest.mark.parametrize("kind", ["language_model", "text_classifier", "audio_classifier", "transcriber"])
def test_a_server_of_each_kind_tells_what_it_reads(
    kind: str, new_server: Callable[..., Any], ask: Any, request: pytest.FixtureRequest, tones: Any
) -> None:
    """Over the WebSocket and over HTTP, with the same answer; other kinds of input have a code."""
    model = request.getfixturevalue(kind)
    server = new_server(model=model)
    reads = server.request("GET", "/model").record["reads"]
    assert reads == ("sound" if kind in {"audio_classifier", "transcriber"} else "text")
    samples = b"\n" + tones[:400].astype("<f4").tobytes()
    head: dict[str, Any] = {"n": 1, "dtype": "float32"}
    text = {"n": 1, "x": "so"}
    message = json.dumps(head).encode() + samples if reads == "sound" else text
    over_http = server.request("POST", "/streams/h/steps", message).record
    in_socket = {"stream": "w"} | (head if reads == "sound" else text)
    with server.socket() as socket:
        reply = ask(socket, json.dumps(in_socket).encode() + samples if reads == "sound" else in_socket)
        bad = ask(socket, {"stream": "w", "n": reply["last"] + 1, "x": [[0.5, 0.5]]})
    assert reply["y"] == over_http["y"]
    assert bad["error"] == "bad_input"
