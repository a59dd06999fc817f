"""How columns are usually called, however they are spelt."""

import pytest

from unrolled.data.parse.column_names import DATE_PARTS, bare, date_parts, largest_part, looks_like_key, spelt


@pytest.mark.parametrize(
    ("name", "words"),
    [("StoreID", "store_id"), ("itemId", "item_id"), ("Sr. No.", "sr_no_"), (" Unique-ID ", "unique_id")],
)
def test_names_are_spelt_in_one_way(name: str, words: str) -> None:
    """Capitals, spaces, points and hyphens make no difference."""
    assert spelt(name) == words
    assert bare(name) == words.replace("_", "")


def test_each_name_of_a_part_means_one_part() -> None:
    """All are spelt bare, and none stands in two rows."""
    words = [word for part in DATE_PARTS for word in part.names]
    assert len(set(words)) == len(words)
    assert [bare(word) for word in words] == words


def test_the_first_column_of_a_part_is_its_column() -> None:
    """A second hour stays a column."""
    assert date_parts(["hour", "HH", "Year"]) == {"H": "hour", "Y": "Year"}


def test_names_that_mean_more_are_no_part_of_a_date() -> None:
    """`min` beside `max` is the least of a day; `min` beside `hour` are minutes."""
    assert date_parts(["min"]) == {"M": "min"}
    assert (largest_part("min"), largest_part("minute"), largest_part("y")) == (-1, 60, -1)


def test_keys_by_their_spelling() -> None:
    """The usual names, and the usual endings."""
    names = ["store_nbr", "key", "keys", "no", "itemId"]
    assert [name for name in names if looks_like_key(name)] == ["store_nbr", "key", "itemId"]
