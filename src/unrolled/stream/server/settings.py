"""Settings of a server: addresses, limits, who may come in."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from unrolled.errors import ArgumentError
from unrolled.validation import ErrorCollector, check_float, check_int

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (told apart, not listened at)
_ORIGIN = r"[a-z][a-z\d+.-]*://[a-z\d.:\[\]_-]+"  # scheme, host and port, in small letters
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server: where it listens, what it takes, and from whom.

    Args:
        host: address to listen at; other than loopback it needs a token.
        port: port to listen at; 0 takes a free one.
        token: what every client must send; None lets all in.
        allowed_hosts: names that requests may call this server by, besides its address: "*" for any.
        allowed_origins: web pages from elsewhere that may use it, such as "https://example.org".
        max_body: bytes of a body or message.
        max_connections: connections at a time.
        max_rate: messages a second of one address; None for no limit. HTTP refuses more, a WebSocket waits.
        idle_s: seconds after which a stream without a message expires; None keeps all.

    Raises:
        ArgumentError: one of them is out of its range, or everybody could come in from the network.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    allowed_hosts: Sequence[str] = ()
    allowed_origins: Sequence[str] = ()
    max_body: int = 1_048_576
    max_connections: int = 10_000
    max_rate: float | None = None
    idle_s: int | None = None

    def __post_init__(self) -> None:
        faults = ErrorCollector()
        faults.collect(check_int, "port", self.port, most=65535)
        faults.collect(check_int, "max_body", self.max_body, least=1024)
        faults.collect(check_int, "max_connections", self.max_connections, least=1)
        if self.max_rate is not None:
            faults.collect(check_float, "max_rate", self.max_rate, above=0)
        if self.idle_s is not None:
            faults.collect(check_int, "idle_s", self.idle_s, least=1)
        faults.collect(_check_names, "allowed_hosts", self.allowed_hosts, _is_host, "pumps.example.org")
        faults.collect(
            _check_names, "allowed_origins", self.allowed_origins, _is_origin, "https://example.org"
        )
        if self.token is not None and (len(self.token) < 16 or not self.token.isascii()):
            faults.add(
                "token: expected at least 16 ASCII characters, got fewer or others. Make a longer one."
            )
        if self.host not in LOOPBACK and self.token is None:
            faults.add(
                f"host: {self.host!r} is reached from other machines, and there is no token. Give a token, "
                "or listen at 127.0.0.1."
            )
        faults.raise_if_any()

    @property
    def public_host(self) -> str:
        """Name by which clients reach this server: its address, or the first of the allowed names."""
        names = [name for name in self.allowed_hosts if name != "*"]
        host = names[0] if self.host in ANY_ADDRESS and names else self.host
        return f"[{host}]" if ":" in host else host

    def accepts_host(self, header: str) -> bool:
        """Tell whether a Host header names this server: a web page's own name, led here, does not."""
        name = host_name(header)
        return "*" in self.allowed_hosts or name in {
            *LOOPBACK, self.host.lower(), *(host.lower() for host in self.allowed_hosts),
        }  # fmt: skip

    def accepts_origin(self, origin: str | None, host: str) -> bool:
        """Tell whether a page of this origin may come in: this server's own, or one that was named."""
        if origin is None or origin in self.allowed_origins:
            return True
        return origin.partition("://")[2].lower() == host.lower()

    def accepts_token(self, token: str | None) -> bool:
        """Compare a token in constant time."""
        if self.token is None:
            return True
        return token is not None and hmac.compare_digest(token.encode(), self.token.encode())


def _check_names(name: str, values: Any, is_one: Callable[[str], bool], example: str) -> None:
    """Pass if these are names that a request can have: another would never let anybody in."""
    listed = values if isinstance(values, list | tuple | set | frozenset) else [values]
    for value in listed:
        if listed is not values or not isinstance(value, str) or not is_one(value):
            raise ArgumentError(
                f"{name}: expected names such as {example!r}, a list, got {value!r}. Write them as a browser "
                "sends them, without a path."
            )


def _is_host(name: str) -> bool:
    return name == "*" or (bool(re.fullmatch(r"[\w.:-]+", name)) and host_name(name) == name.lower())


def _is_origin(name: str) -> bool:
    if name == "null":  # of a page that is a file
        return True
    try:
        parts = urlsplit(name)
        return parts.port != 0 and bool(parts.hostname) and re.fullmatch(_ORIGIN, name) is not None
    except ValueError:  # no port, or no address
        return False


def host_name(header: str) -> str:
    """Return the name in a Host header, without its port.

    >>> host_name("LocalHost:8000"), host_name("[::1]:8000"), host_name("::1")
    ('localhost', '::1', '::1')
    """
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header if header.count(":") > 1 else header.partition(":")[0]


def read_token(path: Any) -> str:
    """Read the token of a file: its first line.

    Raises:
        ArgumentError: it cannot be read.
    """
    from pathlib import Path  # noqa: PLC0415

    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as fault:
        raise ArgumentError(
            f"token_file: {path} cannot be read ({fault}). Write the token into it."
        ) from fault
    return lines[0].strip()
