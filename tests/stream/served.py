"""A real server on a free port, in a thread of the test's process, and ways to talk to it."""

import json
import threading
from http.client import HTTPConnection
from typing import Any, NamedTuple

from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from unrolled.models.streaming.snapshots import model_hash
from unrolled.stream.served_model import serve_model
from unrolled.stream.server.core import Core
from unrolled.stream.server.run import address_text, make_server, open_listener
from unrolled.stream.server.settings import ServerSettings
from unrolled.stream.server.wire import encode_answers
from unrolled.stream.session import Session
from unrolled.stream.store.sqlite import SQLiteStore


class Response(NamedTuple):
    """What a request was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def record(self) -> Any:
        return json.loads(self.body)


class Served:
    """A running server, and ways to talk to it."""

    def __init__(self, core: Core, moved: Any = lambda stream: None) -> None:
        self.core, ready = core, threading.Event()
        listener = open_listener(core.settings.host, core.settings.port)
        self.url = address_text(listener)
        self.port = listener.getsockname()[1]
        self.server = make_server(core, moved, ready.set)
        self._thread = threading.Thread(target=self.server.run, args=([listener],))
        self._thread.start()
        assert ready.wait(60)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Send one request; a body that is no bytes is JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(
            method, path, content, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        response = Response(answer.status, dict(answer.getheaders()), answer.read())
        connection.close()
        return response

    def socket(self, **options: Any) -> ClientConnection:
        """Open the WebSocket."""
        return open_socket(f"ws://127.0.0.1:{self.port}/streams", compression=None, proxy=None, **options)

    def stop(self) -> None:
        """Stop as SIGTERM does, and wait for the end."""
        self.server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive()


def ask(socket: ClientConnection, message: Any) -> Any:
    """Send one message and wait for one reply."""
    socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
    return json.loads(socket.recv(timeout=30))


def start(recurrence: Any, path: Any, *, moved: Any = None, session: Any = None, **settings: Any) -> Served:
    """Start a server on a store in a file."""
    store = SQLiteStore(path, model="m", durability="process")
    made = Session(recurrence(64), store, encode=encode_answers, **(session or {}))
    core = Core(made, ServerSettings(**{"port": 0} | settings), {"inputs": ["x1", "x2", "x3"]})
    return Served(core, moved or (lambda stream: None))


def start_model(model: Any, path: Any, *, options: Any = None, **settings: Any) -> Served:
    """Start a server of a fitted model, with its page."""
    store = SQLiteStore(path, model=model_hash(model), durability="process")
    made = serve_model(model, 64, **options or {})
    session = Session(made.streams, store, read=made.read, encode=encode_answers, begin=made.begin)
    facts = made.tracer.facts()
    return Served(Core(session, ServerSettings(**{"port": 0} | settings), facts, made.tracer, made.generator))
