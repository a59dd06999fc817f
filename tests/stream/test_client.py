"""A client loses nothing and repeats nothing, whatever happens to the server."""

import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, StreamError
from unrolled.stream.client import connect

Array = NDArray[np.float64]
CHILD = Path(__file__).with_name("serve_child.py")


class ServerProcess:
    """A server that can be killed and started again at the same address."""

    def __init__(self, store: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self._store = f"http://127.0.0.1:{self.port}", store
        self.start()

    def start(self) -> None:
        words = [sys.executable, CHILD, str(self._store), str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == self.url

    def end(self, number: int) -> str:
        """End it by a signal; return what it logged."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[1]


@pytest.fixture
def server_process(tmp_path: Path) -> Iterator[ServerProcess]:
    """One of the test's own."""
    server = ServerProcess(tmp_path / "streams.db")
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.mark.parametrize("n_kills", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_a_server_killed_under_load_loses_nothing(
    server_process: ServerProcess, recurrence: Any, n_kills: int
) -> None:
    """SIGKILL at random moments; the client sends again, and every answer is that of one run."""
    picks, rng, has_ended = random.Random(0), np.random.default_rng(0), threading.Event()
    inputs: dict[str, list[Array]] = {f"s{k}": [] for k in range(20)}
    answers: dict[str, list[Any]] = {name: [] for name in inputs}

    def load() -> None:
        with connect(server_process.url) as client:
            while not has_ended.is_set():
                new = {name: rng.normal(size=(picks.randint(1, 3), 3)) for name in inputs}
                for name, each in client.steps(new).items():
                    inputs[name].append(new[name])
                    answers[name] += each

    thread = threading.Thread(target=load)
    thread.start()
    for _ in range(n_kills):
        n_answers = len(answers["s0"])
        while len(answers["s0"]) == n_answers and thread.is_alive():
            has_ended.wait(0.01)  # until it is served
        has_ended.wait(picks.uniform(0.0, 0.1))
        server_process.end(signal.SIGKILL)
        server_process.start()
    has_ended.wait(0.2)
    has_ended.set()
    thread.join(60)
    assert not thread.is_alive()
    whole = recurrence(capacity=20).steps({name: np.concatenate(each) for name, each in inputs.items()})
    for name, each in answers.items():
        assert np.array_equal(np.array(each), whole[name]), name
    assert len(answers["s0"]) > n_kills
    log = server_process.end(signal.SIGTERM)
    assert (server_process.process.returncode, "Traceback" in log) == (0, False)


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


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
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
