"""One call for every kind of file of labelled sequences, and what each refuses."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.arrays import as_sequences
from unrolled.data.labelled.read import Labelled, parts_of, read_labelled
from unrolled.errors import ArgumentError, DataError, UnrolledError

VALUES = [[1.0, 2.0, 4.0], [5.0, 7.0, 9.0], [8.0, 6.0, 5.0]]
WIDE = "t0,t1,t2,label\n1,2,4,run\n5,7,9,walk\n8,6,5,run\n"
TS = "@univariate true\n@classLabel true run walk\n@data\n1,2,4:run\n5,7,9:walk\n8,6,5:run\n"
LABELS = np.array(["run", "walk", "run"])
NESTED = pd.DataFrame({"x": VALUES, "kind": LABELS})
BYTES = np.array([b"run", b"walk", b"run"])
ARFF = "@attribute kind {run,walk}\n@data\n1,2,4,run\n5,7,9,walk\n8,6,5,run\n"
RELATIONAL = "@attribute kind {run,walk}\n@data\n'1,2,4',run\n'5,7,9',walk\n\"8,6,5\",run\n"


def _long() -> pd.DataFrame:
    ids = np.repeat(["p", "q", "r"], 3)
    return pd.DataFrame(
        {"unique_id": ids, "ds": np.tile([0, 1, 2], 3), "x": np.ravel(VALUES), "label": LABELS.repeat(3)}
    )


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(None)


def _read(content: str | bytes, name: str = "steps.csv", **named: Any) -> Labelled:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_labelled(name, **named)


def _fault_of(content: str | bytes, name: str = "steps.csv", **named: Any) -> str:
    with pytest.raises(UnrolledError) as fault:
        _read(content, name, **named)
    return str(fault.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("steps.csv", WIDE),
        ("steps.tsv", WIDE.replace(",", "\t")),
        ("steps.csv.gz", gzip.compress(WIDE.encode(), mtime=0)),
        ("steps.csv", WIDE.replace("\n", ",\n").replace("label,", "label,remarks")),
        ("steps.ts", TS),
        ("steps.ts", TS.encode("utf-8-sig")),
        ("steps.ts.gz", gzip.compress(TS.encode(), mtime=0)),
        ("steps.txt", "# told by its content\n" + TS),
        ("steps.npz", _npz(X=VALUES, y=LABELS)),
        ("steps.npz", _npz(X=np.array(VALUES)[:, :, None], y=LABELS)),
        ("steps.zip", _npz(X=VALUES, y=LABELS)),
        ("steps.parquet", _parquet(_long())),
        ("steps.parquet", _parquet(pd.DataFrame(VALUES, columns=list("abc")).assign(label=LABELS))),
        ("steps.parquet", _parquet(NESTED)),
        ("steps.jsonl", NESTED.to_json(orient="records", lines=True)),
        ("steps.csv", _long().to_csv(index=False)),
        ("steps.parquet", _parquet(pd.DataFrame(VALUES, columns=list("abc")).assign(label=BYTES))),
        ("steps.npz", _npz(X=VALUES, y=BYTES)),
        ("steps.arff", "@relation r\n" + "".join(f"@attribute t{k} real\n" for k in range(3)) + ARFF),
        ("steps.arff", "@relation r\n@attribute v relational\n@attribute a real\n@end v\n" + RELATIONAL),
    ],
)
def test_every_kind_of_file_is_the_same_sequences(name: str, content: str | bytes) -> None:
    """CSV and Parquet, wide, long or nested, .ts and .npz: the same values and labels."""
    read = _read(content, name)
    assert read.source == read.sequences.source == name
    assert read.sequences.lengths.tolist() == [3, 3, 3]
    assert read.sequences.values[:, 0].tolist() == np.ravel(VALUES).tolist()
    assert read.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("steps.csv", "a,b,c,d,label\n1,2,,,up\n3,,5,,down\n"),
        ("steps.ts", "@univariate true\n@classLabel true up down\n@data\n1,2,?,NaN:up\n3,?,5,?:down\n"),
        ("steps.npz", _npz(X=[[1, 2, np.nan, np.nan], [3, np.nan, 5, np.nan]], y=["up", "down"])),
    ],
)
def test_padding_ends_a_sequence(name: str, content: str | bytes) -> None:
    """Steps without a value are left out at a sequence's end, with a note; inside it they stay missing."""
    series = _read(content, name).sequences
    assert series.lengths.tolist() == [2, 3]
    assert np.array_equal(series.values[:, 0], [1, 2, 3, np.nan, 5], equal_nan=True)
    assert series.notes[-1] == "2 of 2 sequences end before steps without a value, which were left out"
    with pytest.raises(DataError, match=r"^X, sequence 1, step 1: expected a number, got NaN."):
        as_sequences(series, who="X")


def test_a_step_with_one_value_is_no_padding() -> None:
    """With several features a step ends a sequence only where it has none of them."""
    text = "@univariate false\n@classLabel true a b\n@data\n1,2,?:1,?,?:a\n"
    assert _read(text, "steps.ts").sequences.lengths.tolist() == [2]


def test_columns_are_named() -> None:
    """label=, id= and time= reach the table."""
    text = _long().rename(columns={"unique_id": "who", "ds": "at", "label": "did"}).to_csv(index=False)
    read = _read(text, label="did", id="who", time="at")
    assert read.sequences.ids == ("p", "q", "r")
    assert read.labels.tolist() == LABELS.tolist()


def test_the_archives_tables_are_read() -> None:
    """A .tsv of the UCR archive has no header, its label first and NaN after shorter series."""
    read = _read("1\t0.5\t0.25\tNaN\n2\t0.5\t0.75\t1.5\n", "Steps_TRAIN.tsv", label="column 1")
    assert read.labels.tolist() == [1, 2]
    assert read.sequences.lengths.tolist() == [2, 3]


WISDM = "".join(
    f"{user},{kind},{49105962326000 + 50 * t},{t / 4},{user / 8},-0.5;\n"
    for user in (33, 17)
    for kind in ("Jogging", "Walking")
    for t in range(4)
)


@pytest.mark.parametrize(
    "text",
    [
        WISDM,
        WISDM.replace(";\n", ";", 1),  # two rows on a line
        WISDM.replace(";\n", ",;\n", 3),
        WISDM.replace("\n", "\n\n", 2),
        WISDM.replace("-0.5;", "-0.5 ;"),
    ],
)
def test_rows_may_end_in_semicolons(text: str) -> None:
    """WISDM's raw file: the note names the columns, and naming them reads it."""
    notes = _read(text, "raw.txt").sequences.notes
    assert "columns 'column 1' and 'column 2' seem to tell sequences of several rows apart" in notes[-1]
    read = _read(text, "raw.txt", id=["column 1", "column 2"], time="column 3", label="column 2")
    assert read.sequences.lengths.tolist() == [4, 4, 4, 4]
    assert read.sequences.values[:4].tolist() == [[t / 4, 33 / 8, -0.5] for t in range(4)]
    assert read.labels.tolist() == ["Jogging", "Walking"] * 2


def test_a_frame_without_names_is_read_back() -> None:
    """Its columns are numbered by pandas; that header is no sequence."""
    frame = pd.DataFrame(VALUES).assign(label=LABELS)
    read = _read(frame.to_csv(index=False))
    assert read.sequences.values[:, 0].tolist() == np.ravel(VALUES).tolist()
    assert read.labels.tolist() == LABELS.tolist()


def test_a_missing_label_column_beside_lists_raises() -> None:
    """As in every table; a file of nothing but lists is no exception."""
    for beside, got in (({}, "only 'x'."), ({"kind": LABELS}, "none of that name. Did you mean 'kind'?")):
        fault = _fault_of(_parquet(pd.DataFrame({"x": VALUES, **beside})), "steps.parquet", label="knd")
        assert fault == f"steps.parquet: expected a column 'knd' as label, got {got}"


def test_an_npz_has_parts() -> None:
    """Train and test stand in one file; which is read is said, never guessed."""
    both = _npz(X_train=VALUES, y_train=LABELS, X_test=VALUES[:1], y_test=[3.5])
    train, test = (_read(both, "both.npz", part=part) for part in ("train", "test"))
    assert (len(train.sequences), train.labels.tolist()) == (3, LABELS.tolist())
    assert (len(test.sequences), test.labels.tolist()) == (1, [3.5])
    assert parts_of("both.npz") == ("train", "test")
    assert _fault_of(both, "both.npz") == (
        "part: both.npz has a part train and test; choose one with part='train'."
    )
    Path("steps.ts").write_text(TS)
    assert parts_of("steps.ts") == ()


def test_a_file_may_have_no_labels() -> None:
    """For a model that is to find them."""
    npy = io.BytesIO()
    np.save(npy, np.array(VALUES))
    assert _read(npy.getvalue(), "steps.npy").labels is None
    assert _read(_npz(X=VALUES), "steps.npz").labels is None
    assert _read("a,b\n1,2\n3,4\n").labels is None
    assert _read(_parquet(pd.DataFrame({"x": VALUES})), "steps.parquet").labels is None
    assert _read("@univariate true\n@classLabel false\n@data\n1,2\n", "steps.ts").labels is None


RUNS_CODE = (
    "steps.npz, {}: expected numbers or texts, got Python objects. Save labels as np.array(y, dtype=str), "
    "and sequences of many lengths as a long table."
)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "steps.npz",
            _npz(X=VALUES, y=LABELS)[:200],
            ("steps.npz: expected a whole .npz file, got a cut or damaged one. Fetch it again."),
        ),
        ("steps.npz", _npz(X=VALUES, y=LABELS.astype(object)), RUNS_CODE.format("y")),
        (
            "steps.npz",
            _npz(X=np.array([[1.0], [2.0, 3.0], [4.0]], dtype=object), y=LABELS),
            RUNS_CODE.format("X"),
        ),
        (
            "steps.npz",
            _npz(X=VALUES, y=LABELS[:2]),
            ("steps.npz, y: expected 3 as X has 3 sequences, got 2."),
        ),
        (
            "steps.npz",
            _npz(X=VALUES, y=[1, np.nan, 2]),
            (
                "steps.npz, y, position 1: expected a label or a number, got None or NaN. Leave "
                "those sequences out."
            ),
        ),
        (
            "steps.npz",
            _npz(X=[["a", "b"]], y=[1]),
            ("steps.npz, X: expected numbers, got strings such as 'a'. Convert them with .astype(float)."),
        ),
        (
            "steps.npz",
            _npz(),
            ("steps.npz: expected arrays X and y, got none. Save them as np.savez(path, X=X, y=y)."),
        ),
        (
            "steps.npz",
            _npz(X=np.ones(4), y=[1]),
            (
                "steps.npz, X: expected a list of sequences, got one sequence of 4 steps. Reshape "
                "your data: [x] is a list of one; so is x[None] for an array."
            ),
        ),
        (
            "steps.ts.gz",
            gzip.compress(TS.encode(), mtime=0)[:-9],
            ("steps.ts.gz: expected a whole gzip file, got a cut or damaged one. Fetch it again."),
        ),
        (
            "steps.ts",
            "",
            ("steps.ts: expected a header and rows below it, got an empty file. Export it again."),
        ),
        (
            "steps.ts",
            WIDE,
            (
                "steps.ts row 1: expected a line @data above the rows, got 't0,t1,t2,label'. Write "
                "@data above the first row."
            ),
        ),
        (
            "steps.ts",
            TS[:-12],
            (
                "steps.ts row 5: expected one of the labels of @classLabel (run, walk) at its end, "
                "got 'wal'. Correct it; if the file was cut, fetch it again."
            ),
        ),
        (
            "steps.csv",
            WIDE + "1,2\n3,4,5,6,7\n",
            (
                "steps.csv row 6: expected 4 fields as in the header, got 5. Quote numbers with a "
                "decimal comma, or separate fields with semicolons."
            ),
        ),
        (
            "steps.csv",
            WIDE + ",,,run\n",
            ("steps.csv, sequence '3': expected at least one value, got none. Leave that sequence out."),
        ),
        (
            "steps.arff",
            "% what\n@RELATION steps\n@attribute t0 real\n@DATA\n1,a\n",
            (
                "steps.arff row 5: expected 1 value, one an attribute, got 2. Correct it; if the file was "
                "cut, fetch it again."
            ),
        ),
    ],
)
def test_a_bad_file_is_one_sentence(name: str, content: str | bytes, sentence: str) -> None:
    """Cut, of Python objects, without X, with another header: the file and the row are named."""
    assert _fault_of(content, name) == sentence


def test_a_workbook_is_no_npz() -> None:
    """Both are zip files; what lies in them tells."""
    with zipfile.ZipFile("steps.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(DataError, match=r"expected a whole workbook, got a cut, damaged or protected"):
        read_labelled("steps.xlsx")


def test_a_missing_file_offers_its_neighbour() -> None:
    """As everywhere in the package."""
    Path("steps.ts").write_text(TS)
    with pytest.raises(DataError, match=r"expected a file, got none of that name. Did you mean 'steps.ts'\?"):
        read_labelled("stps.ts")


@pytest.mark.parametrize(
    ("name", "content", "named", "sentence"),
    [
        (
            "steps.csv",
            WIDE,
            {"part": "test"},
            ("part: only .npz files have a train and a test part, got 'test' with steps.csv."),
        ),
        (
            "both.npz",
            _npz(X_train=VALUES, y_train=LABELS),
            {"part": "trian"},
            ("part: expected one of train, test; got 'trian'. Did you mean 'train'?"),
        ),
        (
            "steps.ts",
            TS,
            {"label": "y", "time": "t"},
            (
                "label: only a table has columns to name, got label='y' with steps.ts.\ntime: only a "
                "table has columns to name, got time='t' with steps.ts."
            ),
        ),
        (
            "steps.parquet",
            _parquet(pd.DataFrame({"x": VALUES, "who": LABELS})),
            {"id": "who", "time": "who"},
            (
                "id: only a table without lists in its cells has such a column, got id='who' with "
                "steps.parquet.\ntime: only a table without lists in its cells has such a column, got "
                "time='who' with steps.parquet."
            ),
        ),
    ],
)
def test_an_argument_that_means_nothing_is_refused(
    name: str, content: Any, named: dict[str, str], sentence: str
) -> None:
    """Rather than ignored."""
    assert _fault_of(content, name, **named) == sentence
    with pytest.raises(ArgumentError):
        _read(content, name, **named)


@pytest.mark.parametrize(
    ("name", "part", "sequences", "features", "steps", "classes"),
    [
        ("JapaneseVowels_TRAIN.ts.gz", None, 270, 12, (7, 26), 9),
        ("JapaneseVowels_TEST.ts.gz", None, 370, 12, (7, 29), 9),
        ("BasicMotions_TRAIN.ts", None, 40, 6, (100, 100), 4),
        ("BasicMotions_TEST.ts", None, 40, 6, (100, 100), 4),
        ("GunPoint_TRAIN.ts", None, 50, 1, (150, 150), 2),
        ("GunPoint_TEST.ts", None, 150, 1, (150, 150), 2),
        ("ArrowHead_TRAIN.ts", None, 36, 1, (251, 251), 3),
        ("ArrowHead_TEST.ts", None, 175, 1, (251, 251), 3),
        ("ItalyPowerDemand_TRAIN.ts", None, 67, 1, (24, 24), 2),
        ("ItalyPowerDemand_TEST.ts", None, 1029, 1, (24, 24), 2),
        ("ECG200.npz", "train", 100, 1, (96, 96), 2),
        ("ECG200.npz", "test", 100, 1, (96, 96), 2),
        ("CBF.npz", "train", 30, 1, (128, 128), 3),
        ("CBF.npz", "test", 900, 1, (128, 128), 3),
        ("SyntheticControl.npz", "test", 300, 1, (60, 60), 6),
        ("TwoLeadECG.npz", "test", 1139, 1, (82, 82), 2),
    ],
)
def test_the_real_sets_are_whole(
    name: str,
    part: str | None,
    sequences: int,
    features: int,
    steps: tuple[int, int],
    classes: int,
    data_dir: Path,
) -> None:
    """As many sequences, features, steps and classes as are published, all fit for a model."""
    read = read_labelled(data_dir / "classification" / name, part=part)
    lengths = as_sequences(read.sequences).lengths
    assert (len(lengths), read.sequences.values.shape[1]) == (sequences, features)
    assert (lengths.min(), lengths.max()) == steps
    assert len(read.labels) == sequences
    assert len(np.unique(read.labels)) == classes
