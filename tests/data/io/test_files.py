"""Files and folders, compressed or not, and a sentence for every file that is no table."""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from unrolled.data.io.files import read_file, read_files
from unrolled.data.io.read import read
from unrolled.data.parse.table import Table
from unrolled.errors import DataError

PLAIN = "date,price\n1950-01-01,16.88\n1950-02-01,17.21\n"
ZIPPED = gzip.compress(PLAIN.encode(), mtime=0)  # the time of writing would give each worker another test id
FOREIGN, SAVE = "expected CSV or Parquet, got", "Save the table as CSV first."


def _written(content: str | bytes, name: str = "flow.csv") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _table_of(content: str | bytes, name: str = "flow.csv") -> Table:
    return read_file(_written(content, name))


def _fault_of(content: str | bytes, name: str = "flow.csv") -> str:
    with pytest.raises(DataError) as fault:
        _table_of(content, name)
    return str(fault.value)


def _zip_of(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return buffer.getvalue()


def _zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def test_the_name_of_a_file_says_nothing() -> None:
    """Content tells what a file is: a gzipped CSV under any name, Parquet called .csv."""
    assert len(_table_of(ZIPPED, "flow.txt")) == 2
    frame = pd.DataFrame({"ds": pd.date_range("1950", periods=3), "y": [1.0, 2.0, 3.0]})
    frame.to_parquet("flow.csv")
    assert read_file(Path("flow.csv")).columns["y"].tolist() == [1.0, 2.0, 3.0]


def test_parquet_keeps_its_index() -> None:
    """A frame saved with a DatetimeIndex comes back with it as the time column."""
    pd.DataFrame({"y": [1.0, 2.0]}, index=pd.date_range("1950", periods=2, name="when")).to_parquet(
        "flow.parquet"
    )
    assert read_file(Path("flow.parquet")).index == "when"


def test_latin_1_is_read_and_said() -> None:
    """A file that is not UTF-8 is Western European, with a note."""
    table = _table_of("date,Stück\n1950-01-01,5\n".encode("latin-1"))
    assert list(table.columns) == ["date", "Stück"]
    assert table.notes == ("the file is not UTF-8 and was read as Western European (Windows-1252)",)


def test_no_file() -> None:
    """The nearest name in that folder is offered; a missing folder is said."""
    _written(PLAIN, "prices.csv")
    with pytest.raises(DataError) as fault:
        read_file(Path("price.csv"))
    assert str(fault.value) == "price.csv: expected a file, got none of that name. Did you mean 'prices.csv'?"
    with pytest.raises(DataError) as fault:
        read_file(Path("nowhere/price.csv"))
    assert str(fault.value) == (
        "nowhere/price.csv: expected a file, got none of that name. There is no folder nowhere."
    )


def test_a_folder() -> None:
    """An empty folder is no table."""
    with pytest.raises(DataError) as fault:
        read_file(Path())
    said = ".: expected a folder of files of one kind, got an empty one. Name a file in it."
    assert str(fault.value) == said


def _tar_of(text: str) -> bytes:
    buffer, member = io.BytesIO(), tarfile.TarInfo("flow.csv")
    member.size = len(text)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "expected a header and rows below it, got an empty file. Export it again."),
        (" \n\n", "expected a header and rows below it, got an empty file. Export it again."),
        ("date,price\n", "expected rows below the header, got only the header. Export it again."),
        ("date,price\n,\n", "expected rows below the header, got only the header. Export it again."),
        (ZIPPED[:-9], "expected a whole gzip file, got a cut or damaged one. Fetch it again."),
        (b"PAR1" + bytes(50), "expected a whole Parquet file, got a cut or damaged one. Fetch it again."),
        (
            b"PK\x03\x04" + bytes(50),
            "expected a whole workbook, got a cut, damaged or protected one. Save it again.",
        ),
        (b'{"date": []}', "expected columns and rows, got shape (0, 1)."),
        (b"<html></html>", f"{FOREIGN} a web page or XML. {SAVE}"),
        (b"PK\x05\x06" + bytes(18), f"{FOREIGN} a zip of no file. Save it again."),
        (
            b"version https://git-lfs.github.com/spec/v1\nsize 9\n",
            f"{FOREIGN} a pointer of Git LFS. Fetch the file: git lfs pull.",
        ),
        (_tar_of(PLAIN), "expected one file, got an archive of tar. Unpack it: tar -xf flow.csv."),
        (
            b"RIFF" + bytes(40),
            f"{FOREIGN} a recording. Learn from it with read_recordings or 'unrolled classify'.",
        ),
        (bytes(range(256)), f"{FOREIGN} binary data. {SAVE}"),
    ],
)
def test_a_file_that_is_no_table(content: str | bytes, sentence: str) -> None:
    """Empty, cut or foreign files are said to be so, with the way out."""
    assert _fault_of(content) == f"flow.csv: {sentence}"


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, _zstd])
def test_compressed_files_are_told_by_their_content(compress: Any) -> None:
    """Whatever they are called; one that is cut is said to be so."""
    content = compress(PLAIN.encode())
    assert _table_of(content).numbers("price").tolist() == [16.88, 17.21]
    assert "got a cut or damaged one. Fetch it again." in _fault_of(content[: len(content) // 2])


def test_a_zip_of_one_file_is_that_file() -> None:
    """Of several, one is named with two colons."""
    assert _table_of(_zip_of(may=PLAIN), "all.zip").numbers("price").tolist() == [16.88, 17.21]
    several = _zip_of(may=PLAIN, june=PLAIN.replace("16", "26"))
    assert _fault_of(several, "all.zip") == (
        "all.zip: expected a zip of one file, got 2: may.csv, june.csv. Name one: all.zip::may.csv."
    )
    assert read("all.zip::june.csv").target.tolist() == [26.88, 17.21]
    Path("my data").mkdir()
    Path("all.zip").rename("my data/all.zip")
    with pytest.raises(DataError, match=r"Name one: 'my data/all\.zip::may\.csv'\."):  # as the shell takes it
        read("my data/all.zip")


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Called "-", compressed or not."""
    for content in (PLAIN.encode(), ZIPPED):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert read("-").target.tolist() == [16.88, 17.21]


@pytest.mark.parametrize(
    "url", ["https://example.org/a.csv", "http://example.org/a?b=1", "s3://bucket/key.pq"]
)
def test_an_address_is_refused_with_the_line_that_works(url: str) -> None:
    """As a text and as a path, which runs its slashes together."""
    for source in (url, Path(url)):
        with pytest.raises(DataError) as fault:
            read(source)
        said = f"{url}: expected a file, got an address. Fetch it first: curl -L '{url}' | unrolled"
        if url.startswith("s3"):  # curl fetches nothing from there
            said = f"{url}: expected a file, got an address. Fetch it first, or in Python "
            said += f"read(pandas.read_parquet('{url}'))."
        assert str(fault.value).startswith(said)


def test_several_files_are_one_below_the_other() -> None:
    """A folder, a pattern or a list; a row is found in its own file, other columns are refused."""
    for month, price in (("05", "1"), ("06", "2")):
        _written(f"date,price\n2021-{month}-01,{price}\n2021-{month}-02,x\n", f"part/2021-{month}.csv")
    for table in (
        read_file(Path("part")),
        read_file(Path("part/2021-*.csv")),
        read_files([Path("part/2021-05.csv"), Path("part/2021-06.csv")]),
    ):
        assert table.columns["price"].tolist() == ["1", "x", "2", "x"]
        assert table.place(3) == "2021-06.csv row 3"
        assert table.notes[0] == "2 files were joined"
    with pytest.raises(DataError, match=r"2021-05.csv row 3, column 'price': expected a number, got 'x'"):
        read(["part/2021-05.csv", "part/2021-06.csv"], target="price")
    _written("date,cost\n2021-07-01,1\n", "part/2021-07.csv")
    with pytest.raises(DataError, match="expected the same columns in each file, got 'cost' in only one of"):
        read_file(Path("part"))
    _written("{}", "part/more.json")
    with pytest.raises(DataError, match="expected a folder of files of one kind"):
        read_file(Path("part"))


def test_parquet_files_of_a_folder_are_one_table() -> None:
    """As other programs write them."""
    frame = pd.DataFrame({"ds": pd.date_range("2020", periods=4), "y": np.arange(4.0)})
    Path("parts").mkdir()
    frame[:2].to_parquet("parts/part-0.parquet")
    frame[2:].to_parquet("parts/part-1.parquet")
    Path("parts/_SUCCESS").touch()
    assert read("parts").target.tolist() == [0, 1, 2, 3]
