"""Client of a server of streams: numbers its messages, sends again what has no answer, follows `moved`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from time import monotonic, sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from unrolled.errors import ArgumentError, MissingDependencyError, StreamError
from unrolled.stream.message_parts import MessagePart, event_parts, sound_parts

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_LATER = {"draining", "busy", "storage_failed"}  # codes after which a message is sent again
_ELSEWHERE = {"gap", "old"}  # another moved the stream, or it expired
_MOST_BYTES = 2**26  # of a reply
_PAUSE_S = 0.05  # before the first new try


def connect(url: str, *, token: str | None = None, patience_s: float = 60.0) -> StreamsClient:
    """Connect to a server that `unrolled serve` runs.

    Args:
        url: its address, such as http://127.0.0.1:8000.
        token: what it demands.
        patience_s: how long to try again while it cannot be reached, stops or is busy.

    Raises:
        MissingDependencyError: the package websockets is not installed.
        ArgumentError: the address is none.
        StreamError: it cannot be reached, or refuses the token.
    """
    return StreamsClient(url, token=token, patience_s=patience_s)


class StreamsClient:
    """Connection to a server of streams; made by `connect`. One thread at a time uses it.

    Args:
        url: as `connect`.
        token: as `connect`.
        patience_s: as `connect`.
    """

    def __init__(self, url: str, *, token: str | None = None, patience_s: float = 60.0) -> None:
        self._home, self._token, self._patience_s = _socket_url(url), token, patience_s
        self._connections: dict[str, ClientConnection] = {}
        self._open_connections = ExitStack()
        self._homes: dict[str, str] = {}  # of streams that another worker has
        self._lasts: dict[str, int] = {}
        self._starts: dict[str, str] = {}
        self._unfinished: _Call | None = None  # that raised
        self._exchange({}, {}, connect_to={self._home})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._connections.clear()
        self._open_connections.close()

    def stream(self, name: str, *, start: str | None = None) -> ClientStream:
        """Open a stream, new or from where it is.

        Args:
            name: of the stream.
            start: time of its first event, which its first message carries; for models of the calendar.

        Raises:
            StreamError: no stream has such a name, or the server cannot be reached.
        """
        self.last(name)
        if start is not None:
            self._starts[name] = start
        return ClientStream(self, name)

    def last(self, name: str) -> int:
        """Return the number of a stream's last event, by the server the first time; 0 for a new one."""
        if name not in self._lasts:
            replies: dict[str, Any] = {}
            self._exchange({name: json.dumps({"stream": name})}, replies)
            self._lasts[name] = replies[name]["last"]
        return self._lasts[name]

    def steps(self, inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Send events of many streams, and return the answers of each when all are stored.

        A call that raises has sent nothing twice: repeat it with the same events, and each counts once. What
        else is sent goes on after `last(name)`, up to which the events are stored.

        Args:
            inputs: stream to events (T, F) or (T,); of a model of text to a text or a list of words.

        Raises:
            StreamError: a message was refused, with the code of the server; "unreachable" where the server
                could not be reached for `patience_s`.
        """
        return self._call({name: event_parts(x) for name, x in inputs.items()})

    def feed(self, inputs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Send sound to many streams, as `steps` sends events, and return the answer of each.

        Args:
            inputs: stream to samples (n,): whole numbers of 16 bits, or others, which are sent as float32.

        Raises:
            StreamError: as `steps`.
        """
        answers = self._call({name: sound_parts(samples) for name, samples in inputs.items()})
        return {name: _joined(parts) for name, parts in answers.items()}

    def _call(self, parts: Mapping[str, list[MessagePart]]) -> dict[str, list[Any]]:
        """Send the parts of each stream, one after the other, and return the answers."""
        call = _Call(parts)
        if self._unfinished and self._unfinished.is_like(call):
            call = self._unfinished
        self._unfinished = call
        while messages := call.messages(self.last, self._starts):
            replies: dict[str, Any] = {}
            try:
                self._exchange(messages, replies)
            finally:
                for name, reply in replies.items():
                    self._lasts[name] = reply["last"]
                    call.take(name, reply["y"])
        self._unfinished = None
        return call.answers

    def _exchange(
        self,
        messages: Mapping[str, str | bytes],
        replies: dict[str, Any],
        connect_to: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> None:
        """Send one message of each stream until each has a reply, over as many connections as it takes."""
        give_up_at, pause_s = monotonic() + self._patience_s, _PAUSE_S
        while True:
            waiting = [name for name in messages if name not in replies]
            homes = {self._homes.get(name, self._home) for name in waiting} | connect_to
            delay = StreamError(f"{self._home} is busy or stopping. Try again later.", "busy")
            try:
                for home in homes:
                    names = [name for name in waiting if self._homes.get(name, self._home) == home]
                    has_moved, later = self._send_and_receive(home, {n: messages[n] for n in names}, replies)
                    pause_s, delay = _PAUSE_S if has_moved else pause_s, later or delay
                if all(name in replies for name in messages):
                    return
            except _errors() as fault:
                self.close()
                if monotonic() > give_up_at:
                    sentence = (
                        f"{self._home} cannot be reached ({fault or type(fault).__name__}). See that it runs."
                    )
                    raise StreamError(sentence, "unreachable") from fault
            if monotonic() > give_up_at:
                raise delay
            sleep(pause_s)
            pause_s = min(2 * pause_s, 2.0)

    def _send_and_receive(
        self, home: str, messages: Mapping[str, str | bytes], replies: dict[str, Any]
    ) -> tuple[bool, StreamError | None]:
        """Send messages on one connection and take the reply to each.

        Returns:
            Whether a stream has moved, and the last reply after which a message is sent again.
        """
        connection = self._connections.get(home) or self._open(home)
        for message in messages.values():
            connection.send(message)
        refusal, later, has_moved = None, None, False
        for _ in messages:
            reply = json.loads(connection.recv(timeout=self._patience_s))
            name, code = reply.get("stream"), reply.get("error")
            if code == "moved":
                self._homes[name], has_moved = _socket_url(reply["to"]), True
            elif code is None:
                replies[name] = reply
            elif code in _LATER:
                later = StreamError(reply["message"], code)
            else:
                refusal = StreamError(reply["message"], code)
                if code in _ELSEWHERE:
                    self._lasts.pop(name, None)  # the server is asked when it is needed again
        if refusal:
            raise refusal
        return has_moved, later

    def _open(self, home: str) -> ClientConnection:
        """Open a connection, and show the token."""
        from websockets.exceptions import InvalidStatus  # noqa: PLC0415 (an extra)
        from websockets.sync.client import connect as open_socket  # noqa: PLC0415

        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        try:
            opening = open_socket(
                home, additional_headers=headers, compression=None, max_size=_MOST_BYTES, proxy=None
            )
            self._connections[home] = self._open_connections.enter_context(opening)
        except InvalidStatus as fault:
            record = _record(fault.response.body)
            if record.get("error") in _LATER or fault.response.status_code >= 500:
                raise OSError(record.get("message", str(fault))) from fault
            raise StreamError(
                record.get("message", str(fault)), record.get("error", "bad_message")
            ) from fault
        return self._connections[home]


class _Call:
    """Parts of a call of `steps` or `feed`, and the answers that came.

    Args:
        parts: of each stream, in the order in which they are sent.
    """

    def __init__(self, parts: Mapping[str, list[MessagePart]]) -> None:
        self._parts, self._n_done = parts, dict.fromkeys(parts, 0)
        self.answers: dict[str, list[Any]] = {name: [] for name in parts}

    def is_like(self, other: _Call) -> bool:
        """Tell whether another call has the same events."""
        return self._parts.keys() == other._parts.keys() and all(
            len(parts) == len(other._parts[name]) and all(map(MessagePart.is_like, parts, other._parts[name]))
            for name, parts in self._parts.items()
        )

    def messages(self, last: Callable[[str], int], starts: Mapping[str, str]) -> dict[str, str | bytes]:
        """Make the next message of each stream that has parts without an answer."""
        return {
            name: parts[self._n_done[name]].encode(name, last(name) + 1, starts.get(name))
            for name, parts in self._parts.items()
            if self._n_done[name] < len(parts)
        }

    def take(self, name: str, answer: Any) -> None:
        """Keep the answer to the message of a stream."""
        self._n_done[name] += 1
        self.answers[name] += answer if isinstance(answer, list) else [answer]


def _joined(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Join the answers to parts of a chunk of sound."""
    seconds = {"seconds": answers[-1]["seconds"]}
    if "text" in answers[0]:
        return seconds | {"text": "".join(each["text"] for each in answers)}
    return seconds | {key: [row for each in answers for row in each[key]] for key in ("scores", "detections")}


class ClientStream:
    """One stream of a server, as `unrolled.Stream` is one of the library.

    Args:
        client: its connection.
        name: its name.
    """

    def __init__(self, client: StreamsClient, name: str) -> None:
        self._client, self.name = client, name

    @property
    def last(self) -> int:
        """Number of the last event: whoever replays a log goes on after it."""
        return self._client.last(self.name)

    def step(self, x: Any) -> Any:
        """Send one event, or a text of one token, and return its answer when it is stored."""
        return self.steps(x if isinstance(x, str) else [x])[-1]

    def steps(self, xs: Any) -> list[Any]:
        """Send several events, or a text, and return their answers when they are stored."""
        return self._client.steps({self.name: xs})[self.name]

    def feed(self, samples: Any) -> dict[str, Any]:
        """Send sound (n,) and return its answer when it is stored.

        It has `seconds`, and `scores` and `detections`, or of a Transcriber `text`.
        """
        return self._client.feed({self.name: samples})[self.name]


def _socket_url(url: str) -> str:
    parts = urlsplit(url)
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise ArgumentError(f"url: expected an address such as http://127.0.0.1:8000, got {url!r}.")
    return f"{schemes[parts.scheme]}://{parts.netloc}/streams"


def _record(body: bytes | bytearray | None) -> dict[str, Any]:
    try:
        record = json.loads(body or b"{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _errors() -> tuple[type[Exception], ...]:
    """Errors after which a new connection is tried."""
    try:
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage  # noqa: PLC0415
    except ImportError as fault:
        raise MissingDependencyError(
            "The client of streams needs the package websockets: pip install 'unrolled[serve]'"
        ) from fault
    return (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, EOFError)
