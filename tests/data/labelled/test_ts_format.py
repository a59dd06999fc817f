"""The .ts format: rows as the header says, and a sentence with the row where they are not."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.labelled.ts_format import read_ts
from unrolled.errors import DataError

HEADER = """\
# what this is, and who made it
@problemName Steps
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength false
@classLabel true walk run
@data
"""
ROWS = "1,2,4:0.5,-1e-3,7:walk\n3,?:NaN,6:run\n"
WHOLE = HEADER + ROWS
ONE = "@univariate true\n@classLabel true 1 2\n@data\n"
CUT = "Correct it; if the file was cut, fetch it again."


def _fault_of(text: str) -> str:
    with pytest.raises(DataError) as fault:
        read_ts(text, "steps.ts")
    return str(fault.value)


def test_rows_are_sequences_and_colons_separate_features() -> None:
    """Rows of any length, "?" and NaN missing, the label last."""
    series, labels = read_ts(WHOLE, "steps.ts")
    nan = np.nan
    assert labels is not None
    assert labels.tolist() == ["walk", "run"]
    assert series.lengths.tolist() == [3, 2]
    assert series.columns == ("x1", "x2")
    assert np.array_equal(series.values, [[1, 0.5], [2, -1e-3], [4, 7], [3, nan], [nan, 6]], equal_nan=True)
    assert series.source == "steps.ts"


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("\n", "\r\n"),
        WHOLE.replace("\n", "\r"),
        WHOLE.rstrip("\n"),
        "\n\n" + WHOLE.replace("\n", "\n\n"),
        WHOLE.replace("@problemName", "@PROBLEMNAME")
        .replace("@data", "  @DATA  ")
        .replace("@class", "@Class"),
        WHOLE.replace("# what", "% what"),
        WHOLE.replace("# what this is", "# what\x85 this\u2028is"),  # signs that break lines elsewhere
        WHOLE.replace("@dimensions 2\n", ""),
        WHOLE.replace("@dimensions 2\n", "@dimension 2\n"),
        WHOLE.replace("true walk run", "true"),
        WHOLE.replace(",", " , ").replace(":", " : "),
        WHOLE.replace("3,?:", "# left out\n3,?:"),
        WHOLE.replace("@data", "@seriesLength 0\n@data"),  # means nothing where lengths may differ
    ],
)
def test_the_same_file_in_other_spelling_is_the_same(text: str) -> None:
    """Line ends, blank lines, case, comments and what need not be said change nothing."""
    wanted, got = read_ts(WHOLE, "steps.ts"), read_ts(text, "steps.ts")
    assert np.array_equal(got[0].values, wanted[0].values, equal_nan=True)
    assert got[0].lengths.tolist() == wanted[0].lengths.tolist()
    assert got[1].tolist() == wanted[1].tolist()
    assert got[0].notes == ()


def test_an_unknown_header_line_is_noted() -> None:
    """It may say something that matters, so that it is not lost without a word."""
    series, _ = read_ts("@author me\n" + WHOLE, "steps.ts")
    assert series.notes == ("header line '@author' was left out",)


@pytest.mark.parametrize(
    ("declared", "rows", "labels"),
    [
        ("@classLabel true 1 2", "5:1\n6:2\n", [1, 2]),
        ("@classLabel true 1 2 b", "5:1\n6:2\n", ["1", "2"]),
        ("@classLabel true -1 1", "5:-1\n6:1\n", [-1, 1]),
        ("@classLabel true 1.0 2.0", "5:1.0\n6:2.0\n", ["1.0", "2.0"]),
        ("@targetLabel true", "5:0.5\n6:-2\n", [0.5, -2.0]),
        ("@classLabel false\n@targetLabel true", "5:0.5\n6:-2\n", [0.5, -2.0]),
        ("@classLabel false", "5\n6\n", None),
        ("@targetLabel false", "5\n6\n", None),
    ],
)
def test_labels_are_what_the_header_declares(declared: str, rows: str, labels: list[object] | None) -> None:
    """Whole numbers where all the declared are, so that train and test agree; numbers to learn; or none."""
    series, got = read_ts(f"@univariate true\n{declared}\n@data\n{rows}", "steps.ts")
    assert series.values.tolist() == [[5.0], [6.0]]
    assert (None if got is None else got.tolist()) == labels


@pytest.mark.parametrize("start", ["0", "0.25", "2020-01-01 00:00:00", "2020-01-01"])
def test_steps_may_have_times(start: str) -> None:
    """`(time,value)` as numbers or dates, whose colons separate nothing."""
    later = start[:-1] + "7"
    row = f"({start},1.5),({later},?):({start},3),({later},4):run\n"
    series, labels = read_ts(HEADER.replace("@timeStamps false", "@timeStamps true") + row, "steps.ts")
    assert np.array_equal(series.values, [[1.5, 3], [np.nan, 4]], equal_nan=True)
    assert (series.order, labels.tolist()) == ("time", ["run"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # the header
        (
            HEADER.replace("@data\n", ""),
            (f": expected a line @data with rows below it, got none to the file's end. {CUT}"),
        ),
        (
            WHOLE.replace("@data\n", ""),
            (
                " row 9: expected a line @data above the rows, got '1,2,4:0.5,-1e-3,7:walk'. Write "
                "@data above the first row."
            ),
        ),
        (WHOLE[:76], f": expected a line @data with rows below it, got none to the file's end. {CUT}"),
        (HEADER, f": expected rows below @data, got none. {CUT}"),
        (
            WHOLE.replace("@dimensions", "@dimensoins"),
            (" row 6: expected a header line of .ts, got '@dimensoins'. Did you mean 'dimensions'?"),
        ),
        (
            WHOLE.replace("@dimensions 2", "@dimensions two"),
            (" row 6: expected a whole number of at least 1 after @dimensions, got 'two'. Correct it."),
        ),
        (
            WHOLE.replace("@dimensions 2", "@dimensions 0"),
            (" row 6: expected a whole number of at least 1 after @dimensions, got '0'. Correct it."),
        ),
        (
            WHOLE.replace("@univariate false", "@univariate"),
            (" row 5: expected true or false after @univariate, got nothing. Correct it."),
        ),
        (
            WHOLE.replace("true walk", "walk"),
            (" row 8: expected true or false after @classLabel, got 'walk'. Correct it."),
        ),
        (
            WHOLE.replace("@univariate false", "@univariate true"),
            (": expected @dimensions 1 as @univariate says, got 2. Write '@univariate false'."),
        ),
        (
            WHOLE.replace("@classLabel true walk run\n", ""),
            (
                ": expected @classLabel or @targetLabel in the header, got neither. Write "
                "'@classLabel true' and the labels, or '@classLabel false' where rows have none."
            ),
        ),
        # rows that are not as it says
        (
            WHOLE.replace("@dimensions 2", "@dimensions 3"),
            (f" row 10: expected 3 dimensions and a label, with colons between them, got 3 parts. {CUT}"),
        ),
        (
            WHOLE.replace("3,?:", "3,?:1,1:"),
            (f" row 11: expected 2 dimensions and a label, with colons between them, got 4 parts. {CUT}"),
        ),
        (
            WHOLE.replace("@dimensions 2\n", "").replace("3,?:", ""),
            (f" row 10: expected 2 dimensions and a label, with colons between them, got 2 parts. {CUT}"),
        ),
        (
            WHOLE.replace("@classLabel true walk run", "@classLabel false"),
            (f" row 10: expected 2 dimensions, with colons between them, got 3 parts. {CUT}"),
        ),
        (
            WHOLE.replace("true walk run", "true walk jump"),
            (f" row 11: expected one of the labels of @classLabel (walk, jump) at its end, got 'run'. {CUT}"),
        ),
        (
            WHOLE.replace("true walk run", "true").replace(":run", ":"),
            (f" row 11: expected a label at its end, got nothing. {CUT}"),
        ),
        (
            WHOLE.replace("Length false", "Length true"),
            (f" row 11: expected 3 steps, as @equalLength says, got 2. {CUT}"),
        ),
        (
            WHOLE.replace("Length false", "Length true\n@seriesLength 4"),
            (f" row 11: expected 4 steps, as @equalLength says, got 3. {CUT}"),
        ),
        (
            WHOLE.replace("3,?:", "3:"),
            (f" row 11, dimension 2: expected 1 step as in dimension 1, got 2. {CUT}"),
        ),
        (WHOLE.replace("3,?:", ":"), (f" row 11, dimension 1: expected at least one value, got none. {CUT}")),
        (
            WHOLE.replace("3,?:", "3,:"),
            (f" row 11, dimension 1, value 2: expected a number or ?, got ''. {CUT}"),
        ),
        (
            WHOLE.replace("3,?:", "3,n/a:"),
            (f" row 11, dimension 1, value 2: expected a number or ?, got 'n/a'. {CUT}"),
        ),
        (
            WHOLE.replace("3,?:", "3,-inf:"),
            (" row 11, dimension 1, value 2: expected a finite number, got '-inf'. Write ? for it."),
        ),
        (ONE + "1,x,3:1\n", f" row 4, value 2: expected a number or ?, got 'x'. {CUT}"),
        (
            ONE + "1,2,3:1\n1,2,",
            (f" row 5: expected 1 dimension and a label, with colons between them, got 1 part. {CUT}"),
        ),
        (
            ONE + "1,2,3:1\n1,2,3:",
            (f" row 5: expected one of the labels of @classLabel (1, 2) at its end, got nothing. {CUT}"),
        ),
        (
            ONE.replace("class", "target").replace("1 2", "") + "1:n/a",
            (f" row 4, label: expected a number or ?, got 'n/a'. {CUT}"),
        ),
        (
            ONE.replace("class", "target").replace("1 2", "") + "1:3\n2:?",
            (" row 5: expected a number at its end, as @targetLabel says, got '?'. Remove that row."),
        ),
    ],
)
def test_a_file_that_breaks_its_header_is_one_sentence(text: str, sentence: str) -> None:
    """Cut in the middle, with another header, or with values that are none: the row is named."""
    assert _fault_of(text) == f"steps.ts{sentence}"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,2:3,4", "row 10, dimension 1: expected steps as (time,value), got '1,2'."),
        (
            "(0,1),(1,2:(0,3),(1,4)",
            ("row 10, dimension 1: expected steps as (time,value), got '(0,1),(1,2'."),
        ),
        ("(0,1),(1,2):(0,3),(2,4)", ("row 10, dimension 2: expected the times of dimension 1, got others.")),
        ("(1,1),(0,2):(1,3),(0,4)", ("row 10, dimension 1: expected times that rise, got 1 before 0. Sort")),
        ("(0,1),(0,2):(0,3),(0,4)", ("row 10, dimension 1: expected times that rise, got 0 before 0. Sort")),
        ("(x,1),(y,2):(x,3),(y,4)", "row 10, dimension 1, column 'time': expected a date"),
    ],
)
def test_wrong_times_are_one_sentence(row: str, sentence: str) -> None:
    """Steps without a time, times that differ between features, times that do not rise."""
    told = _fault_of(f"{HEADER.replace('@timeStamps false', '@timeStamps true')}{row}:run\n")
    assert told.startswith(f"steps.ts {sentence}")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["JapaneseVowels_TRAIN.ts.gz", "GunPoint_TEST.ts", "BasicMotions_TEST.ts"])
def test_a_real_file_cut_anywhere_is_refused(name: str, share: float, data_dir: Path) -> None:
    """No file of fewer sequences comes out of a cut one, unless it was cut between two rows."""
    path = data_dir / "classification" / name
    content = path.read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    cut = text[: int(share * len(text.rstrip()))]
    while cut.endswith("\n"):
        cut = cut[:-1]
    with pytest.raises(DataError, match=r"^steps.ts.* expected .*, got .*"):
        read_ts(cut, "steps.ts")


STAMPED = "@timeStamps true\n@univariate true\n@classLabel true a b\n@data\n"


@pytest.mark.parametrize(
    "row",
    [
        "(2018-06-30 11:00:00 AM,1), (2018-06-30 01:00:00 PM,2) : a",
        "( 2018-06-30 11:00:00 , 1 ),(2018-06-30 13:00:00, 2 ):a",
        "(06/30/2018 11:00 AM,1) (06/30/2018 1:00 PM,2):a",
        "(0, 1) , (1.5, 2) :a",
    ],
)
def test_steps_with_times_may_stand_apart(row: str) -> None:
    """With spaces within and between the brackets, and times with AM and PM."""
    series, labels = read_ts(STAMPED + row + "\n", "steps.ts")
    assert series.values[:, 0].tolist() == [1, 2]
    assert labels is not None
    assert labels.tolist() == ["a"]


def test_an_afternoon_is_after_a_morning() -> None:
    """01:00 PM before 11:00 AM of the same day falls."""
    with pytest.raises(DataError, match="expected times that rise"):
        read_ts(STAMPED + "(2018-06-30 01:00:00 PM,1),(2018-06-30 11:00:00 AM,2):a\n", "steps.ts")


@pytest.mark.parametrize(
    "text",
    [
        "@univariate true\n@data\n1,2\n3,4\n",
        "@univariate true\n@classLabel false\n@data\n1,2\n3,4\n",
        "@univariate true\n@classLabel true a b\n@data\n1,2\n3,4\n",
        "@univariate true\n@classLabel true a b\n@data\n1,2:?\n3,4:?\n",
        "@univariate true\n@targetLabel true\n@data\n1,2:?\n3,4:?\n",
        "@timeStamps true\n@univariate true\n@data\n(0,1),(1,2)\n(0,3),(1,4)\n",
    ],
)
def test_rows_may_have_no_label(text: str) -> None:
    """Of what is to be predicted: no line in the header, no label in any row, or ? in each."""
    series, labels = read_ts(text, "steps.ts")
    assert labels is None
    assert series.values[:, 0].tolist() == [1, 2, 3, 4]


def test_a_label_that_only_some_rows_lack_is_a_fault() -> None:
    """The row is named."""
    head = "@univariate true\n@classLabel true a b\n@data\n"
    with pytest.raises(DataError, match=r"row 5: expected a label at its end, got '\?'"):
        read_ts(head + "1,2:a\n3,4:?\n", "steps.ts")
    with pytest.raises(DataError, match="row 5: expected 1 dimension and a label"):
        read_ts(head + "1,2:a\n3,4\n", "steps.ts")
