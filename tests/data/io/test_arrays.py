"""Whatever a person has becomes the same Sequences, or one clear sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from unrolled.data.io.arrays import as_sequences
from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.models.sequence.classifier import SequenceClassifier

RAGGED = [np.arange(6.0).reshape(3, 2), np.arange(6.0, 10.0).reshape(2, 2)]
BLOCK = np.arange(24.0).reshape(3, 4, 2) - 7
FLAT = BLOCK[:, :, 0]
LONG = pd.DataFrame(
    {
        "unique_id": ["b", "a", "b", "b", "a"],
        "ds": [3, 2, 1, 2, 1],
        "u": [4.0, 8, 0, 2, 6],
        "v": [5.0, 9, 1, 3, 7],
    }
)


def _nested(parts: list[Any]) -> np.ndarray:
    cells = np.empty(len(parts), dtype=object)
    for i, part in enumerate(parts):
        cells[i] = part
    return cells


def _fault_of(X: Any) -> str:
    with pytest.raises(DataError) as fault:
        as_sequences(X)
    return str(fault.value)


@pytest.mark.parametrize(
    "X",
    [
        RAGGED,
        tuple(RAGGED),
        [part.tolist() for part in RAGGED],
        [part.astype(np.float32) for part in RAGGED],
        [part.astype(np.int16) for part in RAGGED],
        [np.asfortranarray(part) for part in RAGGED],
        [part.astype(object) for part in RAGGED],
        [torch.tensor(part, requires_grad=True) for part in RAGGED],
        [pd.DataFrame(part) for part in RAGGED],
        [pl.DataFrame(part) for part in RAGGED],
        _nested(RAGGED),
        Sequences.from_arrays(RAGGED),
        pd.DataFrame({"u": _nested([p[:, 0] for p in RAGGED]), "v": _nested([p[:, 1] for p in RAGGED])}),
        pd.DataFrame({"u": [pd.Series(p[:, 0]) for p in RAGGED], "v": [pd.Series(p[:, 1]) for p in RAGGED]}),
        pl.DataFrame({"u": [p[:, 0].tolist() for p in RAGGED], "v": [p[:, 1].tolist() for p in RAGGED]}),
        pa.table({"u": [p[:, 0].tolist() for p in RAGGED], "v": [p[:, 1].tolist() for p in RAGGED]}),
        LONG,
        pl.from_pandas(LONG),
        LONG.set_index(["unique_id", "ds"]),
        LONG.sort_values("ds").drop(columns="ds").sort_values("unique_id", ascending=False, kind="stable"),
        LONG.assign(ds=pd.to_datetime("2020-01-01") + pd.to_timedelta(LONG["ds"], unit="D")),
        LONG.assign(ds=LONG["ds"] / 8).rename(columns={"ds": "time", "unique_id": "sensor"}),
    ],
)
def test_every_form_of_ragged_data_is_the_same_sequences(X: Any) -> None:
    """Lists, tensors, nested frames and long frames hold the same steps, as float64."""
    series = as_sequences(X)
    assert series.lengths.tolist() == [3, 2]
    assert series.values.dtype == np.float64
    assert series.values.tolist() == np.concatenate(RAGGED).tolist()


@pytest.mark.parametrize(
    "X",
    [
        FLAT,
        FLAT.tolist(),
        FLAT[:, :, None],
        FLAT[::-1][::-1],
        FLAT.astype(object),
        torch.tensor(FLAT),
        list(FLAT),
        [column[:, None] for column in FLAT],
        np.ma.masked_array(FLAT, np.zeros(FLAT.shape)),
        pd.DataFrame(FLAT),
        pd.DataFrame(FLAT, index=pd.date_range("2020", periods=3)),
        pd.DataFrame(FLAT.astype(int).astype(object)),
        pl.DataFrame(FLAT),
        pa.table({f"t{k}": FLAT[:, k] for k in range(4)}),
        pd.Series(list(FLAT)),
    ],
)
def test_two_axes_are_sequences_of_one_feature(X: Any) -> None:
    """(N, T), an array or a frame of numbers: a row a sequence; a frame's index names rows and is no step."""
    series = as_sequences(X)
    assert series.lengths.tolist() == [4, 4, 4]
    assert series.values.shape == (12, 1)
    assert series.values[:, 0].tolist() == FLAT.reshape(-1).tolist()


def test_three_axes_are_sequences_steps_features() -> None:
    """(N, T, F), in this order."""
    series = as_sequences(BLOCK)
    assert series.columns == ("x1", "x2")
    assert series[2].values.tolist() == BLOCK[2].tolist()


def test_a_frames_columns_name_the_features() -> None:
    """And a long frame's ids name the sequences, in the order in which they first occur."""
    series = as_sequences(LONG)
    assert (series.columns, series.ids) == (("u", "v"), ("b", "a"))
    assert as_sequences(pl.DataFrame({"u": [[1.0, 2.0]], "v": [[3.0, 4.0]]})).columns == ("u", "v")


def test_a_unique_id_may_have_one_step_each() -> None:
    """A long frame of single steps is not taken for a wide one."""
    assert as_sequences(LONG.iloc[[0, 1]]).lengths.tolist() == [1, 1]


def test_the_fill_that_the_sentence_names_works() -> None:
    """`read(X, fill=...)` makes of the refused list one that is taken."""
    X = [np.array([[1.0, 5.0], [np.nan, np.nan], [3.0, 7.0]]), [[1.0, 2.0], [3.0, 4.0]]]
    assert "missing='mask', 'forward' or 'linear'" in _fault_of(X)
    for how in ("mask", "forward", "linear"):
        model = SequenceClassifier(missing=how, hidden_size=2, max_epochs=1).fit(X, [0, 1])
        assert len(model.predict(X)) == 2
    assert as_sequences(read(X, fill="forward"))[0].values.tolist() == [[1.0, 5.0], [1.0, 5.0], [3.0, 7.0]]


def _with(position: tuple[int, ...], value: Any, kind: type = float) -> np.ndarray:
    changed = BLOCK.astype(kind)
    changed[position] = value
    return changed


NO_TABLE = "expected a table of float64 values, steps by features, got"
COLUMNS = "Make the features of each step columns of numbers."
NO_LIST = "expected a list of (T,) or (T, F) arrays, an array (N, T) or (N, T, F), a frame, or Sequences; got"
FILL = "Fit with missing='mask', 'forward' or 'linear', or leave that sequence out."
CONVERT = "Convert them with .astype(float)."
NO_COLUMN = "Leave that column out, or convert it with .astype(float)."
RESHAPE = "Reshape your data: [x] is a list of one; so is x[None] for an array."


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        ([], ": expected at least one sequence, got none."),
        (np.empty((0, 3)), ": expected at least one sequence, got none."),
        (np.empty((0, 3, 2)), ": expected at least one sequence, got none."),
        (np.empty((12, 0)), "0 feature(s) (shape=(12, 0)) while a minimum of 1 is required."),
        (np.empty((12, 4, 0)), "0 feature(s) (shape=(12, 4, 0)) while a minimum of 1 is required."),
        (pd.DataFrame({"a": []}), ": expected columns and rows, got shape (0, 1)."),
        ([[1.0], []], ", sequence 1: expected at least one step, got a sequence of length 0. Leave it out."),
        (
            [[], [], [1.0], []],
            (
                ", sequence 0: expected at least one step, got a sequence of length 0, as in 2 other "
                "sequences. Leave it out."
            ),
        ),
        (
            [RAGGED[0], np.ones((4, 3))],
            (
                ", sequence 1: expected 2 features as in sequence 0, got 3. Give every sequence as (T, "
                "F) with the same F."
            ),
        ),
        (
            [[], np.ones(3), np.ones((4, 3))],
            (
                ", sequence 2: expected 1 feature as in sequence 1, got 3. Give every sequence as (T, F) "
                "with the same F."
            ),
        ),
        ([np.ones((2, 2, 2))], f": {NO_TABLE} float64 of shape (2, 2, 2). {COLUMNS}"),
        (
            [pd.DataFrame(RAGGED[0], columns=["u", "v"]), pd.DataFrame(RAGGED[1], columns=["v", "u"])],
            (
                ", sequence 1: expected the columns u, v in this order, as in sequence 0, got v, u. Select "
                "them by name: x[['u', 'v']]."
            ),
        ),
        (
            pd.DataFrame(FLAT[:, :2], columns=["u", "u"]),
            ": expected distinct column names, got 'u' twice. Rename one.",
        ),
        (
            [[10**400, 1]],
            ", sequence 0: expected numbers in an object array; int too large to convert to float.",
        ),
        ([1.0, [2.0]], ", sequence 0: expected shape (T,) or (T, F), got ()."),
        (
            [[[1, 2], [3]]],
            ", sequence 0: expected numbers of shape (T,) or (T, F), got rows of different lengths.",
        ),
        (_with((1, 2, 1), np.nan), f", sequence 1, step 2, feature 'x2': expected a number, got NaN. {FILL}"),
        (
            [[1, 2], [3, None, 4], [None, 5]],
            f", sequence 1, step 1: expected a number, got NaN, as in 1 other sequence. {FILL}",
        ),
        (
            [[1, 2], [3, None], [None]],
            ", sequence '2': expected at least one value, got none. Leave that sequence out.",
        ),
        (np.ma.masked_equal(FLAT, FLAT[1, 0]), f", sequence 1, step 0: expected a number, got NaN. {FILL}"),
        (
            _with((0, 3, 0), -np.inf),
            (
                ", sequence 0, step 3, feature 'x1': expected a number, got inf. Correct it, or leave "
                "that sequence out."
            ),
        ),
        (
            LONG.assign(u=[1, 2, np.nan, 4, 5]),
            f", sequence 0 ('b'), step 0, feature 'u': expected a number, got NaN. {FILL}",
        ),
        (
            _with((1, 2, 0), -1e200),
            (
                ", sequence 1, step 2, feature 'x1': expected numbers up to 1e+150, got -1e+200. Divide "
                "the column by a power of ten."
            ),
        ),
        (
            [[1e-200, 1e-201], [0.0]],
            (
                ", sequence 0, step 0: expected a number beyond 1e-150 in its column, got 1e-200 as the "
                "largest. Multiply the column by a power of ten."
            ),
        ),
        ([1.0, 2.0, 4.0], f": expected a list of sequences, got one sequence of 3 steps. {RESHAPE}"),
        (np.ones(4), f": expected a list of sequences, got one sequence of 4 steps. {RESHAPE}"),
        (torch.ones(4), f": expected a list of sequences, got one sequence of 4 steps. {RESHAPE}"),
        (list(np.ones(4)), f": expected a list of sequences, got one sequence of 4 steps. {RESHAPE}"),
        (pd.Series(np.ones(4)), f": expected a list of sequences, got one sequence of 4 steps. {RESHAPE}"),
        (np.ones(()), ": expected shape (N, T) or (N, T, F), got ()."),
        (np.ones((2, 3, 4, 5)), f": {NO_TABLE} float64 of shape (6, 4, 5). {COLUMNS}"),
        (np.ones((2,) * 6), ", clip 0: expected (T, H, W) or (T, C, H, W), got shape (2, 2, 2, 2, 2)."),
        (["up", "down"], ": expected sequences of numbers, got texts such as 'up'."),
        ([["1", "2"], ["3"]], f", sequence 0: expected numbers, got strings such as '1'. {CONVERT}"),
        (np.array([["1", "2"]]), f": expected numbers, got strings such as '1'. {CONVERT}"),
        (np.array([[1.0, "2"]], dtype=object), f": expected numbers, got strings such as '2'. {CONVERT}"),
        (
            _with((0, 0, 0), {"a": 1}, object),
            (
                ": expected numbers in an object array; float() argument must be a string or a real "
                "number, not 'dict'."
            ),
        ),
        (
            [[1.0, object]],
            (
                ", sequence 0: expected numbers in an object array; float() argument must be a string or "
                "a real number, not 'type'."
            ),
        ),
        (FLAT + 1j, ": expected real numbers, got complex128. Complex data not supported."),
        (
            FLAT.astype("M8[s]"),
            ": expected numbers, got datetime64[s]. Give them as numbers, such as seconds.",
        ),
        (
            pd.DataFrame({"a": ["1", "2"], "b": [1, 2]}),
            f", column 'a': expected numbers, got texts such as '1'. {NO_COLUMN}",
        ),
        (LONG.assign(who="me"), f", column 'who': expected numbers, got texts such as 'me'. {NO_COLUMN}"),
        (LONG.assign(label=0), ": expected features, got the column 'label'. Give it as y: X.pop('label')."),
        (
            pd.DataFrame({"u": _nested([[1.0]]), "Class": [2]}),
            ": expected features, got the column 'Class'. Give it as y: X.pop('Class').",
        ),
        (
            LONG.drop(columns="unique_id"),
            (
                ": expected a column that tells the sequences apart beside the time column 'ds', got "
                "none. Call it unique_id, or name it with id=; or remove the times, if a row is a "
                "sequence."
            ),
        ),
        (
            LONG.assign(ds=1),
            (
                ": expected columns that tell the sequences apart, but 3 times in column 'ds' stand twice in "
                "a sequence of 'unique_id'. Name all that do with id=."
            ),
        ),
        (
            pd.DataFrame({"id": [1, 2], "b": [1, 2]}),
            (
                ": expected a step in each column, got 'id', whose name says that it numbers the rows. "
                "Leave it out, or rename it."
            ),
        ),
        (
            pd.DataFrame({"u": _nested([[1, 2], [3]]), "v": _nested([[1, 2], [3, 4]])}),
            (
                ", sequence 1, column 'v': expected a cell of shape (1,), got (2,). Each cell holds one "
                "feature of all steps."
            ),
        ),
        (
            pd.DataFrame({"u": _nested([[1, 2], [3]]), "v": ["a", "b"]}),
            f", sequence 0, column 'v': expected numbers, got strings such as 'a'. {CONVERT}",
        ),
        (
            pl.DataFrame(FLAT).lazy(),
            ": expected rows in memory, got a lazy frame. Call its .collect() first.",
        ),
        (sparse.csr_array(FLAT), f": {NO_LIST} a sparse matrix. Call its .toarray() first."),
        (iter(RAGGED), f": {NO_LIST} list_iterator. Make a list of it: list(X)."),
        ("flow.ts", f": {NO_LIST} str. Read a file with unrolled.read_labelled."),
        (
            Path("flow.ts"),
            f": {NO_LIST} PosixPath. Read a file with unrolled.read_labelled.",
        ),
        (None, f": {NO_LIST} NoneType."),
        ({"a": [1.0]}, f": {NO_LIST} dict. Make a list of it: list(X.values())."),
        (read("machine"), ": expected numbers, got a text. Give a column of numbers a character."),
    ],
)
def test_bad_input_is_one_sentence(X: Any, sentence: str) -> None:
    """The sentence begins with the argument, places the fault and names the way out."""
    told = _fault_of(X)
    assert told.startswith("SequenceClassifier X")
    assert told.endswith(sentence)


def test_who_is_named() -> None:
    """The caller says what messages call the data."""
    with pytest.raises(DataError, match=r"^SequenceRegressor X: expected"):
        as_sequences([], who="SequenceRegressor X")


def test_objects_are_a_type_error_too() -> None:
    """As code that knows nothing of the package expects, scikit-learn's checks among it."""
    with pytest.raises(TypeError, match=r"argument must be .* string.* number"):
        as_sequences(_with((0, 0, 0), {"a": 1}, object))


def test_the_data_given_is_left_alone() -> None:
    """Neither a frame nor an array is changed by being read."""
    frame, block = LONG.copy(), BLOCK.copy()
    as_sequences(frame)
    as_sequences(block)
    assert frame.equals(LONG)
    assert (block == BLOCK).all()


def test_columns_of_several_levels_are_named_by_all() -> None:
    """Their names are pairs, not texts."""
    columns = pd.MultiIndex.from_tuples([("u", "a"), ("u", "b")])
    assert as_sequences(pd.DataFrame(FLAT[:, :2], columns=columns)).lengths.tolist() == [2, 2, 2]


@pytest.mark.parametrize("names", [("t", "id"), ("id", "t"), ("t", "trial", "subject")])
def test_the_level_of_times_is_found_in_any_place(names: tuple[str, ...]) -> None:
    """By its name; rows of one id are its steps, whichever level stands first."""
    levels = {"id": ["b", "a"], "subject": ["b", "a"], "trial": [7], "t": [0, 1, 2]}
    index = pd.MultiIndex.from_product([levels[name] for name in names], names=names)
    ids = index.get_level_values("id" if "id" in names else "subject")
    frame = pd.DataFrame({"x": index.get_level_values("t") + np.where(ids == "a", 10.0, 0)}, index=index)
    series = as_sequences(frame)
    assert [part.values[:, 0].tolist() for part in series] == [[0, 1, 2], [10, 11, 12]]


def test_the_level_of_dates_is_found_without_names() -> None:
    """An index of dates and ids, as `stack` makes it."""
    wide = pd.DataFrame(FLAT[:, :2], index=pd.date_range("2024-01-01", periods=len(FLAT)), columns=["a", "b"])
    series = as_sequences(wide.stack().to_frame("x"))
    assert series.lengths.tolist() == [len(FLAT)] * 2
    assert series[0].values[:, 0].tolist() == FLAT[:, 0].tolist()
