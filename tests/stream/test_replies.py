"""Messages are checked where the stream plays no part; each fault has a code."""

from typing import Any

import numpy as np
import pytest

from unrolled.errors import StorageError, StoreError, StreamError, UnrolledError
from unrolled.stream.replies import Again, Applied, Gap, Old, check_events, check_number, check_stream


@pytest.mark.parametrize("name", ["a", "pump 7", "Zürich:ü", "x" * 128, "a.b", "...", "%2F"])
def test_printable_names_are_streams(name: str) -> None:
    """Whatever can be read and stands in an address."""
    assert check_stream(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 129, "a/b", ".", "..", "a\nb", "a\0", "\ud800", None, 7, ["a"], b"a", "\u202ea"]
)
def test_other_names_are_refused(name: Any) -> None:
    """Empty, long, with a slash or a control character, or no text."""
    with pytest.raises(StreamError, match="stream: expected a name of 1 to 128") as caught:
        check_stream(name)
    assert caught.value.code == "bad_stream"
    assert len(str(caught.value)) < 160


def test_numbers_end_at_two_to_the_53() -> None:
    """The last event of a message counts as well as the first."""
    assert check_number("n", np.int64(1)) == 1
    assert check_number("n", 2**53) == 2**53
    assert check_number("n", 2**53 - 2, count=3) == 2**53 - 2
    assert check_number("last", 0, least=0) == 0


@pytest.mark.parametrize(
    ("n", "count"),
    [(0, 1), (-1, 1), (2**53 + 1, 1), (2**53 - 1, 3), (True, 1), (1.0, 1), ("1", 1), (None, 1)],
)
def test_other_numbers_are_refused(n: Any, count: int) -> None:
    """Backwards, beyond, or no whole number."""
    with pytest.raises(StreamError, match=r"n: expected a whole number from 1 to 2\*\*53") as caught:
        check_number("n", n, count=count)
    assert caught.value.code == "bad_number"


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        ([1], (1,)),
        ([[1, 2]], (1, 2)),
        ([None, 1.5], (2,)),
        ([[None], [2]], (2, 1)),
        (np.ones((2, 3, 4)), (2, 3, 4)),
    ],
)
def test_events_become_an_array(x: Any, shape: tuple[int, ...]) -> None:
    """One event a row; a missing value is NaN."""
    events = check_events(x)
    assert (events.shape, events.dtype) == (shape, np.float64)
    assert np.isnan(events).sum() == sum(value is None for value in np.asarray(x, dtype=object).flat)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([], "at least one event"),
        ([[]], "at least one event"),
        (1.0, "list of events"),
        ("abc", "list of events"),
        (None, "list of events"),
        ({"a": 1}, "list of events"),
        (["1", "2"], "got str"),
        ([None, "2"], "list of events"),
        ([1 + 2j], "complex"),
        ([True, False], "list of events"),
        ([[1, 2], [3]], "one width"),
        ([[1, 2], 3], "one width"),
        ([float("inf")], "infinite"),
        ([10**400], "below 1e308"),
        ([None, 10**400], "below 1e308"),
    ],
)  # fmt: skip
def test_other_events_are_refused(x: Any, words: str) -> None:
    """No number, no list, none at all, ragged, or infinite."""
    with pytest.raises(StreamError, match=words) as caught:
        check_events(x)
    assert caught.value.code == "bad_input"


def test_errors_are_those_of_the_package() -> None:
    """A stream's is a ValueError, a store's an OSError; both carry a code."""
    assert issubclass(StreamError, UnrolledError | ValueError)
    assert issubclass(StoreError, StorageError)
    assert (StreamError("a.").code, StoreError("a.").code) == ("bad_input", "storage_failed")


def test_replies_of_two_kinds_are_never_equal() -> None:
    """Though they hold the same values."""
    assert Applied(1, b"") != Again(1, b"")
    assert Gap(1) != Old(1)
