"""FrameForecaster: frames in, the frames that follow out; saved, resumed, refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from unrolled import ArgumentError, DataError, FrameForecaster, NotFittedError, Sequences

SMALL: dict[str, Any] = {"horizon": 3, "window": 4, "hidden_channels": 4, "num_layers": 1, "max_epochs": 1}


@pytest.fixture
def clips(bouncing_squares: Callable[..., Any]) -> Any:
    """Four clips of nine frames."""
    return bouncing_squares(4, 9)


def test_forecasts_have_the_shape_of_what_is_given(clips: Any) -> None:
    """A series gives a series; clips give clips, alone as among others, whatever holds them."""
    model = FrameForecaster(**SMALL).fit(clips)
    many = model.predict(clips)
    assert many.shape == (4, 3, 16, 16)
    assert many.dtype == np.float32
    assert model.predict(clips[2]).shape == (3, 16, 16)
    assert np.allclose(model.predict(clips[2]), many[2], atol=1e-3)
    assert np.array_equal(model.predict(list(clips)), many)
    assert np.array_equal(model.predict(clips[:, -4:]), many)  # the window is all that is read
    assert not np.array_equal(model.predict(clips[:, :-1]), many)
    series = Sequences.from_arrays(list(clips), dtype=np.uint8)
    assert np.array_equal(model.predict(series), many)


def test_colour_keeps_its_channels_and_each_its_scale() -> None:
    """(N, T, C, H, W), channels last turned first."""
    rng = np.random.default_rng(0)
    clips = rng.normal([0.0, 1000.0, -5.0], [1.0, 10.0, 0.1], (4, 12, 6, 7, 3))
    model = FrameForecaster(**SMALL).fit(list(clips))
    assert model.frame_shape_ == [3, 6, 7]
    forecasts = model.predict(list(clips))
    assert forecasts.shape == (4, 3, 3, 6, 7)
    assert np.allclose(forecasts.mean((0, 1, 3, 4)), [0.0, 1000.0, -5.0], atol=[1.0, 10.0, 0.1])
    assert model.bounds_ is None


def test_bytes_and_booleans_stay_within_their_range(clips: Any) -> None:
    """And floats are free."""
    for values, bounds in ((clips, [0, 255]), (clips > 0, [0, 1]), (clips / 255.0, None)):
        model = FrameForecaster(**SMALL).fit(values)
        assert model.bounds_ == bounds
        if bounds is not None:
            forecasts = model.predict(values)
            assert bounds[0] <= forecasts.min() < forecasts.max() <= bounds[1]


def test_there_are_no_live_streams_of_frames(clips: Any) -> None:
    """The sentence says what to call instead."""
    model = FrameForecaster(**SMALL).fit(clips)
    with pytest.raises(ArgumentError, match=r"FrameForecaster\.stream: .* no live streams\. Call predict on"):
        model.stream()


@pytest.mark.parametrize("cell", ["convgru", "convlstm"])
def test_a_saved_model_forecasts_the_same(cell: str, clips: Any, tmp_path: Path) -> None:
    """To the bit; its card says what was fitted."""
    model = FrameForecaster(**SMALL, cell=cell, n_members=2).fit(clips)
    back = FrameForecaster.load(model.save(tmp_path / "model"))
    assert np.array_equal(back.predict(clips), model.predict(clips))
    assert back.get_params() == model.get_params()
    assert back.stopping_reason_ == model.stopping_reason_
    card = (tmp_path / "model" / "README.md").read_text()
    assert "4 clips of 9 frames, uint8, 16 x 16" in card
    assert cell in card


def test_an_interrupted_training_resumes_to_the_same_result(clips: Any, tmp_path: Path) -> None:
    """From the folder of its checkpoint."""

    class StopError(Exception):
        pass

    def stop(record: dict[str, Any]) -> None:
        if record["epoch"] >= 2:
            raise StopError

    whole = FrameForecaster(**SMALL | {"max_epochs": 3}).fit(clips)
    model = FrameForecaster(**SMALL | {"max_epochs": 3})
    with pytest.raises(StopError):
        model.fit(clips, checkpoint=tmp_path / "run", callbacks=[stop])
    resumed = model.fit(clips, checkpoint=tmp_path / "run")
    assert np.array_equal(resumed.predict(clips), whole.predict(clips))
    assert resumed.history_.count == 3


def test_every_option_matters(clips: Any) -> None:
    """Each changes the forecast."""
    usual = FrameForecaster(**SMALL).fit(clips).predict(clips)
    changes: list[dict[str, Any]] = [
        {"window": 5}, {"cell": "convlstm"}, {"hidden_channels": 7}, {"num_layers": 2}, {"kernel_size": 5},
        {"patch_size": 1}, {"n_members": 2}, {"max_epochs": 2}, {"batch_size": 7}, {"learning_rate": 1e-3},
        {"random_state": 1},
    ]  # fmt: skip
    for change in changes:
        other = FrameForecaster(**SMALL | change).fit(clips).predict(clips)
        assert not np.array_equal(other, usual), change


def test_the_same_seed_gives_the_same_model(clips: Any) -> None:
    """A clone too; and a fit leaves the caller's frames as they are."""
    before = clips.copy()
    model = FrameForecaster(**SMALL)
    first = model.fit(clips).predict(clips)
    assert np.array_equal(clone(model).fit(clips).predict(clips), first)
    assert np.array_equal(clips, before)


BAD: dict[str, tuple[Any, str]] = {
    "one frame": (np.zeros((8, 8)), "got one frame|expected a list of|got shape"),
    "a clip of one frame": ([np.zeros((1, 8, 8))], r"more than horizon=3 frames, got one of 1 frame\."),
    "no clip": ([], "expected at least one clip, got none"),
    "a horizon longer than a clip": (
        np.zeros((2, 3, 8, 8)),
        "more than horizon=3 frames, got one of 3",
    ),
    "NaN": (np.full((2, 9, 8, 8), np.nan), "clip 0, frame 0: expected numbers .* got NaN"),
    "a table": (Sequences.from_arrays([[1.0, 2.0]]), r"expected frames \(H, W\) or \(C, H, W\)"),
    "one series in colour": (
        np.zeros((20, 9, 8, 3)),
        r"shape \(20, 9, 8, 3\), which may be .* as \[x\], and",
    ),
    "a path": ("clips/", "expected a list of .* got str"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_frames_are_refused_in_one_sentence(name: str) -> None:
    """The message names what is demanded and what came."""
    frames, sentence = BAD[name]
    with pytest.raises(DataError, match=sentence) as caught:
        FrameForecaster(horizon=3, max_epochs=1).fit(frames)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("FrameForecaster frames")


def test_frames_unlike_those_fitted_on_are_refused(clips: Any) -> None:
    """Of another size, too few, and before a fit."""
    model = FrameForecaster(**SMALL)
    with pytest.raises(NotFittedError):
        model.predict(clips)
    model.fit(clips)
    with pytest.raises(DataError, match="expected frames of 16 x 16, as in fit, got 8 x 16"):
        model.predict(clips[:, :, :8])
    with pytest.raises(DataError, match="expected uint8, as in fit, got float64, which may"):
        model.predict(clips / 255.0)
    with pytest.raises(DataError, match="clip 0: expected at least 4 frames, the window of fit, got 3"):
        model.predict(clips[:, :3])


def test_arguments_out_of_range_are_refused_together() -> None:
    """A line each."""
    with pytest.raises(ArgumentError) as caught:
        FrameForecaster(0, cell="gru", kernel_size=0, validation_fraction=0.9).fit(np.zeros((9, 8, 8)))
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["horizon", "cell", "kernel_size", "validation_fraction"]


def test_a_fit_that_fails_leaves_the_model_as_it_was(clips: Any) -> None:
    """The forecasts of the first fit stay."""
    model = FrameForecaster(**SMALL).fit(clips)
    before = model.predict(clips)
    with pytest.raises(DataError):
        model.fit(np.zeros((2, 3, 8, 8)))
    assert np.array_equal(model.predict(clips), before)
