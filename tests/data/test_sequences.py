"""The one container: ragged rows, views, and the faults it refuses."""

from typing import Any

import numpy as np
import pytest
import torch

from unrolled.data.describe.analyse import describe
from unrolled.data.gaps import fill_gaps, require_regular
from unrolled.data.io.arrays import as_sequences
from unrolled.data.sequences import DeclaredOrder, Role, Sequences
from unrolled.errors import ArgumentError, DataError


def _make(**changes: object) -> Sequences:
    """Two series of 3 and 2 rows, with a past column."""
    fields = {
        "values": np.arange(10.0).reshape(5, 2),
        "offsets": np.array([0, 3, 5]),
        "ids": ("a", "b"),
        "columns": ("y", "x"),
        "roles": (Role.TARGET, Role.PAST),
        "times": np.arange("2020-01", "2020-06", dtype="M8[M]").astype("M8[ns]"),
        "source": "flow.csv",
    }
    return Sequences(**{**fields, **changes})


def test_one_sequence_is_a_view() -> None:
    """Taking a sequence by position or by id copies neither values nor times."""
    both = _make()
    for one in (both[1], both["b"], both[-1]):
        assert one.ids == ("b",)
        assert one.values.tolist() == [[6.0, 7.0], [8.0, 9.0]]
        assert np.shares_memory(one.values, both.values)
        assert np.shares_memory(one.times, both.times)
    assert [one.ids[0] for one in both] == ["a", "b"]


def test_lengths_target_and_roles() -> None:
    """Lengths come from offsets, the target from its role, wherever its column stands."""
    swapped = _make(roles=(Role.PAST, Role.TARGET))
    assert swapped.lengths.tolist() == [3, 2]
    assert swapped.target.tolist() == [1.0, 3.0, 5.0, 7.0, 9.0]
    assert swapped.columns_of(Role.PAST) == (0,)
    assert swapped.columns_of(Role.STATIC) == ()


@pytest.mark.parametrize("lengths", [(0, 0), (1, 2), (3, 1), (9, 1)])
def test_head_keeps_the_first_steps(lengths: tuple[int, int]) -> None:
    """Each sequence keeps its own first rows, times included, and never reaches into the next."""
    head = _make().head(np.array(lengths))
    kept = np.minimum(lengths, [3, 2])
    assert head.lengths.tolist() == kept.tolist()
    assert head[0].values.tolist() == _make()[0].values[: kept[0]].tolist()
    assert head[1].times.tolist() == _make()[1].times[: kept[1]].tolist()


def test_observed_ends_at_the_last_known_target() -> None:
    """Rows after the last known target are the future; an empty or unknown sequence observed nothing."""
    nan = np.nan
    ragged = Sequences.from_arrays([[1.0, nan, 3.0, nan], [nan, nan], [], [nan, 5.0], [7.0]])
    assert ragged.observed.tolist() == [3, 0, 0, 2, 1]


def test_missing_marks_nan() -> None:
    """The mask is true exactly where a value is missing."""
    assert Sequences.from_arrays([[1.0, np.nan]]).missing.tolist() == [[False], [True]]


def test_arrays_of_two_axes_have_inputs_after_the_target() -> None:
    """The first column of (T, F) arrays is the target; an empty sequence fits any F."""
    series = Sequences.from_arrays([np.ones((3, 2)), [], np.zeros((1, 2))])
    assert series.columns == ("y", "x1")
    assert series.roles == (Role.TARGET, Role.PAST)
    assert series.lengths.tolist() == [3, 0, 1]
    assert series.order is DeclaredOrder.POSITION


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ([], "arrays: expected at least one sequence, got none."),
        ([[1.0], ["a"]], "sequence 1: expected numbers of shape (T,) or (T, F); could not convert"),
        ([5.0], "sequence 0: expected shape (T,) or (T, F), got ()."),
        ([np.ones((2, 2)), np.ones((2, 3))], "sequence 1: expected 2 columns as in sequence 0, got 3."),
        (None, "arrays: expected a list of arrays, one a sequence, got None."),
        ([np.ones((3, 0))], "sequence 0: expected at least one feature a step, got (3, 0)."),
    ],
)
def test_arrays_that_are_no_sequences(arrays: list[object], sentence: str) -> None:
    """The sentence names the sequence that does not fit."""
    with pytest.raises(DataError) as fault:
        Sequences.from_arrays(arrays)
    assert str(fault.value).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"values": np.ones((4, 2))}, "expected values of shape (5, 2), got (4, 2)."),
        ({"offsets": np.array([1, 3, 5])}, "expected offsets that begin at 0 and never fall."),
        ({"offsets": np.array([0, 6, 5])}, "expected offsets that begin at 0 and never fall."),
        ({"ids": ("a",)}, "expected one id a sequence and one role a column."),
        ({"ids": ("a", "a")}, "expected distinct ids, got 'a' twice."),
        ({"roles": (Role.PAST, Role.PAST)}, "expected at least one target among the columns, got none."),
        ({"times": np.arange(4)}, "expected times of shape (5,), got (4,)."),
        (
            {"offsets": np.array([], dtype=np.int64)},
            "expected arrays of values (ΣT, ...) and offsets (N + 1,), got shapes (5, 2) and (0,).",
        ),
        (
            {"values": np.float64(3)},
            "expected arrays of values (ΣT, ...) and offsets (N + 1,), got shapes () and (3,).",
        ),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, object], sentence: str) -> None:
    """Every misfit is a sentence that begins with the source."""
    with pytest.raises(DataError) as fault:
        _make(**changes)
    assert str(fault.value) == f"flow.csv: {sentence}"


def test_a_sequence_that_is_not_there() -> None:
    """An unknown id offers the nearest one; a position out of range says how many there are."""
    named = _make(ids=("north", "south"))
    with pytest.raises(ArgumentError) as fault:
        named["nort"]
    assert str(fault.value) == "flow.csv: no sequence is called 'nort'. Did you mean 'north'?"
    with pytest.raises(ArgumentError) as fault:
        named[2]
    assert str(fault.value) == "flow.csv: sequence 2 asked for, but there are 2."
    for key in (slice(1), 1.0, None):
        with pytest.raises(
            ArgumentError, match=r"^flow\.csv: expected the position or the id of one sequence"
        ):
            named[key]
    assert named[np.int64(1)].ids == ("south",)


def test_tensors_are_sequences() -> None:
    """Those that take part in a gradient too: their values are copied out of it."""
    learned = torch.ones(3, 2, requires_grad=True)
    assert Sequences.from_arrays([learned]).values.shape == (3, 2)
    assert Sequences.from_arrays([learned], dtype=np.float32).values.dtype == np.float32


def test_its_repr_is_one_line() -> None:
    """A million rows print as one line."""
    assert repr(_make(freq="MS")) == "Sequences(flow.csv: 2 of 5 rows in all, columns y, x, freq='MS')"


def test_a_mask_hides_its_values() -> None:
    """What a masked array hides is missing, in whole numbers and in rows of a matrix too."""
    hidden = np.ma.array([1, 2, 3], mask=[False, True, False])
    for source in ([hidden], [hidden.astype(float)], np.ma.array([[1, 2, 3]], mask=[[0, 1, 0]])):
        values = Sequences.from_arrays(source).target
        assert np.array_equal(values, [1.0, np.nan, 3.0], equal_nan=True)


def test_times_of_any_unit_are_kept_in_nanoseconds() -> None:
    """What pandas 3 hands out in microseconds is the same moment here."""
    days = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[us]")
    series = Sequences(np.ones((2, 1)), np.array([0, 2]), ("a",), times=days, freq="D")
    assert series.times.dtype == "datetime64[ns]"
    assert (series.times == days).all()


def _video() -> Sequences:
    """Two clips of 4 and 3 frames, 8 by 6 pixels, each value distinct from its neighbours."""
    frames = np.random.default_rng(0).integers(0, 256, size=(7, 8, 6), dtype=np.uint8)
    return Sequences.from_arrays([frames[:4], frames[4:]], dtype=np.uint8)


def test_tokens_are_integers() -> None:
    """A vocabulary makes positions of the values: one axis, eight bytes or as few as asked for."""
    words = Sequences.from_arrays([[2, 0, 1], [1]], tokens=["to", "be", "or"])
    assert words.values.tolist() == [2, 0, 1, 1]
    assert (words.values.dtype, words.feature_shape, words.is_table) == (np.int64, (), False)
    assert [words.tokens[k] for k in words[0].target] == ["or", "to", "be"]
    small = Sequences.from_arrays([[2, 0, 1]], tokens=["to", "be", "or"], dtype=np.uint16)
    assert small.values.dtype == np.uint16


def test_frames_keep_their_type_and_shape() -> None:
    """Video is uint8 frames; a clip is a view, and cutting keeps whole frames."""
    video = _video()
    assert (video.values.shape, video.values.dtype, video.feature_shape) == ((7, 8, 6), np.uint8, (8, 6))
    assert np.shares_memory(video[1].values, video.values)
    assert video[1].values.shape == (3, 8, 6)
    head = video.head(np.array([1, 2]))
    np.testing.assert_array_equal(head.values, video.values[[0, 4, 5]])
    assert head.values.dtype == np.uint8
    assert repr(video) == "Sequences(arrays: 2 of 7 rows in all, uint8 (8, 6) a row)"


def test_an_empty_clip_fits_any_frames() -> None:
    """As an empty series fits any features."""
    video = Sequences.from_arrays([[], np.ones((2, 3, 5))], dtype=np.float32)
    assert (video.lengths.tolist(), video.feature_shape) == ([0, 2], (3, 5))


def test_integers_miss_nothing() -> None:
    """Every step of tokens and of frames is observed; a float frame is where one of its values is."""
    assert not _video().missing.any()
    assert _video().observed.tolist() == [4, 3]
    nan = np.nan
    waves = Sequences.from_arrays([[[[1.0, nan]], [[nan, nan]]]], dtype=np.float32)
    assert waves.missing.tolist() == [[[False, True]], [[True, True]]]
    assert waves.observed.tolist() == [1]


@pytest.mark.parametrize(
    ("arrays", "arguments", "sentence"),
    [
        ([[0, 3]], {"tokens": "abc"}, "arrays, row 1: expected a position from 0 to 2 in tokens, got 3."),
        ([[0, -1]], {"tokens": "abc"}, "arrays, row 1: expected a position from 0 to 2 in tokens, got -1."),
        ([[0.5]], {"tokens": "abc"}, "sequence 0: expected values of type int64, got 0.5."),
        ([[np.nan]], {"tokens": "abc"}, "sequence 0: expected values of type int64, got nan."),
        ([[[0, 1]]], {"tokens": "abc"}, "arrays: expected integers of shape (ΣT,) beside tokens, got int64"),
        ([[1], [256]], {"dtype": np.uint8}, "sequence 1: expected values of type uint8, got 256."),
        ([[1, 2], [-1]], {"dtype": np.uint8}, "sequence 1: expected values of type uint8, got -1."),
        ([[["a"]]], {"dtype": np.float32}, "sequence 0: expected values of type float32; could not convert"),
        ([["a"]], {"dtype": np.str_}, "arrays: expected booleans, integers or floats, got <U1."),
        ([5], {"dtype": np.uint8}, "sequence 0: expected shape (T, *feature_shape), got ()."),
        (
            [np.ones((3, 0, 2))],
            {"dtype": np.float32},
            "sequence 0: expected steps that hold values, got (3, 0,",
        ),
        ([[0]], {"tokens": "aa"}, "arrays: expected distinct texts as tokens, got ('a', 'a') among them."),
        ([[0]], {"tokens": [1]}, "arrays: expected distinct texts as tokens, got (1,) among them."),
        (
            [np.ones((2, 8, 6)), np.ones((2, 8, 7))],
            {"dtype": np.uint8},
            "sequence 1: expected steps of shape (8, 6), got (8, 7).",
        ),
    ],
)
def test_values_that_do_not_fit_their_type(arrays: Any, arguments: dict[str, Any], sentence: str) -> None:
    """The sequence and the value are named: nothing wraps around, nothing is rounded."""
    with pytest.raises(DataError) as fault:
        Sequences.from_arrays(arrays, **arguments)
    assert str(fault.value).startswith(sentence)


def test_values_of_other_shapes_have_one_column() -> None:
    """Frames are one thing to the model, whatever they hold."""
    with pytest.raises(DataError, match=r"expected one column name for values of shape \(5,\), got 2\."):
        _make(values=np.arange(5))


def test_only_tables_are_forecast_and_classified() -> None:
    """What reads (ΣT, F) floats refuses tokens and frames in one sentence."""
    sentence = "video: expected a table of float64 values, steps by features, got uint8 of shape (7, 8, 6)."
    with pytest.raises(DataError) as fault:
        _video().require_table("video")
    assert str(fault.value).startswith(sentence)
    with pytest.raises(DataError, match="expected numbers, got a text"):
        Sequences.from_arrays([[0]], tokens="a").require_table("X")
    _make().require_table("X")
    for refuse in (as_sequences, require_regular, lambda video: fill_gaps(video, "linear"), describe):
        with pytest.raises(DataError, match="expected a table of float64 values"):
            refuse(_video())
