"""Admission of requests, and limits that make sense."""

from pathlib import Path
from typing import Any

import pytest

from unrolled.errors import ArgumentError
from unrolled.stream.server.settings import ServerSettings, read_token

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("host", "is_accepted"),
    [
        ("127.0.0.1:8000", True),
        ("LOCALHOST", True),
        ("[::1]:8000", True),
        ("model.example.org:8000", True),
        ("evil.org", False),
        ("evil.org:8000", False),
        ("127.0.0.1.evil.org", False),
        ("localhost@evil.org", False),
        ("", False),
    ],
)
def test_a_server_answers_to_its_own_names(host: str, is_accepted: bool) -> None:
    """Another name is led here by somebody else's page."""
    assert ServerSettings(allowed_hosts=["model.example.org"]).accepts_host(host) is is_accepted
    assert ServerSettings(allowed_hosts=["*"]).accepts_host(host)


@pytest.mark.parametrize(
    ("origin", "is_accepted"),
    [
        (None, True),
        ("http://localhost:8000", True),
        ("https://friend.org", True),
        ("http://localhost:3000", False),
        ("http://evil.org", False),
        ("null", False),
        ("", False),
    ],
)
def test_pages_come_from_here_or_are_named(origin: str | None, is_accepted: bool) -> None:
    """Programs send no origin."""
    settings = ServerSettings(allowed_origins=["https://friend.org"])
    assert settings.accepts_origin(origin, "localhost:8000") is is_accepted


@pytest.mark.parametrize(
    ("name", "value"),
    [("allowed_origins", value) for value in
     ("https://friend.org", ["friend.org"], ["*"], [""], ["https://friend.org/"], ["https://friend.org/a"],
      ["HTTPS://friend.org"], ["https://friend.org:99999"], ["https://u:p@friend.org"], ["https://ünï.de"],
      ["https://friend.org "], [7], None)]
    + [("allowed_hosts", value) for value in
       ("friend.org", ["https://friend.org"], ["friend.org:8000"], ["a b"], [""], [None])],
)  # fmt: skip
def test_names_that_no_request_has_are_refused(name: str, value: Any) -> None:
    """They would let nobody in, and a text in place of a list would let parts of it in."""
    with pytest.raises(ArgumentError, match=f"{name}: expected names such as"):
        ServerSettings(**{name: value})


def test_names_that_requests_have_are_taken() -> None:
    """Addresses, ports, extensions and files; hosts in large letters too."""
    origins = ["http://localhost:3000", "http://[::1]:80", "chrome-extension://abcdef", "null"]
    settings = ServerSettings(allowed_origins=origins, allowed_hosts=("Friend.ORG", "::1", "*"))
    assert all(settings.accepts_origin(origin, "here") for origin in origins)
    assert ServerSettings(allowed_hosts=["Friend.ORG"]).accepts_host("friend.org:8000")


def test_a_token_opens_and_no_other_does() -> None:
    """Without one all may come in; it is shown nowhere."""
    settings = ServerSettings(token=TOKEN)
    assert [settings.accepts_token(token) for token in (TOKEN, TOKEN + "0", "", None, "ü")] == [True] + [
        False
    ] * 4
    assert ServerSettings().accepts_token(None)
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"host": "0.0.0.0"}, "there is no token"),
        ({"token": "short"}, "at least 16"),
        ({"port": 70_000}, "port: expected"),
        ({"max_body": 10}, "max_body: expected"),
        ({"max_connections": 0}, "max_connections: expected"),
        ({"max_rate": 0.0}, "max_rate: expected"),
        ({"idle_s": 0}, "idle_s: expected"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments: dict[str, Any], words: str) -> None:
    """All of them at once."""
    with pytest.raises(ArgumentError, match=words):
        ServerSettings(**arguments)
    with pytest.raises(ArgumentError, match=r"port: .*\n.*max_body: "):
        ServerSettings(port=-1, max_body=0)


def test_a_token_is_read_from_the_first_line(tmp_path: Path) -> None:
    """A missing file is named."""
    (tmp_path / "t").write_text(TOKEN + "\nnote")
    assert read_token(tmp_path / "t") == TOKEN
    with pytest.raises(ArgumentError, match=r"token_file: .*none cannot be read"):
        read_token(tmp_path / "none")
