"""Windows share the memory of the series, and a batch is what a slow loop makes of the definition."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from unrolled.data.preprocess.transforms import Transform
from unrolled.models.forecasting.windows import EncodedSeries, ForecastDataset, Windows
from unrolled.nn.ops.forecasting import WindowPlaces, gather_windows

LIMIT, RECENT_LIMIT, YEARS = 12.0, 60.0, 2
SHARE = 0.25


class Made(NamedTuple):
    """Windows, and what they were made of."""

    windows: Windows
    tracks: list[EncodedSeries]
    name: str


def _track(steps: int, rule: Transform, horizon: int, seed: int) -> EncodedSeries:
    rng = np.random.default_rng(seed)
    y = np.exp(2 + seed + np.cumsum(rng.normal(0.01, 0.3, size=steps)))
    transformed = rule.apply(y, rule.learn(y))
    return EncodedSeries(transformed, rng.normal(size=(steps, 2)), rng.normal(size=(steps + horizon, 3)))


def _made(
    name: str = "log-difference",
    lengths: tuple[int, ...] = (31, 3, 18),
    *,
    window: int = 7,
    horizon: int = 5,
    season: int = 1,
) -> Made:
    rule = Transform(name, season)
    tracks = [_track(n, rule, horizon, seed) for seed, n in enumerate(lengths, 1)]
    windows = Windows(tracks, window=window, horizon=horizon, season=season, usual_share=SHARE)
    return Made(windows, tracks, name)


def _row(track: EncodedSeries, t: int) -> np.ndarray:
    """(F,) what the network reads of one step; zeros before the series."""
    if t < 0:
        return np.zeros(2 + track.past.shape[1] + track.ahead.shape[1])
    move = track.transformed.inputs[t]
    return np.r_[move, 1.0, track.past[t], track.ahead[t]].clip(-LIMIT, LIMIT)


def _definition(made: Made, series: int, t: int, cut: int | None = None) -> dict[str, np.ndarray]:
    """One readout at step t of a series, a number at a time."""
    windows, track = made.windows, made.tracks[series]
    g, center = track.transformed.working, track.transformed.center
    unit, n, lag = track.transformed.unit[t], len(track), windows.lag

    def moved(step: int) -> float:
        return float(np.clip((g[step] - g[t]) / unit, -RECENT_LIMIT, RECENT_LIMIT)) if step >= 0 else 0.0

    anchors, target, mask = [], [], []
    for k in range(1, windows.horizon + 1):
        of_season = t + k - windows.season * -(-k // windows.season)
        years = [of_season - year * windows.season for year in range(YEARS)]
        newest = moved(years[0])
        anchors.append([newest] + [moved(step) if step >= 0 else newest for step in years[1:]])
        usable = t + k < (n if cut is None else cut)
        start = center[t] if lag == 0 else g[max(t + k - lag * -(-k // lag), 0)]
        mask.append(float(usable))
        target.append((g[t + k] - start) / unit if usable else 0.0)
    ahead = [track.ahead[t + k] for k in range(1, windows.horizon + 1)]
    seen = np.log(t + 1) / 2 - 1.5
    return {
        "levels": np.array([moved(t + v) for v in range(1 - windows.recent, 1)]),
        "anchors": np.array(anchors) if windows.season > 1 else np.empty((windows.horizon, 0)),
        "ahead": np.array(ahead),
        "context": np.array([np.log(track.transformed.share[t] / SHARE), seen]),
        "target": np.array(target),
        "target_mask": np.array(mask),
        "weight": np.array(track.transformed.share[t] / SHARE),
    }


CASES = [
    ("log-difference", 1),
    ("difference", 4),
    ("scale", 4),
    ("log", 1),
    ("seasonal-difference", 4),
    ("log-seasonal-difference", 4),
]


@pytest.mark.parametrize(("name", "season"), CASES)
@pytest.mark.parametrize("window", [3, 7, 16])
def test_a_batch_is_its_definition(name: str, season: int, window: int) -> None:
    """Every field at every origin of three series, the first steps with nothing before them included."""
    made = _made(name, window=window, season=season)
    pairs = [(k, t) for k, track in enumerate(made.tracks) for t in range(len(track))]
    series, steps = np.array(pairs).T
    batch = made.windows.batch(made.windows.rows(series, steps))
    assert batch.inputs.shape == (len(pairs), window, 7)
    assert (batch.readouts == window - 1).all()
    for row, (k, t) in enumerate(pairs):
        read = [_row(made.tracks[k], step) for step in range(t - window + 1, t + 1)]
        np.testing.assert_allclose(batch.inputs[row], read, rtol=1e-5, atol=1e-6)
        for field, expected in _definition(made, k, t).items():
            actual = getattr(batch, field)[row]
            np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5, err_msg=f"{field} at {k}, {t}")


def test_readouts_back_in_a_window_are_windows_that_end_there() -> None:
    """Many readouts of a window give the targets and the levels of as many windows, each under its cut."""
    made, cuts = _made(season=4, name="seasonal-difference"), (27, 3, 13)
    series, steps = np.array([0, 2, 0]), np.array([25, 11, 6])
    back = torch.tensor([[0, 3, 6], [1, 1, 5], [2, 0, 4]])
    rows = made.windows.rows(series, steps)
    cut_rows = made.windows.rows(series, np.array([cuts[k] for k in series]))
    batch = made.windows.batch(rows, back, torch.from_numpy(cut_rows))
    assert batch.inputs.shape == (3, 7, 7)
    assert batch.target.shape == (9, 5)
    assert batch.readouts.tolist() == (6 - back).tolist()
    for m in range(9):
        k, t = int(series[m // 3]), int(steps[m // 3] - back.flatten()[m])
        for field, expected in _definition(made, k, t, cuts[k]).items():
            np.testing.assert_allclose(
                getattr(batch, field)[m], expected, rtol=2e-5, atol=2e-5, err_msg=f"{field} at {k}, {t}"
            )


@pytest.mark.parametrize(("name", "season"), CASES)
@pytest.mark.parametrize("readouts", [1, 5])
def test_the_kernel_gathers_what_torchs_operators_do(name: str, season: int, readouts: int) -> None:
    """To the bit, in every field, with and without cuts; unobserved steps of the past are among them."""
    made = _made(name, season=season)
    windows, rng = made.windows, np.random.default_rng(1)
    series = rng.integers(0, 3, size=40)
    steps = rng.integers(0, np.array([31, 3, 18])[series])
    rows = torch.from_numpy(windows.rows(series, steps))
    back = torch.from_numpy(rng.integers(0, steps[:, None] + 1, size=(40, readouts)))
    cuts = rows + torch.from_numpy(rng.integers(-4, 6, size=40))
    for cut in (None, cuts):
        fused = windows.batch(rows, back, cut)
        for field, expected in windows._batch(rows, back, cut)._asdict().items():
            assert torch.equal(getattr(fused, field), expected), field


def test_a_unit_whose_reciprocal_overflows_gives_no_nan() -> None:
    """A series of equal subnormal numbers moves by 0 of them."""
    y, rule = np.full(30, 3e-310), Transform("difference")
    transformed = replace(rule.apply(y, rule.learn(y)), unit=np.full(30, 3e-310))
    nothing = np.empty((30, 0))
    track = EncodedSeries(transformed, nothing, nothing)
    windows = Windows([track], window=12, horizon=3, season=1, usual_share=1.0)
    rows = torch.from_numpy(windows.rows(0, np.array([11, 20])))
    for batch in (windows.batch(rows), windows._batch(rows, torch.zeros(2, 1, dtype=torch.int64), None)):
        assert batch.levels.abs().sum() == batch.target.abs().sum() == 0


@pytest.mark.parametrize(("row", "back"), [(10**6, 0), (20, -90), (0, 0), (20, 35)])
def test_the_kernel_reads_no_row_beyond_the_series(row: int, back: int) -> None:
    """It leaves them to torch's operators, which raise or count from the end."""
    windows = _made().windows
    places = WindowPlaces(
        torch.tensor([20, row]), torch.tensor([[0], [back]]), None, None, windows._recent, windows._yearly
    )
    assert gather_windows(windows._rows, places, windows.window, RECENT_LIMIT) is None
    inside = places._replace(ends=torch.tensor([20, 20]), steps_back=torch.tensor([[0], [1]]))
    assert gather_windows(windows._rows, inside, windows.window, RECENT_LIMIT) is not None


def test_starts_count_the_rows_before_each_series() -> None:
    """They are 0 in every column, and so the same in every window."""
    windows = _made(window=7).windows
    batch = windows.batch(windows.rows(np.array([0, 0, 1, 2, 2]), np.array([0, 3, 2, 5, 11])))
    assert batch.starts.tolist() == [6, 3, 4, 1, 0]
    for window, start in zip(batch.inputs, batch.starts, strict=True):
        assert not window[:start].any()
        assert window[start:, 1].all()  # observed


def test_windows_share_the_memory_of_the_series() -> None:
    """No window is a copy: all begin in the one flat array."""
    windows = _made(lengths=(400,), window=64).windows
    assert windows.views.shape == (400 + 5 + 1, 7, 64)
    assert np.shares_memory(windows.views.numpy(), windows.inputs.numpy())
    assert windows.views.untyped_storage().data_ptr() == windows.inputs.untyped_storage().data_ptr()
    assert windows.views[9].data_ptr() == windows.inputs[9].data_ptr()


def _held_bytes(windows: Windows) -> int:
    """Every tensor that the windows keep."""
    tensors = [value for value in vars(windows).values() if isinstance(value, torch.Tensor)]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def test_memory_grows_with_the_series_not_with_the_window() -> None:
    """Twice the steps take twice the bytes; a window sixteen times as long takes its padding more."""
    short, long = (_held_bytes(_made(lengths=(n,), window=8).windows) for n in (2000, 4000))
    assert 1.9 < long / short < 2.1
    wide = _held_bytes(_made(lengths=(4000,), window=128).windows)
    assert wide < 1.1 * long


def test_a_level_of_a_billion_keeps_its_ones() -> None:
    """Differences are taken before anything is rounded to float32."""
    rule, y = Transform("difference"), 1e9 + np.arange(30.0)
    nothing = np.empty((30, 0))
    track = EncodedSeries(rule.apply(y, rule.learn(y)), nothing, nothing)
    windows = Windows([track], window=6, horizon=2, season=1, usual_share=1.0)
    batch = windows.batch(windows.rows(0, np.array([20])))
    unit = track.transformed.unit[20]
    np.testing.assert_allclose(batch.target[0] * unit, [1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(batch.levels[0] * unit, range(-5, 1), rtol=1e-6)


def test_no_window_reaches_into_its_neighbour() -> None:
    """A series beside others gives the windows that it gives alone."""
    alone = _made(lengths=(31,), season=4, name="seasonal-difference")
    beside = _made(lengths=(31, 3, 18), season=4, name="seasonal-difference")
    steps = np.arange(31)
    one = alone.windows.batch(alone.windows.rows(0, steps))
    other = beside.windows.batch(beside.windows.rows(0, steps))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _selection(made: Made, cuts: tuple[int, ...], readouts: int, first: int = 2) -> ForecastDataset:
    chosen = [(k, t) for k, cut in enumerate(cuts) for t in range(first, cut - 1)]
    series, steps = np.array(chosen).T
    starts = made.windows.rows(series, np.zeros_like(steps))
    ends = starts + np.array(cuts)[series]
    return ForecastDataset(made.windows, starts + steps, firsts=starts + first, cuts=ends, readouts=readouts)


def test_a_selection_hides_what_lies_after_the_cut() -> None:
    """With one readout or many, whatever follows the cut changes nothing in a batch."""
    for readouts in (1, 4):
        batches = []
        for after in (1.0, 50.0):
            rule, (window, horizon) = Transform("difference"), (7, 5)
            y = 30 + np.cumsum(np.random.default_rng(5).normal(size=40))
            scale = rule.learn(y[:25])
            y[25:] *= after
            nothing = np.empty((40, 0))
            track = EncodedSeries(rule.apply(y, scale), nothing, nothing)
            windows = Windows([track], window=window, horizon=horizon, season=1, usual_share=1.0)
            selection = _selection(Made(windows, [track], "difference"), (25,), readouts)
            torch.manual_seed(1)
            batches.append(selection.batch(torch.arange(len(selection))))
        assert all(torch.equal(a, b) for a, b in zip(*batches, strict=True))


def test_readouts_are_drawn_where_a_forecast_can_be_made() -> None:
    """Never before the first origin, never without a usable target, and the newest origin among them."""
    made, cuts = _made(lengths=(31, 5, 18)), (27, 5, 14)
    selection = _selection(made, cuts, 4)
    torch.manual_seed(0)
    batch = selection.batch(torch.arange(len(selection)).repeat(40))
    assert (batch.target_mask[:, 0] == 1).all()
    ages = ((batch.context[:, 1] + 1.5) * 2).exp().round()  # steps seen at each readout
    assert int(ages.min()) == 3
    assert int(ages.max()) == 26  # the origin just before the cut of the longest
    assert set(range(3, 27)) <= set(ages.int().tolist())  # no origin is left out


def test_a_fingerprint_tells_data_and_settings_apart() -> None:
    """The same origins of the same data have one; another value, cut or setting has another."""
    base = _selection(_made(), (27, 3, 14), 1)
    assert base.fingerprint("a") == _selection(_made(), (27, 3, 14), 1).fingerprint("a")
    others = [_selection(_made(), (26, 3, 14), 1), _selection(_made("difference"), (27, 3, 14), 1)]
    assert len({base.fingerprint("a"), base.fingerprint("b"), *(o.fingerprint("a") for o in others)}) == 4


def test_a_batch_moves_whole() -> None:
    """Every field of it is on the device afterwards."""
    batch = _made().windows.batch(np.array([9, 10])).to("meta")
    assert {tensor.device.type for tensor in batch} == {"meta"}
