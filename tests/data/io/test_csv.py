"""Files in every usual dialect, and a sentence for every file that is no table."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.io.files import read_file
from unrolled.data.parse.table import Table
from unrolled.errors import DataError

PLAIN = "date,price\n1950-01-01,16.88\n1950-02-01,17.21\n"
ZIPPED = gzip.compress(PLAIN.encode(), mtime=0)  # the time of writing would give each worker another test id
FOREIGN, SAVE = "expected CSV or Parquet, got", "Save the table as CSV first."


def _written(content: str | bytes, name: str = "flow.csv") -> Path:
    path = Path(name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _table_of(content: str | bytes, name: str = "flow.csv") -> Table:
    return read_file(_written(content, name))


def _fault_of(content: str | bytes, name: str = "flow.csv") -> str:
    with pytest.raises(DataError) as fault:
        _table_of(content, name)
    return str(fault.value)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", ", "),
        PLAIN.replace(",", ";").replace(".", ","),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN + "\n\n",
        PLAIN + ",\n,\n",
        '"date","price"\n"1950-01-01","16.88"\n"1950-02-01","17.21"\n',
        '"date","price"\n"1950-01-01","16,88"\n"1950-02-01","17,21"\n',
        "# made by hand\n# in 1951, twice\n" + PLAIN,
        "Prices of the year\n\n" + PLAIN,
        ",date,price\n0,1950-01-01,16.88\n1,1950-02-01,17.21\n",  # pandas' own index
        "date,price,\n1950-01-01,16.88,\n1950-02-01,17.21,\n",
        ZIPPED,
    ],
)
def test_every_dialect_is_the_same_table(content: str | bytes) -> None:
    """Separators, decimal signs, encodings, quotes, blank lines, comments and compression change nothing."""
    table = _table_of(content)
    assert list(table.columns) == ["date", "price"]
    assert table.columns["date"].tolist() == ["1950-01-01", "1950-02-01"]
    assert table.numbers("price").tolist() == [16.88, 17.21]


@pytest.mark.parametrize(
    "content", ["1950-01-01,16.88\n1950-02-01,17.21\n", "a,1950-01-01,16.88\na,1950-02-01,17.21\n", "5\n6\n"]
)
def test_a_file_without_a_header(content: str) -> None:
    """A first row that looks like the others is data; columns are numbered, and a note says so."""
    table = _table_of(content)
    assert len(table) == 2
    assert list(table.columns)[-1] == f"column {len(table.columns)}"
    assert table.notes == ("the file has no header: columns are numbered",)
    assert table.place(0) == "flow.csv row 1"


@pytest.mark.parametrize(
    "content", ["date,1,2\n1950-01-01,5,6\n", "a,b\nx,y\nz,w\n", "name\nx\n", "x,5\n7,x\n"]
)
def test_a_header_that_could_be_data(content: str) -> None:
    """Numbers among the names, or words in all rows, leave the first row a header."""
    assert list(_table_of(content).columns) == content.splitlines()[0].split(",")


@pytest.mark.parametrize("name", ["price", "Kurs, Ende", 'the "price"', "Preis\n(Euro)"])
def test_quoted_names(name: str) -> None:
    """Separators, quotes and line ends inside quotes belong to the name."""
    quoted = name.replace('"', '""')
    table = _table_of(f'date,"{quoted}"\n1950-01-01,16.88\n1950-02-01,17.21\n')
    assert list(table.columns) == ["date", name]
    assert table.numbers(name).tolist() == [16.88, 17.21]


def test_rows_are_counted_as_people_see_them() -> None:
    """Header, comments, blank lines and line ends inside quotes count; the first line is 1."""
    table = _table_of(
        '# note\n\ndate,price,text\n1950-01-01,1,"a\nb"\n\n1950-02-01,2,c\n,,\n1950-03-01,3,d\n'
    )
    assert [table.place(row) for row in range(3)] == ["flow.csv row 5", "flow.csv row 7", "flow.csv row 9"]


def test_a_long_file_is_cut_by_its_first_lines() -> None:
    """What is found in the first lines holds for lines far beyond them."""
    rows = "".join(f"{1000 + k};{k},5\n" for k in range(40_000))
    table = _table_of("step;value\n" + rows)
    assert len(table) == 40_000
    assert table.numbers("value")[-1] == 39_999.5


@pytest.mark.parametrize(
    ("content", "row", "wanted", "got"),
    [
        ("date,price\n1950-01-01,16.88\n1950-02-01,17,21\n1950-03-01,5\n", 3, 2, 3),
        ("date,price\n1950-01-01,16,88\n1950-02-01,17,21\n", 2, 2, 3),
        ("price\n1950-01-01,16\n1950-02-01,17\n", 2, 1, 2),
        ("a,b,kind\n1,2,up,9\n3,4,down\n", 2, 3, 4),
    ],
)
def test_rows_of_another_width(content: str, row: int, wanted: int, got: int) -> None:
    """A row with more fields than the header has is named; a decimal comma is the usual cause."""
    fields = "field" if wanted == 1 else "fields"
    assert _fault_of(content) == (
        f"flow.csv row {row}: expected {wanted} {fields} as in the header, got {got}. Quote numbers with a "
        "decimal comma, or separate fields with semicolons."
    )


def test_one_column_of_decimal_commas() -> None:
    """Where every line below the header is a number with a comma, there is one column."""
    assert _table_of("price\n16,88\n17,21\n").numbers("price").tolist() == [16.88, 17.21]


def test_a_quote_that_stays_open() -> None:
    """Its row is named."""
    assert _fault_of('date,price\n1950-01-01,1\n1950-02-01,"2\n1950-03-01,3\n').startswith(
        "flow.csv row 3: expected each quote to be closed"
    )


def test_a_name_twice() -> None:
    """Two columns of one name cannot be told apart."""
    assert _fault_of("date,price,price\n1950-01-01,1,2\n") == (
        "flow.csv row 1: expected distinct column names, got 'price' twice. Rename one."
    )


def test_a_short_row_is_missing_values() -> None:
    """A row cut off before its last field has a missing value there."""
    assert str(_table_of("date,price\n1950-01-01,1\n1950-02-01\n").numbers("price").tolist()) == "[1.0, nan]"


def test_true_and_false_are_one_and_zero() -> None:
    """As in frames; another word among them is named."""
    table = _table_of("date,open\n2020-01-01,True\n2020-01-02,false\n2020-01-03,\n")
    assert table.kinds["open"] == "number"
    assert np.array_equal(table.numbers("open"), [1.0, 0.0, np.nan], equal_nan=True)
    with pytest.raises(DataError, match=r"row 4, column 'open': expected a number, got 'x'\."):
        _table_of("date,open\n2020-01-01,True\n2020-01-02,False\n2020-01-03,x\n").numbers("open")


@pytest.mark.parametrize(
    ("content", "row"),
    [("date,price\n1950-01-01,1,\n1950-02-01,2,\n", 2), ("date,price\n1950-01-01,1\n1950-02-01,2,\n", 3)],
)
def test_a_separator_at_the_line_s_end(content: str, row: int) -> None:
    """It is told from a decimal comma: nothing stands behind it."""
    assert _fault_of(content) == (
        f"flow.csv row {row}: expected 2 fields as in the header, got 3. Name that column in the header, or "
        "remove the separator at the line's end."
    )


@pytest.mark.parametrize(
    ("content", "row"),
    [
        (f"date,{'x' * 140_000}\n1950-01-01,1\n", 1),
        (f"date,price\n1950-01-01,1\n1950-02-01,1,2\n1950-03-01,{'x' * 140_000}\n", None),
        (f"date,price\n1950-01-01,1\n{'x' * 140_000},1\n1950-02-01,1,2\n", 3),
    ],
)
def test_a_field_beyond_all_measure(content: str, row: int | None) -> None:
    """Its row is named where it stands in the way of reading."""
    said = _fault_of(content)
    if row is None:
        assert said.startswith("flow.csv row 3: expected 2 fields")
    else:
        assert said == (
            f"flow.csv row {row}: expected fields of at most 131,072 characters, got a longer one. "
            "Shorten it, or close the quote that stays open."
        )


def test_a_file_of_comments() -> None:
    """It holds no table."""
    assert _fault_of("# a\n# b\n") == (
        "flow.csv: expected a header and rows below it, got only comments. Export it again."
    )


def test_long_cells_are_cut_in_messages() -> None:
    """Sixty characters tell which one it is."""
    with pytest.raises(DataError) as fault:
        _table_of(f"day,price\n1,1\n2,{'x' * 400}\n3,4\n").numbers("price")
    assert f"got '{'x' * 60}...'. " in str(fault.value)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("0,1,2,label\n5,6,7,up\n", True),
        ("0.0,0.5,1.0,Class\n5,6,7,up\n", True),
        ("0,1,2,move\n5,6,7,up\n8,6,4,down\n8,6,4,up\n", True),
        ("0,1,2,up\n2,1,0,down\n", False),
        ("0,1,2,up\n2,1,0,down\n0,1,2,up\n2,1,0,down\n", False),
        ("0,1,3,move\n5,6,7,up\n8,6,4,down\n8,6,4,up\n", False),
    ],
)
def test_numbered_steps_beside_a_label_are_a_header(text: str, header: bool) -> None:
    """What pandas writes for a frame without names is no row of data; a first row that could be one is."""
    table = _table_of(text)
    assert len(table) == text.count("\n") - header
    assert ("column 1" in table.columns) is not header


def test_a_counter_called_by_its_sign_is_no_comment() -> None:
    """A logger's export: a title in quotes, then `#` as the name of the first column."""
    table = _table_of(
        '"Plot Title: pond"\n"#","Date Time","Temp, °C"\n1,2021-01-01 00:00,5.5\n2,2021-01-01 01:00,6\n'
    )
    assert list(table.columns) == ["#", "Date Time", "Temp, °C"]
    assert table.notes == ("1 line above the table left out",)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sep=;\nday;y\n2020-01-01;1,5\n2020-01-02;2\n", ["day", "y"]),
        ("<DATE>\t<CLOSE>\n2020.01.01\t1.5\n2020.01.02\t2\n", ["DATE", "CLOSE"]),
        ("day         y\n2020-01-01  1.5\n2020-01-02    2\n", ["day", "y"]),
        ("area,2019,2020\nx,5,7\ny,6,8\n", ["area", "2019", "2020"]),
    ],
)
def test_more_dialects(text: str, names: list[str]) -> None:
    """Excel's first line, MetaTrader's brackets, runs of spaces, a header of years."""
    table = _table_of(text)
    assert list(table.columns) == names
    assert len(table) == 2
    assert table.place(0) == f"flow.csv row {2 + text.startswith('sep')}"


DATED = "".join(f"2021-03-0{k},{k}.5,{k}\n" for k in range(1, 8))


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("date,load,temp\n,MW,K\n", ["date", "load", "temp"]),
        ("date,load,temp\nunit,MW,K\nsource,grid,sky\n", ["date", "load", "temp"]),
        ("Title,Load,Temp\nUnit,MW,K\nRelease date,17-01-2024,\nNotes,,\n", ["date", "Load", "Temp"]),
        ("Source,grid,sky\nUnit,MW,K\ndate,load,temp\n", ["date", "load", "temp"]),
        ("Price,Close,Open\nTicker,AAPL,AAPL\nDate,,\n", ["Date", "Close", "Open"]),
        ("Price,Close,Close\nTicker,AAPL,MSFT\nDate,,\n", ["Date", "Close AAPL", "Close MSFT"]),
        (",a,a\n,x,y\n", ["date", "a x", "a y"]),
    ],
)
def test_a_header_of_several_rows_is_one(header: str, names: list[str]) -> None:
    """Units, sources and levels of names above the dates; a note says how many lines were left out."""
    table = _table_of(header + DATED)
    assert list(table.columns) == names
    assert table.place(0) == f"flow.csv row {header.count(chr(10)) + 1}"
    assert any("below the first of the header" in note for note in table.notes)


@pytest.mark.parametrize(
    "text",
    [
        "date,load\nTotal,100\n2021-01-01,40\n2021-01-02,60\n",
        "shop,load\na1,3\na2,4\n17,5\n18,6\n",
        "x,y\n,1\n,2\n3,4\n5,6\n",
    ],
)
def test_a_row_with_numbers_belongs_to_no_header(text: str) -> None:
    """A total above the dates, names before numbers, blanks before numbers: all are data."""
    table = _table_of(text)
    assert len(table) == text.count("\n") - 1
    assert not table.notes
