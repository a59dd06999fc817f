"""Files to tables: read, decompressed, and told by their content, not by their name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import shlex
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from unrolled.data.io.csv import parse_csv
from unrolled.data.io.formats import FORMATS, is_workbook
from unrolled.data.parse.table import Table
from unrolled.errors import DataError
from unrolled.validation import ErrorCollector, suggest_spelling

ItemT = TypeVar("ItemT")
ContentT = TypeVar("ContentT")

SUFFIXES = (
    ".csv", ".tsv", ".txt", ".tab", ".dat", ".gz", ".bz2", ".xz", ".zst", ".zip", ".parquet", ".pq",
    ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".ods", ".feather", ".arrow", ".db", ".sqlite", ".sqlite3",
)  # fmt: skip
STDIN = "-"
PART = "::"  # between a file and the part of it that is meant
_MAX_FAULTS = 5  # files that are named before the reading stops
_URL = re.compile(r"([a-z][a-z0-9]+):/+", re.IGNORECASE)
_FETCHED = ("http", "https", "ftp", "ftps")
_READERS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xls": "excel",
    ".json": "json",
    ".feather": "feather",
}
_AS_CSV = "Save the table as CSV first"
_FOREIGN = (
    (b"%PDF", "a PDF", _AS_CSV),
    (b"\x89HDF", "HDF5", _AS_CSV),
    (b"Obj\x01", "Avro", _AS_CSV),
    (b"<!", "a web page or XML", _AS_CSV),
    (b"<?", "a web page or XML", _AS_CSV),
    (b"<html", "a web page or XML", _AS_CSV),
    (b"PK\x05\x06", "a zip of no file", "Save it again"),
    (b"version https://git-lfs", "a pointer of Git LFS", "Fetch the file: git lfs pull"),
)
_RECORDING = ("a recording", "Learn from it with read_recordings or 'unrolled classify'")
_PICTURE = ("a picture", "Learn from a folder of frames with read_videos")
_MEDIA = (
    (b"RIFF", *_RECORDING),
    (b"fLaC", *_RECORDING),
    (b"OggS", *_RECORDING),
    (b"ID3", *_RECORDING),
    (b"\x89PNG", *_PICTURE),
    (b"\xff\xd8\xff", *_PICTURE),
)
_TAR = slice(257, 262)  # of its first header
_WORD = re.compile(rb"[A-Za-z\x80-\xff]{3,}")
_SAMPLE_BYTES = 65_536
_ENCODINGS = ("cp1251", "cp932", "gb18030", "cp949")  # of Russian, Japanese, Chinese and Korean tables


def _unzstd(content: bytes) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 (few files are)

    data: bytes = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
    return data


_COMPRESSED: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", "gzip", gzip.decompress),
    (b"BZh", "bzip2", bz2.decompress),
    (b"\xfd7zXZ", "xz", lzma.decompress),
    (b"(\xb5/\xfd", "Zstandard", _unzstd),
)


def visible_files(folder: Path) -> list[Path]:
    """Find all files beneath a folder that are not hidden, through links too, broken ones among them."""
    paths: list[Path] = []
    for root, folders, names in os.walk(folder, followlinks=True):
        here = Path(root).resolve()
        visible = [name for name in folders if not name.startswith(".")]
        # a link to a folder that it stands in would be walked for ever
        folders[:] = [name for name in visible if not here.is_relative_to((here / name).resolve())]
        files_here = [Path(root, name) for name in names if not name.startswith(".")]
        paths += [file for file in files_here if file.is_file() or file.is_symlink()]
    return sorted(paths)


def read_each(read: Callable[[ItemT], ContentT], items: Iterable[ItemT]) -> list[ContentT]:
    """Read some files, one after the other.

    Args:
        read: one of them.
        items: what it is given.

    Raises:
        DataError: some cannot be read; the message has the first five.

    >>> read_each(len, ["to", "be"])
    [2, 2]
    """
    faults, contents, n_faults = ErrorCollector(DataError), list[ContentT](), 0
    for item in items:
        try:
            contents.append(read(item))
        except DataError as fault:
            faults.add(str(fault))
            n_faults += 1
            if n_faults == _MAX_FAULTS:
                break
    faults.raise_if_any()
    return contents


def refuse_url(text: str) -> None:
    """Pass if a text is no address.

    Raises:
        DataError: it is one; nothing is fetched here.
    """
    if scheme := _URL.match(text):
        url = f"{scheme[1]}://{text[scheme.end() :]}"
        reader = next((kind for ending, kind in _READERS.items() if url.lower().endswith(ending)), "csv")
        shell = f": curl -L '{url}' | unrolled describe -," if scheme[1].lower() in _FETCHED else ","
        raise DataError(
            f"{url}: expected a file, got an address. Fetch it first{shell} or in Python "
            f"read(pandas.read_{reader}('{url}'))."
        )


def read_file(path: Path) -> Table:
    """Read the table in a file, or in the files of a folder.

    Args:
        path: CSV with any separator, decimal sign and usual encoding; Parquet, Arrow, Excel, JSON lines,
            SQLite; any of them compressed, or alone in a zip; told by its content, not its name. "-" is
            standard input; a folder or a pattern such as "2021-*.csv" is all its files, one below the other;
            `shop.xlsx::May` is a sheet, `shop.db::sales` a table, `all.zip::may.csv` a file in it.

    Raises:
        DataError: there is no such file, or it is empty, cut, of another kind, or not a table.
    """
    return read_files(_paths(path), path.name)


def read_files(paths: Sequence[Path], source: str = "files") -> Table:
    """Read the tables in some files, of the same columns, one below the other."""
    tables = [parse_table(read_decompressed(one), one) for one in paths]
    return tables[0] if len(tables) == 1 else _joined(tables, source)


def _paths(path: Path) -> list[Path]:
    """List the files that are meant: of a folder or a pattern, in the order of their names."""
    if path.is_dir():
        files = [
            one for one in sorted(path.rglob("*")) if one.is_file() and not one.name.startswith((".", "_"))
        ]
        kinds = {one.suffix.lower() for one in files}
        if len(kinds) > 1 or not files:
            got = f"one with {len(files)} files of {len(kinds)} kinds" if files else "an empty one"
            raise DataError(f"{path}: expected a folder of files of one kind, got {got}. Name a file in it.")
        return files
    if any(sign in path.name for sign in "*?[") and not path.exists():
        return sorted(path.parent.glob(path.name)) or [path]
    return [path]


def _joined(tables: list[Table], source: str) -> Table:
    """Put tables of the same columns one below the other."""
    first = tables[0]
    for table in tables[1:]:
        if set(table.columns) != set(first.columns):
            odd = min(set(table.columns) ^ set(first.columns))
            raise DataError(
                f"{source}: expected the same columns in each file, got {odd!r} in only one of "
                f"{first.source} and {table.source}. Read them one by one."
            )
    starts = np.cumsum([0, *map(len, tables)])

    def place(row: int) -> str:
        k = int(np.searchsorted(starts, row, side="right")) - 1
        return tables[k].place(row - int(starts[k]))

    columns = {name: np.concatenate([table.columns[name] for table in tables]) for name in first.columns}
    notes = dict.fromkeys(note for table in tables for note in table.notes)
    return Table(
        columns, source, place, separator=first.separator, notes=(f"{len(tables)} files were joined", *notes)
    )


def parse_table(content: bytes, path: Path) -> Table:
    r"""Parse the content of a file; the path is for messages.

    >>> parse_table(b"ds,y\n2020,1.5\n", Path("flow.csv")).numbers("y")
    array([1.5])
    """
    part = path.name.partition(PART)[2]
    for magic, parse in FORMATS:
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(magic):
            return parse(content, path, part)
    for magic, kind, way in _FOREIGN:
        if content.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(magic.lower()):
            raise DataError(f"{path}: expected CSV or Parquet, got {kind}. {way}.")
    if content[_TAR] == b"ustar":
        raise DataError(f"{path}: expected one file, got an archive of tar. Unpack it: tar -xf {path}.")
    text, notes = decode_text(content, path)
    return parse_csv(text, "standard input" if path.name == STDIN else path.name, notes)


def read_decompressed(path: Path, *, expected: str = "a header and rows below it") -> bytes:
    """Read the bytes of a file, or of standard input, decompressed where they are compressed.

    Args:
        path: the file; "-" for standard input.
        expected: what an empty file lacks, for its message.

    Raises:
        DataError: there is no such file, it cannot be read, or is empty, or its compression is cut.
    """
    refuse_url(str(path))
    name, _, part = str(path).partition(PART)
    whole = path if path.exists() or not part else Path(name)
    try:
        content = sys.stdin.buffer.read() if name == STDIN else whole.read_bytes()
    except FileNotFoundError as fault:
        raise DataError(f"{path}: expected a file, got none of that name.{_similar_file(path)}") from fault
    except IsADirectoryError as fault:
        raise DataError(f"{path}: expected a file, got a folder. Name a file in it.") from fault
    except OSError as fault:
        raise DataError(f"{path}: expected a file that can be read, got '{fault.strerror}'.") from fault
    content = _decompressed(content, path, part)
    if not content.strip():
        raise DataError(f"{path}: expected {expected}, got an empty file. Export it again.")
    return content


def _decompressed(content: bytes, path: Path, part: str) -> bytes:
    for magic, kind, decompress in _COMPRESSED:
        if content.startswith(magic):
            try:
                content = decompress(content)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as fault:
                raise DataError(
                    f"{path}: expected a whole {kind} file, got a cut or damaged one. Fetch it again."
                ) from fault
    if (
        content.startswith(b"PK\x03\x04")
        and zipfile.is_zipfile(io.BytesIO(content))
        and not is_workbook(content)
    ):
        return _unzipped(content, path, part)
    return content


def _unzipped(content: bytes, path: Path, part: str) -> bytes:
    """Read the one file in a zip, or that of the name given; arrays of NumPy stay as they are."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX")]
    if any(name.endswith(".npy") for name in names):
        return content
    members = [part] if part in names else [] if part else names
    if len(members) != 1:
        some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise DataError(
            f"{path}: expected a zip of one file, got {len(names)}: {some}. Name one: "
            f"{shlex.quote(f'{str(path).partition(PART)[0]}{PART}{names[0]}')}."
        )
    return _decompressed(archive.read(members[0]), path, "")


def _similar_file(path: Path) -> str:
    """Suggest the nearest file name in that folder, or say what is wrong with the folder."""
    if not path.parent.is_dir():
        return f" There is no folder {path.parent}."
    return suggest_spelling(path.name, (p.name for p in islice(path.parent.iterdir(), 10_000) if p.is_file()))


def decode_text(content: bytes, path: Path) -> tuple[str, list[str]]:
    """Decode a file as UTF-8, as UTF-16 by its mark, else as Western European.

    Raises:
        DataError: it is no text, or has words of letters that are none of Western Europe's.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\x00" in content[:65_536]:
        kind, way = next(
            ((k, w) for magic, k, w in _MEDIA if content.startswith(magic)), ("binary data", _AS_CSV)
        )
        raise DataError(f"{path}: expected CSV or Parquet, got {kind}. {way}.")
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding), []
    except UnicodeDecodeError:
        _require_western(content, path)
        note = "the file is not UTF-8 and was read as Western European (Windows-1252)"
    try:
        return content.decode("cp1252"), [note]
    except UnicodeDecodeError:
        return content.decode("latin-1"), [note]


def _require_western(content: bytes, path: Path) -> None:
    """Pass if accents stand among letters of ASCII, as in Western Europe's languages.

    Words of bytes beyond ASCII alone are Cyrillic, Greek or East Asian: decoded as Western they are garbled.
    """
    words = [word for word in _WORD.findall(content[:_SAMPLE_BYTES]) if max(word) >= 0x80]
    foreign = [word for word in words if 2 * sum(byte >= 0x80 for byte in word) > len(word)]
    if 2 * len(foreign) <= len(words) or not foreign:
        return
    ways = {name: word for name in _ENCODINGS if (word := _decoded_word(foreign, name))}
    readings = [f"{word!r} in {name}" for name, word in ways.items()]
    shown = f", whose first word is {' or '.join(readings)}" if readings else ""
    raise DataError(
        f"{path}: expected UTF-8, got another encoding{shown}. Save the file as UTF-8, or name its encoding: "
        f"frame = pandas.read_csv(path, encoding={next(iter(ways), 'cp1253')!r})."
    )


def _decoded_word(words: list[bytes], encoding: str) -> str:
    """Return the first word in an encoding that makes letters of all words; "" where it does not."""
    try:
        decoded = [word.decode(encoding) for word in words]
    except UnicodeDecodeError:
        return ""
    return decoded[0] if all(word.isalpha() for word in decoded) else ""
