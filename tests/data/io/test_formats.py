"""Parquet, Arrow, Excel, JSON and SQLite: the same table as from CSV, or a sentence."""

import datetime as dt
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from unrolled.data.io.read import read
from unrolled.errors import DataError, MissingDependencyError

DAYS = pd.date_range("2020-01-01", periods=3)
FRAME = pd.DataFrame({"day": DAYS, "shop": ["007"] * 3, "sold": [1.5, 2.0, 4.0]})
RECORDS = [{"day": f"2020-01-0{k + 1}", "shop": "007", "sold": v} for k, v in enumerate([1.5, 2.0, 4.0])]
ROWS = [["day", "shop", "sold"], *[[dt.date.fromisoformat(r["day"]), "007", r["sold"]] for r in RECORDS]]
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACK = "http://schemas.openxmlformats.org/package/2006/"


def _sheet(rows: list[list[Any]]) -> str:
    """A worksheet's XML: texts inline, dates as Excel's numbers with a date format."""
    cells = ""
    for r, row in enumerate(rows, 1):
        parts = []
        for c, value in enumerate(row):
            place = f'r="{chr(65 + c)}{r}"'
            if isinstance(value, dt.date):
                parts.append(f'<c {place} s="1"><v>{(value - dt.date(1899, 12, 30)).days}</v></c>')
            elif isinstance(value, str):
                parts.append(f'<c {place} t="inlineStr"><is><t>{value}</t></is></c>' if value else "")
            else:
                parts.append(f"<c {place}><v>{value}</v></c>")
        cells += f'<row r="{r}">{"".join(parts)}</row>'
    return f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'


def _workbook(path: str, **sheets: list[list[Any]]) -> str:
    """Write a workbook by hand: no library here writes one."""
    numbered = list(enumerate(sheets, 1))
    listed = "".join(f'<sheet name="{n}" sheetId="{k}" r:id="r{k}"/>' for k, n in numbered)
    links = "".join(
        f'<Relationship Id="r{k}" Type="{REL}/worksheet" Target="worksheets/sheet{k}.xml"/>'
        for k, _ in numbered
    )
    relations = f'{HEAD}<Relationships xmlns="{PACK}relationships">'
    parts = {
        "[Content_Types].xml": f'{HEAD}<Types xmlns="{PACK}content-types"></Types>',
        "_rels/.rels": f'{relations}<Relationship Id="a" Type="{REL}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{REL}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{relations}{links}<Relationship Id="s" Type="{REL}/styles" '
        'Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'{HEAD}<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
        **{f"xl/worksheets/sheet{k}.xml": _sheet(sheets[n]) for k, n in numbered},
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def _write(kind: str) -> str:
    path = f"flow.{kind}"
    if kind == "parquet":
        FRAME.to_parquet(path)
    elif kind == "feather":
        FRAME.to_feather(path)
    elif kind == "arrow":  # a stream
        table = pa.Table.from_pandas(FRAME)
        with pa.ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table)
    elif kind == "db":
        with sqlite3.connect(path) as base:
            base.execute("CREATE TABLE sales (day TEXT, shop TEXT, sold REAL)")
            base.executemany("INSERT INTO sales VALUES (:day, :shop, :sold)", RECORDS)
        base.close()
    elif kind == "xlsx":
        _workbook(path, May=ROWS)
    else:
        texts = {
            "jsonl": "\n".join(map(json.dumps, RECORDS)),
            "json": json.dumps(RECORDS),
            "ndjson": json.dumps({"meta": 1, "data": RECORDS}),
        }
        Path(path).write_text(texts[kind])
    return path


@pytest.mark.parametrize("kind", ["parquet", "feather", "arrow", "db", "xlsx", "jsonl", "json", "ndjson"])
def test_every_format_is_the_same_series(kind: str) -> None:
    """Dates, a text of digits, numbers."""
    series = read(_write(kind), id="shop")
    assert series.ids == ("007",)
    assert series.target.tolist() == [1.5, 2.0, 4.0]
    assert series.times.astype("M8[D]").astype(str).tolist() == [r["day"] for r in RECORDS]
    assert series.freq == "D"


def test_a_table_of_a_database_is_named() -> None:
    """Where there are several; also one that a write-ahead log belongs to."""
    _write("db")
    base = sqlite3.connect("flow.db")
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("CREATE TABLE 'odd ''name' (y REAL)")
    base.execute("INSERT INTO 'odd ''name' VALUES (1), (2)")
    base.commit()
    base.close()
    with pytest.raises(DataError) as fault:
        read("flow.db")
    assert str(fault.value) == "flow.db: expected one table, got sales, odd 'name. Name one: flow.db::sales."
    assert read("flow.db::sales").target.tolist() == [1.5, 2.0, 4.0]
    assert read("flow.db::odd 'name").target.tolist() == [1, 2]
    with pytest.raises(DataError, match=r"expected a table 'sale', got sales, .* Did you mean 'sales'"):
        read("flow.db::sale")


def test_a_sheet_is_read_with_its_titles() -> None:
    """The first sheet with a table, said where there are others; the rest by name."""
    _workbook("book.xlsx", Cover=[["Sales of May"], [""], *ROWS], June=[*ROWS[:3]], Empty=[])
    series = read("book.xlsx")
    assert len(series.values) == 3
    assert series.notes[:2] == (
        "sheet 'Cover' was read; book.xlsx::June is another",
        "1 line above the table left out",
    )
    assert len(read("book.xlsx::June").values) == 2
    with pytest.raises(DataError, match=r"expected a sheet 'Juni', got Cover, June. Did you mean 'June'"):
        read("book.xlsx::Juni")


def test_without_its_library_a_workbook_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    _write("xlsx")
    monkeypatch.setattr("unrolled.data.io.formats.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError) as fault:
        read("flow.xlsx")
    assert "pip install 'unrolled[excel]'" in str(fault.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.feather", b"ARROW1" + bytes(30), "expected a whole Arrow file"),
        ("a.db", b"SQLite format 3\x00" + bytes(40), "expected a whole SQLite file"),
        ("a.xls", b"\xd0\xcf\x11\xe0" + bytes(40), "expected a whole workbook"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "a.jsonl row 2: expected a JSON object, got a broken one"),
        ("a.json", b'[{"a": {"b": 1}}]', "column 'a': expected a text or a number a cell, got a dict."),
        ("a.json", b'{"a": [1, 2], "b": [1]}', "expected records or columns of equal length"),
    ],
)
def test_damaged_files_are_said(name: str, content: bytes, words: str) -> None:
    """One sentence each."""
    Path(name).write_bytes(content)
    with pytest.raises(DataError) as fault:
        read(name)
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_records_are_a_table() -> None:
    """A list of dicts, as an API answers."""
    assert read(RECORDS).target.tolist() == [1.5, 2.0, 4.0]


def test_pages_around_records_are_left_out() -> None:
    """Answers of the World Bank hold a page's number before the records; lists of lists are refused."""
    Path("gdp.json").write_text('[{"page": 1}, [{"date": "2020", "value": 3}, {"date": "2019", "value": 4}]]')
    assert read("gdp.json").target.tolist() == [4, 3]
    Path("odd.json").write_text('[{"page": 1}, [1, 2], [3, 4]]')
    with pytest.raises(DataError, match=r"odd\.json: expected records or columns"):
        read("odd.json")


@pytest.mark.parametrize("orient", ["columns", "records", "split", "index"])
def test_what_pandas_writes_is_read_back(orient: Any) -> None:
    """A frame, whichever way it lies."""
    frame = pd.DataFrame({"day": ["2021-01-01", "2021-01-02", "2021-01-03"], "sales": [5.5, 7.0, 4.0]})
    Path("sales.json").write_text(frame.to_json(orient=orient))
    series = read("sales.json")
    assert (series.ids, series.target.tolist(), series.freq) == (("sales",), [5.5, 7.0, 4.0], "D")


@pytest.mark.filterwarnings("ignore:'epoch' date format is deprecated")  # by pandas 3, which still writes it
@pytest.mark.parametrize("orient", ["index", "split"])
@pytest.mark.parametrize("date_format", ["epoch", "iso"])
def test_an_index_of_dates_that_pandas_writes_is_read_back(date_format: Any, orient: Any) -> None:
    """A series, or a frame with such an index: milliseconds since 1970, or texts."""
    days = pd.date_range("2021-01-01", periods=3)
    sales = pd.Series([5.5, 7.0, 4.0], index=days, name="sales")
    for data in (sales, sales.to_frame()):
        Path("sales.json").write_text(data.to_json(date_format=date_format, orient=orient))
        series = read("sales.json")
        assert (series.target.tolist(), str(series.times[-1])[:10]) == ([5.5, 7.0, 4.0], "2021-01-03")


def test_an_index_of_some_rows_is_dropped() -> None:
    """Of a frame that was filtered: it counts rows, and the times are a column."""
    frame = pd.DataFrame({"ds": ["2021-01-01", "x", "2021-01-02", "2021-01-03"], "y": [5.5, 0, 7.0, 4.0]})
    Path("sales.json").write_text(frame.drop(index=1).to_json())
    assert read("sales.json").times.astype(str).tolist()[0][:10] == "2021-01-01"


@pytest.mark.parametrize(
    "text",
    [
        '{"columns": 1, "index": 2, "data": 3}',
        '{"columns": ["y"], "index": [0], "data": [[1, 2]]}',
        '{"name": "y", "index": [0, 1], "data": [5]}',
    ],
)
def test_what_pandas_would_not_write_is_refused_in_a_sentence(text: str) -> None:
    """Whose parts do not fit together."""
    Path("odd.json").write_text(text)
    with pytest.raises(DataError, match=r"odd\.json: expected (columns|name), index, data as pandas writes"):
        read("odd.json")


def test_columns_in_an_envelope_are_a_table() -> None:
    """As Open-Meteo answers: a place, and an object of lists below it."""
    hourly = {"time": ["2021-01-01T00:00", "2021-01-01T01:00"], "temperature": [1.5, 2.5]}
    answer = {"latitude": 52.5, "hourly_units": {"time": "iso8601"}, "hourly": hourly}
    Path("berlin.json").write_text(json.dumps(answer))
    series = read("berlin.json")
    assert (series.ids, series.target.tolist(), series.freq) == (("temperature",), [1.5, 2.5], "h")
