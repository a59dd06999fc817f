"""Tables wide and long are the same sequences; their labels are found, or asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.files import read_file
from unrolled.data.io.labelled_table import LabelledColumnSpec, parse_labelled_table
from unrolled.data.sequences import DeclaredOrder
from unrolled.errors import DataError

LONG = "unique_id,ds,u,v,label\nb,2,3,30,run\na,1,5,50,walk\nb,1,2,20,run\nb,3,4,40,run\na,2,6,60,walk\n"
VALUES = [[2.0, 20.0], [3.0, 30.0], [4.0, 40.0], [5.0, 50.0], [6.0, 60.0]]
WIDE = "t0,t1,t2,label\n1,2,4,run\n5,7,9,walk\n8,6,4,run\n"


def _at(times: dict[str, str]) -> str:
    """The long table with other times."""
    rows = [line.split(",") for line in LONG.splitlines()]
    return "".join(",".join([row[0], times.get(row[1], row[1]), *row[2:]]) + "\n" for row in rows)


def _read(text: str, **named: str) -> tuple[Any, Any]:
    Path("steps.csv").write_text(text, encoding="utf-8")
    ids = {"id": (named["id"],)} if "id" in named else {}
    return parse_labelled_table(read_file(Path("steps.csv")), LabelledColumnSpec(**named | ids))


def _fault_of(text: str, **named: str) -> str:
    with pytest.raises(DataError) as fault:
        _read(text, **named)
    return str(fault.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (LONG, {}),
        (LONG.replace(",", ";"), {}),
        (LONG.replace("unique_id", "patient").replace("ds", "clock"), {"id": "patient", "time": "clock"}),
        (LONG.replace("unique_id", "patient"), {}),
        (LONG.replace("unique_id", "Sensor").replace("ds", "Time"), {}),
        (LONG.replace("label", "activity"), {}),
        (LONG.replace("label", "activity").replace("unique_id", "patient"), {}),
        (LONG.replace("label", "activity"), {"label": "activity"}),
        (LONG.replace("label", "Class"), {}),
        (LONG.replace("label", "target"), {}),
        (LONG.replace("label", "y"), {}),
        (LONG.replace("label", "activity").replace(",v,", ",y,"), {}),
        (_at({"1": "2020-01-01", "2": "2020-01-02", "3": "2021-01-01"}), {}),
        (_at({"1": "31.01.2020", "2": "29.02.2020", "3": "01.03.2020"}), {}),
        (_at({"1": "0.1", "2": "0.25", "3": "3.5"}).replace("ds", "time"), {}),
    ],
)
def test_a_row_a_step_however_it_is_called(text: str, named: dict[str, str]) -> None:
    """Ids, times and labels are found by name or kind, or named; rows are sorted by time."""
    series, labels = _read(text, **named)
    assert series.ids == ("b", "a")
    assert series.lengths.tolist() == [3, 2]
    assert series.values.tolist() == VALUES
    assert labels.tolist() == ["run", "walk"]
    assert series.order == DeclaredOrder.TIME
    assert "rows were sorted by time" in series.notes


def test_without_times_rows_stand_as_they_are() -> None:
    """A long table needs no time where its id is called unique_id; or named."""
    lines = [LONG.splitlines()[k] for k in (0, 3, 1, 2, 4, 5)]
    text = "\n".join(",".join(np.delete(line.split(","), 1)) for line in lines) + "\n"
    for named, spelt in (({}, text), ({"id": "who"}, text.replace("unique_id", "who"))):
        series, labels = _read(spelt, **named)
        assert series.values.tolist() == VALUES
        assert (series.order, labels.tolist()) == (DeclaredOrder.POSITION, ["run", "walk"])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (WIDE, {}),
        (WIDE.replace(",", "\t"), {}),
        (WIDE.replace("label", "class"), {}),
        (WIDE.replace("label", "Target"), {}),
        (WIDE.replace("label", "what it was"), {}),
        (WIDE.replace("label", "what it was"), {"label": "what it was"}),
        ("label,t0,t1,t2\nrun,1,2,4\nwalk,5,7,9\nrun,8,6,4\n", {}),
        ("name,t0,t1,t2,kind\nann,1,2,4,run\nbob,5,7,9,walk\ncy,8,6,4,run\n", {}),
        ("nr,t0,t1,t2,kind\nann,1,2,4,run\nbob,5,7,9,walk\ncy,8,6,4,run\n", {"id": "nr"}),
        ("id,t0,t1,t2,kind\n11,1,2,4,run\n12,5,7,9,walk\n13,8,6,4,run\n", {}),
    ],
)
def test_a_row_a_sequence_however_it_is_called(text: str, named: dict[str, str]) -> None:
    """The label is found by name, or is the last column of texts; every number is a step."""
    series, labels = _read(text, **named)
    assert series.values[:, 0].tolist() == [1, 2, 4, 5, 7, 9, 8, 6, 4]
    assert series.lengths.tolist() == [3, 3, 3]
    assert labels.tolist() == ["run", "walk", "run"]


def test_a_step_that_no_sequence_has_is_missing() -> None:
    """A wide table's empty column moves no later step forward."""
    series, _ = _read("t0,t1,t2,label\n1,,4,run\n5,,9,walk\n")
    assert np.array_equal(series.values[:, 0], [1, np.nan, 4, 5, np.nan, 9], equal_nan=True)


def test_distinct_ids_of_a_wide_table_name_its_sequences() -> None:
    """They are told in messages and answers, and are no step."""
    assert _read("name,t0,kind\nann,1,run\nbob,5,run\n")[0].ids == ("ann", "bob")
    assert _read("nr,t0,kind\n11,1,run\n12,5,run\n", id="nr")[0].ids == ("11", "12")
    assert _read(WIDE)[0].ids == ("0", "1", "2")


def test_names_with_a_zero_in_front_are_read_alike_in_every_kind_of_table() -> None:
    """A long table's, where 01 and 1 are two labels of one sequence; texts of Parquet; its numbers stay."""
    long = LONG.replace("walk", "01").replace("run", "1")
    assert _read(long)[1].tolist() == ["1", "01"]
    assert "expected one label a sequence in column 'label', got '1' after '01'" in _fault_of(
        long.replace("60,01", "60,1")
    )
    for labels, read in ((["01", "1"], ["01", "1"]), ([1, 1], [1, 1]), ([1.0, 2.5], [1.0, 2.5])):
        pd.DataFrame({"a": [1, 3], "b": [2, 4], "label": labels}).to_parquet("steps.parquet")
        assert (
            parse_labelled_table(read_file(Path("steps.parquet")), LabelledColumnSpec())[1].tolist() == read
        )


def test_a_value_called_y_is_no_label() -> None:
    """In a long table y and target are values where they change within a sequence."""
    series, labels = _read("unique_id,ds,y,kind\na,1,5,up\na,2,6,up\nb,1,7,up\n")
    assert (series.columns, labels.tolist()) == (("y",), ["up", "up"])
    assert series.values.tolist() == [[5.0], [6.0], [7.0]]


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n3,4\n", "a,b,name of it\n1,2,ann\n3,4,bob\n", "unique_id,ds,x\na,1,5\na,2,6\n"]
)
def test_a_table_may_have_no_labels(text: str) -> None:
    """No column is taken for one by guessing; a note says so."""
    series, labels = _read(text)
    assert labels is None
    assert (
        series.notes[-1]
        == "no column is called label or class, or holds texts that repeat: there are no labels"
    )


HAS_STEPS = (
    "a row was taken as a sequence of {} step{}, though column '{}' seems to tell sequences of several rows "
    "apart; if it does, name it with id="
)
STEPS = "patient,value,label\n7,.5,up\n7,.7,up\n3,.5,down\n3,.1,down\n3,.2,down\n5,.4,up\n5,.4,up\n"
WORDS = "ax,ay,az,patient,kind\n1,2,3,1,up\n2,3,4,1,up\n3,4,5,2,up\n1,2,1,2,up\n1,5,2,3,down\n1,4,2,3,down\n"


@pytest.mark.parametrize(
    ("text", "steps", "column"),
    [
        (STEPS, 2, "patient"),
        (STEPS.replace("\n5,.4,up", ""), 2, "patient"),
        (STEPS.replace("label", "target").replace("up", "0.5").replace("down", "2.25"), 2, "patient"),
        (STEPS.replace("patient", "patient_id"), 1, "patient_id"),
        (STEPS.replace("patient", "id"), 1, "id"),
        (STEPS.replace("\n7", "\nann").replace("\n3", "\nbob").replace("\n5", "\ncy"), 1, "patient"),
        ("\n".join(line.rsplit(",", 1)[0] for line in STEPS.splitlines()), 2, "patient"),
        (WORDS, 4, "patient"),
        ("site,patient,ax,label\n9,1,5,up\n9,1,4,up\n9,2,5,up\n9,2,7,up\n4,3,5,up\n4,3,1,up\n", 3, "patient"),
    ],
)
def test_a_row_a_sequence_that_looks_like_a_row_a_step_is_noted(text: str, steps: int, column: str) -> None:
    """How it was taken, and the way out, which then gives the sequences."""
    series, _ = _read(text)
    assert set(series.lengths.tolist()) == {steps}
    assert HAS_STEPS.format(steps, "" if steps == 1 else "s", column) in series.notes
    series, _ = _read(text, id=column)
    assert series.lengths.max() <= 3
    assert series.ids == tuple(
        dict.fromkeys(line.split(",")[text.split(",").index(column)] for line in text.splitlines()[1:])
    )
    assert not any("row was taken" in note for note in series.notes)


@pytest.mark.parametrize(
    "text",
    [
        WIDE,
        STEPS.replace(".1,down", ".1,up"),  # two labels in a run
        STEPS.replace("\n5,", "\n7,"),  # a value in two runs
        STEPS.replace("\n5,", "\n7.5,"),  # no whole number
        STEPS.replace("\n5,", "\n,"),  # none that is known
        STEPS.replace("\n3,", "\n7,").replace("\n5,", "\n7,"),  # one run
        "a,b,label\n1,5,up\n1,6,up\n2,7,down\n3,8,up\n4,9,down\n",  # rows that are runs, mostly
        "patient,t0,t1,t2,label\n1,1,2,4,up\n1,3,2,4,up\n2,5,7,9,down\n2,4,7,8,down\n",  # steps numbered
        "patient,label\n1,up\n1,up\n2,down\n2,down\n",  # nothing else to learn from
    ],
)
def test_a_row_a_sequence_is_not_noted_without_cause(text: str) -> None:
    """No runs of whole numbers, or not one label in each, or steps that are numbered in their names."""
    assert not any("row was taken" in note for note in _read(text)[0].notes)


def test_what_plays_no_part_is_noted() -> None:
    """Texts and keys are left out with a word, so that nothing is lost in silence."""
    series, _ = _read(
        WIDE.replace("t0", "row_id")
        .replace("t1", "b")
        .replace(",label", ",c,label")
        .replace("4,", "4,x,")
        .replace("9,", "9,y,")
    )
    assert series.notes == ("columns without a part to play: 'row_id' and 'c'",)
    assert series.lengths.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("text", "named", "sentence"),
    [
        (
            LONG.replace("50,walk", "50,run"),
            {},
            (
                " row 6, sequence 'a': expected one label a sequence in column 'label', got 'walk' "
                "after 'run'. Correct it, or name another with label=."
            ),
        ),
        (
            LONG.replace("50,walk", "50,"),
            {},
            (" row 3, column 'label': expected a label, got nothing. Write it there, or remove that row."),
        ),
        (
            WIDE.replace("walk", "?"),
            {},
            (" row 3, column 'label': expected a label, got '?'. Write it there, or remove that row."),
        ),
        (
            WIDE.replace("run", "1").replace("walk", ""),
            {},
            (" row 3, column 'label': expected a label, got nothing. Write it there, or remove that row."),
        ),
        (
            WIDE.replace("label", "class").replace("t2", "label"),
            {},
            (": expected one column of labels, got 'label' and 'class'. Name it with label=."),
        ),
        (
            WIDE.replace("label", "y").replace("t2", "target"),
            {},
            (": expected one column of labels, got 'target' and 'y'. Name it with label=."),
        ),
        (
            WIDE,
            {"label": "labell"},
            (": expected a column 'labell' as label, got none of that name. Did you mean 'label'?"),
        ),
        (
            LONG,
            {"time": "when", "id": "unique_id"},
            (
                ": expected a column 'when' as time, got none of that name. Its columns are "
                "'unique_id', 'ds', 'u', 'v', 'label'."
            ),
        ),
        (
            LONG.replace("b,", "").replace("a,", "").replace("unique_id,", ""),
            {},
            (
                ": expected a column that tells the sequences apart beside the time column 'ds', got "
                "none. Call it unique_id, or name it with id=; or remove the times, if a row "
                "is a sequence."
            ),
        ),
        (
            LONG.replace("b,3,", "b,2,"),
            {},
            (
                " row 5, sequence 'b': expected each time once in column 'ds', got '2' twice. "
                "Correct or remove that row."
            ),
        ),
        (
            LONG.replace("b,3,", "b,,"),
            {},
            (" row 5, column 'ds': expected a time, got nothing. Remove that row."),
        ),
        (
            LONG.replace("b,3,", ",3,"),
            {},
            (
                " row 5, column 'unique_id': expected the name of a series, got nothing. Name it, or "
                "remove that row."
            ),
        ),
        (
            LONG.replace("30", "x"),
            {},
            (
                " row 2, column 'v': expected a number, got 'x'. Correct it, or leave it empty and "
                "say how gaps are filled with fill=."
            ),
        ),
        (
            WIDE.replace("7", "inf"),
            {},
            (
                " row 3, column 't1': expected a finite number, got inf. Correct it, or leave it "
                "empty and fill it with fill=."
            ),
        ),
        (
            "name,label\nann,run\nbob,walk\n",
            {},
            (": expected columns of numbers to learn from, got only 'name'."),
        ),
        (
            'kind,pixels\nrun,"[1, 2.5, 3]"\nwalk,"[4, 5, 6]"\n',
            {"label": "kind"},
            (
                ": expected columns of numbers to learn from, got only 'pixels'. Lists of numbers, as in "
                "'pixels', are read from JSON lines and Parquet."
            ),
        ),
        (
            "label\nrun\nwalk\n",
            {},
            (": expected columns of numbers to learn from, got none besides the label."),
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(text: str, named: dict[str, str], sentence: str) -> None:
    """The row, the column, the id and both labels are named, and the way out."""
    assert _fault_of(text, **named) == f"steps.csv{sentence}"
