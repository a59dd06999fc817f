"""What a session needs of its streams."""

from typing import Any

from unrolled.stream.protocols import SupportsStreams


def test_streams_are_told_by_their_methods(recurrence: Any) -> None:
    """A dict has some of the methods, not all."""
    assert isinstance(recurrence(), SupportsStreams)
    assert not isinstance({}, SupportsStreams)
