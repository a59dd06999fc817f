"""A client loses nothing and repeats nothing, whatever happens to the server."""

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, StoreError, StreamError
from unrolled.stream.client import connect

Array = NDArray[np.float64]


def test_a_client_counts_for_its_user(served: Any, recurrence: Any, events: Array) -> None:
    """Steps, alone and many; another client goes on where the stream is."""
    whole = recurrence().steps({"s": events})["s"]
    with connect(served.url) as client:
        stream = client.stream("counted")
        assert (stream.last, stream.name) == (0, "counted")
        assert stream.step(events[0]) == whole[0].tolist()
        assert stream.steps(events[1:20]) == whole[1:20].tolist()
        assert stream.last == 20
    with connect(served.url.replace("http", "ws")) as client:
        stream = client.stream("counted")
        assert stream.last == 20
        assert stream.steps(events[20:].tolist()) == whole[20:].tolist()


def test_long_inputs_go_in_several_messages(served: Any) -> None:
    """Each waits for the answer to the one before."""
    events = np.random.default_rng(1).normal(size=(600, 3))
    with connect(served.url) as client:
        answers = client.steps({"long": events, "short": events[:1]})
    assert [len(answers[name]) for name in ("long", "short")] == [600, 1]
    assert served.request("GET", "/streams/long").record["last"] == 600


def test_a_repeated_call_goes_on_where_it_raised(
    new_server: Callable[..., Any], recurrence: Any, events: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages that were answered before count once, and their answers are not lost."""
    served = new_server()
    inputs = {"long": np.tile(events, (10, 1)), "short": events[:2]}
    whole = recurrence().steps(inputs)
    apply_many, n_batches = served.core.session.apply_many, count()

    def fail_after_the_first_messages(messages: Any, **options: Any) -> Any:
        if any(message.n == 257 for message in messages) and next(n_batches) < 3:
            raise StoreError("the disk hums")
        return apply_many(messages, **options)

    monkeypatch.setattr(served.core.session, "apply_many", fail_after_the_first_messages)
    with connect(served.url, patience_s=0.1) as client:
        with pytest.raises(StreamError, match="the disk hums") as caught:
            client.steps(inputs)
        assert (caught.value.code, client.last("long"), client.last("short")) == ("storage_failed", 256, 2)
        answers = client.steps(inputs)
        assert (client.last("long"), client.last("short")) == (400, 2)
        for name, each in answers.items():
            assert np.array_equal(each, whole[name])
        assert client.steps({"short": events[:2]})["short"] != answers["short"]  # a new call
        assert client.last("short") == 4


def test_a_refused_message_raises_its_code_and_the_stream_goes_on(served: Any, events: Array) -> None:
    """Nothing of the call counts for the stream that was refused; for the others it does."""
    with connect(served.url) as client:
        stream = client.stream("refused")
        for wrong, words in [(events[:1, :2], "expected 3 numbers"), ([["a"]], "list of numbers")]:
            with pytest.raises(StreamError, match=words) as caught:
                stream.steps(wrong)
            assert caught.value.code == "bad_input"
        with pytest.raises(StreamError, match="expected a name"):
            client.stream("a/b")
        assert len(stream.steps(events[:2])) == stream.last == 2


def test_another_writer_is_noticed(served: Any, events: Array) -> None:
    """Its events are not overwritten: the message is old."""
    with connect(served.url) as one, connect(served.url) as other:
        mine, theirs = one.stream("shared"), other.stream("shared")
        mine.step(events[0])
        with pytest.raises(StreamError) as caught:
            theirs.step(events[1])
        assert caught.value.code == "old"
        assert theirs.last == 1  # as the server has it
        assert theirs.step(events[1])
        served.request("DELETE", "/streams/shared")
        with pytest.raises(StreamError) as caught:
            theirs.step(events[2])
        assert (caught.value.code, theirs.last) == ("gap", 0)


def test_a_client_follows_a_stream_that_has_moved(new_server: Callable[..., Any], events: Array) -> None:
    """To the worker that has it, over a second connection; once it knows, at once."""
    there = new_server()
    here = new_server(moved=lambda stream: there.url if stream.startswith("m") else None)
    with connect(here.url) as client:
        assert len(client.steps({"m1": events[:3], "a": events[:2], "m2": events[:1]})["m1"]) == 3
        assert client.stream("m1").step(events[3])
    assert there.request("GET", "/streams").record["streams"] == ["m1", "m2"]
    assert here.request("GET", "/streams").record["streams"] == ["a"]


def test_a_server_that_is_not_there_is_named() -> None:
    """After the patience; an address that is none at once."""
    with pytest.raises(StreamError, match=r"127\.0\.0\.1:9/streams cannot be reached") as caught:
        connect("http://127.0.0.1:9", patience_s=0.1)
    assert caught.value.code == "unreachable"
    for url in ("127.0.0.1:8000", "ftp://127.0.0.1", "http://"):
        with pytest.raises(ArgumentError, match="expected an address such as"):
            connect(url)


def test_a_token_is_shown_and_a_wrong_one_is_refused(new_server: Callable[..., Any], events: Array) -> None:
    """At once, without trying again."""
    locked = new_server(token="0123456789abcdef")
    with connect(locked.url, token="0123456789abcdef") as client:
        assert client.stream("a").step(events[0])
    with pytest.raises(StreamError, match="Authorization: Bearer") as caught:
        connect(locked.url, token="wrong")
    assert caught.value.code == "unauthorized"


def test_without_the_package_the_install_command_is_named() -> None:
    """The module itself can be imported."""
    code = (
        "import sys; sys.modules['websockets'] = None\n"
        "from unrolled.stream.client import connect\n"
        "try: connect('http://127.0.0.1:1')\n"
        "except ImportError as fault: print(fault)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'unrolled[serve]'" in ran.stdout


def test_text_is_sent_whole_and_sound_in_parts(
    new_server: Any, language_model: Any, audio_classifier: Any, tones: Any
) -> None:
    """With the answers of the library; a text goes on behind what was written."""
    with connect(new_server(model=language_model).url) as client:
        stream = client.stream("a")
        answers = stream.steps("to be")
        assert [len(answers), stream.last] == [5, 5]
        assert stream.step("t")[0][1] == language_model.stream().steps("to bet")[-1].max()
        positions = [*language_model.codec_.encode("to bet").positions.tolist(), 3]
        assert stream.step(3)[0][1] == language_model.stream().steps(positions)[-1].max()
    sound = np.tile(tones, 4).astype(np.float32)
    live = audio_classifier.stream()
    with connect(new_server(model=audio_classifier).url) as client:
        answer = client.stream("a").feed(sound)
        assert answer["scores"] == live.feed(sound).tolist()
        assert (answer["seconds"], client.last("a")) == (live.seconds, len(sound))
