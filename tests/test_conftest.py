"""The box that tests run in holds."""

import socket
from pathlib import Path

import pytest


def test_nothing_connects_to_another_machine() -> None:
    """A connection or a look-up that would leave this machine is refused before it is tried."""
    with socket.socket() as outside, pytest.raises(RuntimeError, match="no network in tests"):
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(RuntimeError, match=r"no network in tests: 'example\.org'"):
        socket.getaddrinfo("example.org", 80)


def test_this_machine_can_be_reached() -> None:
    """Loopback stays open: the server's tests are real."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()


def test_home_and_working_folder_are_boxed(tmp_path: Path) -> None:
    """A test starts in a folder of its own, which is empty, and so is its home."""
    assert Path.cwd() == tmp_path
    assert Path.home().parent.parent == tmp_path.parent
    assert not [*tmp_path.iterdir(), *Path.home().iterdir()]
