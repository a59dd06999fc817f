"""Tables of texts and of paths: what their first rows tell, and cells that are no text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.data.io.text_tables import column_texts, is_text_content, read_table_head
from unrolled.data.parse.table import Table
from unrolled.errors import DataError


def test_the_first_rows_tell_what_a_table_holds(tmp_path: Path) -> None:
    """A long file is not read whole; what is no table has none."""
    path = tmp_path / "long.csv"
    path.write_text("x,y\n" + "1,2\n" * 400_000)
    head = read_table_head(path)
    assert head is not None
    assert list(head.columns) == ["x", "y"]
    assert 0 < len(head) < 400_000
    assert read_table_head("-") is None
    assert read_table_head(tmp_path / "absent.csv") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"a,b", True), (b"\xef\xbb\xbf a,b", True), (b"", True), (b"PAR1", False), (b"PK\x03\x04", False)],
)
def test_content_is_text_unless_it_begins_as_a_format_does(content: bytes, expected: bool) -> None:
    """With or without a mark of the byte order."""
    assert is_text_content(content) is expected


@pytest.mark.parametrize(
    ("cell", "got"), [(None, "nothing"), (np.nan, "nothing"), (" ", "nothing"), (3, "3")]
)
def test_cells_without_a_text_are_refused_by_row(cell: Any, got: str) -> None:
    """Missing, blank, or a number."""
    table = Table({"said": np.array(["warm", cell], dtype=object)}, "t.csv", str)
    with pytest.raises(DataError, match=rf"column 'said': expected a text, got '?{got}'?\. Write one"):
        column_texts(table, "said")
    assert column_texts(Table({"said": np.array(["a"], dtype=object)}, "t.csv", str), "said") == ["a"]
