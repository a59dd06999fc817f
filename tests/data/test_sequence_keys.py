"""Several columns tell sequences apart; columns beside numbered steps are none; steps are in their order."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.axes import InputWarning
from unrolled.data.io.arrays import as_sequences
from unrolled.data.labelled.read import read_labelled
from unrolled.errors import DataError

TRIALS = pd.DataFrame(
    {
        "subject": np.repeat([1, 1, 2], 3),
        "trial": np.repeat([1, 2, 1], 3),
        "second": np.tile([0, 1, 2], 3),
        "x": np.arange(9.0),
        "label": np.repeat(["up", "down", "up"], 3),
    }
)
ACTIVITIES = pd.DataFrame(
    {
        "user": np.repeat([33, 33, 17, 17], 4),
        "activity": np.repeat(["Jogging", "Walking", "Walking", "Jogging"], 4),
        "timestamp": np.arange(16) * 50,
        "x": np.arange(16.0),
    }
)


def _read(frame: pd.DataFrame, **named: Any) -> Any:
    frame.to_csv("steps.csv", index=False)
    return read_labelled(Path("steps.csv"), **named)


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (TRIALS.rename(columns={"second": "time"}), {}),
        (TRIALS.drop(columns="second"), {}),
        (TRIALS.rename(columns={"second": "time", "subject": "Subject ID", "trial": "Trial"}), {}),
        (TRIALS.assign(second=np.arange(9)).rename(columns={"second": "time"}), {}),
        (TRIALS, {"id": ["subject", "trial"], "time": "second"}),
        (TRIALS.rename(columns={"subject": "a", "trial": "b"}), {"id": ("a", "b"), "time": "second"}),
    ],
    ids=["time", "no time", "spelling", "one clock", "named", "other names"],
)
def test_several_columns_tell_sequences_apart(frame: pd.DataFrame, named: dict[str, Any]) -> None:
    """Subject and trial, found by their names or named, in files and, by name, in frames."""
    read = _read(frame, **named)
    assert read.sequences.ids == ("1 / 1", "1 / 2", "2 / 1")
    assert read.labels.tolist() == ["up", "down", "up"]
    assert read.sequences.columns == ("x",)
    assert [column.to_list() for column in read.sequences.keys.iter_columns()] == [[1, 1, 2], [1, 2, 1]]
    if not named:
        series = as_sequences(frame.drop(columns="label"))
        assert series.ids == read.sequences.ids
        assert series.values.tolist() == read.sequences.values.tolist()


def test_an_index_of_three_levels_holds_keys_and_time() -> None:
    """The last level is the time."""
    frame = TRIALS.set_index(["subject", "trial", "second"])[["x"]]
    series = as_sequences(frame.rename_axis(index=["who", None, None]))
    assert (series.ids, series.id_names) == (("1 / 1", "1 / 2", "2 / 1"), ("who", "level_1"))
    assert series.values[:, 0].tolist() == list(range(9))


def test_one_id_that_suffices_is_enough() -> None:
    """A subject beside the usual id is a feature's neighbour, no key."""
    frame = TRIALS.assign(unique_id=TRIALS["subject"] * 10 + TRIALS["trial"]).rename(columns={"second": "ds"})
    assert _read(frame).sequences.ids == ("11", "12", "21")
    assert _read(frame.rename(columns={"unique_id": "series_id"})).sequences.id_names == ("series_id",)


def test_a_label_that_changes_within_ids_names_the_columns() -> None:
    """No row is blamed where every one is right; the way out works."""
    with pytest.raises(DataError) as fault:
        _read(ACTIVITIES)
    assert str(fault.value) == (
        "steps.csv: expected one label a sequence in column 'activity', which changes within 2 of 2 "
        "sequences of 'user'. Name all columns that tell the sequences apart, such as "
        "id=['user', 'activity'], label='activity'."
    )
    read = _read(ACTIVITIES, id=["user", "activity"], label="activity")
    assert read.sequences.lengths.tolist() == [4] * 4
    assert read.labels.tolist() == ["Jogging", "Walking", "Walking", "Jogging"]


def test_a_label_taken_for_the_id_blames_no_row() -> None:
    """Times that stand twice are many: the column is no id."""
    frame = ACTIVITIES.rename(columns={"user": "nr"}).assign(timestamp=np.tile(np.arange(4), 4))
    with pytest.raises(
        DataError, match="expected columns that tell the sequences apart, but 8 times in column"
    ):
        _read(frame)
    assert _read(frame, id=["nr", "activity"], label="activity").sequences.lengths.tolist() == [4] * 4


WIDE = pd.DataFrame(
    np.arange(24.0).reshape(2, 12), columns=["t0", "t1", "t10", "t11", *[f"t{k}" for k in range(2, 10)]]
)
ORDERED = [0, 1, *range(4, 12), 2, 3]


@pytest.mark.parametrize("others", [{}, {"subject": [7, 7]}, {"length": [12, 9], "age": [31, 40]}])
def test_numbered_steps_are_in_order_and_alone(others: dict[str, list[int]]) -> None:
    """t10 comes after t9; a subject or a length beside them is no step, and that is said."""
    frame = WIDE.assign(**others)
    read = _read(frame.assign(label=["up", "down"]))
    assert read.sequences[0].values[:, 0].tolist() == ORDERED
    assert any("in the order of the numbers in their names" in note for note in read.sequences.notes)
    assert all(any(repr(name) in note for note in read.sequences.notes) for name in others)
    if not others:
        assert as_sequences(frame)[0].values[:, 0].tolist() == ORDERED
        return
    with pytest.warns(InputWarning, match=f"steps 't0' to 't11'; .*{next(iter(others))}.* left out"):
        series = as_sequences(frame)
    assert series[0].values[:, 0].tolist() == ORDERED
    assert series.header == tuple(f"t{k}" for k in range(12))


@pytest.mark.parametrize(
    "names", [["lag3", "lag2", "lag1"], ["a", "b", "c"], ["x1", "y1", "x2", "y2", "x3", "y3"]]
)
def test_other_columns_stay_as_they_stand(names: list[str]) -> None:
    """Falling numbers, as of lags; no numbers; two families."""
    frame = pd.DataFrame(np.arange(2.0 * len(names)).reshape(2, -1), columns=names)
    assert as_sequences(frame)[0].values[:, 0].tolist() == list(range(len(names)))
    assert _read(frame.assign(label=["a", "b"])).sequences.header == tuple(names)


def _recorded(name: str, **more: Any) -> pd.DataFrame:
    """Three recordings of five steps, the last first, their times in a column of that name."""
    times = np.tile(np.arange(5)[::-1] * 10, 3)
    columns = {"id": np.repeat([1, 2, 3], 5), name: times, "x": np.linspace(0.1, 0.9, 15) ** 2}
    return pd.DataFrame(columns | more)


def test_a_time_of_another_name_is_noted() -> None:
    """Read as a feature, with the steps as they stand; naming it sorts them."""
    frame = _recorded("mtime", label=np.repeat(["up", "down", "up"], 5))
    frame.to_csv("steps.csv", index=False)
    read = read_labelled("steps.csv", id="id")
    assert read.sequences.columns == ("mtime", "x")
    note = "column 'mtime' was read as a feature; if it orders the steps, name it with time="
    assert note in read.sequences.notes
    named = read_labelled("steps.csv", id="id", time="mtime")
    assert named.sequences.columns == ("x",)
    assert named.sequences.values[:5, 0].tolist() == pytest.approx(frame["x"].to_numpy()[:5][::-1].tolist())
    assert not any("as a feature" in one for one in named.sequences.notes)


@pytest.mark.parametrize("values", [np.tile([3, 1, 2, 5, 4], 3), np.tile([0.1, 0.2, 0.3, 0.4, 0.5], 3)])
def test_what_only_might_be_a_feature_is_not_noted(values: np.ndarray) -> None:
    """Numbers that rise and fall, and numbers that are not whole."""
    frame = _recorded("level", label=np.repeat(["up", "down", "up"], 5)).assign(level=values)
    frame.to_csv("steps.csv", index=False)
    assert not any("as a feature" in one for one in read_labelled("steps.csv", id="id").sequences.notes)


def test_an_unknown_time_beside_ids_has_a_way_out_that_works() -> None:
    """A frame of steps is no table of sequences: leaving its id out would make each step one."""
    frame = _recorded("mtime")
    with pytest.raises(DataError, match=r"If a row is one step, rename its time 'mtime' to 'ds'"):
        as_sequences(frame)
    series = as_sequences(frame.rename(columns={"mtime": "ds"}))
    assert series.lengths.tolist() == [5, 5, 5]
    with pytest.raises(
        DataError, match=r"rename the column that orders its rows to 'ds'; else rename 'id'\.$"
    ):
        as_sequences(_recorded("level").assign(level=0.5))


@pytest.mark.parametrize("time", ["Time (s)", "time [ms]", "tempo", "Tiempo"])
def test_rows_of_one_recording_are_no_sequences(time: str) -> None:
    """A phone's export: the time, with its unit, says that a row is a step, so that an id is asked for."""
    Path("phone.csv").write_text(
        f"{time},Acceleration x (m/s^2),Acceleration y\n0.00,1,2\n0.01,3,4\n0.02,5,7\n"
    )
    with pytest.raises(DataError, match="expected a column that tells the sequences apart beside the time"):
        read_labelled("phone.csv")
