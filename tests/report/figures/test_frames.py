"""The frames of a backtest are drawn as they are: what was read, what followed, the forecasts."""

import numpy as np

from unrolled.evaluate.forecasting.frame_backtest import FrameBacktest, FrameExample
from unrolled.evaluate.forecasting.verdict import BaselineLosses, backtest_verdict
from unrolled.report.figures.dispatch import figure

RNG = np.random.default_rng(0)


def record(
    shape: tuple[int, ...], read: int = 5, horizon: int = 7, network: str = "convgru"
) -> FrameBacktest:
    """A backtest whose example holds distinct frames."""
    truth = RNG.normal(size=(horizon, *shape))
    forecasts = {name: truth + k + 1 for k, name in enumerate((network, "AR1", "copy last"))}
    losses = np.ones(12)
    best = [BaselineLosses("AR1", losses * 2), BaselineLosses("copy last", losses * 3)]
    return FrameBacktest(
        table=[{"model": name, "mae": 1.0, "rmse": 1.0, "sse": 1.0} for name in forecasts],
        verdict=backtest_verdict(losses, best, horizon=1, step=1, name=network),
        horizon=horizon,
        frame_shape=shape,
        example=FrameExample(RNG.normal(size=(read, *shape)), truth, forecasts),
    )


def test_each_frame_stands_in_its_row_and_column() -> None:
    """Two that were read, four that followed; below them the network and the best baseline."""
    backtest = record((4, 5))
    plot = figure(backtest)
    (heatmap,) = plot.data
    z = np.asarray(heatmap.z)
    assert z.shape == (3 * 5, 6 * 6)
    assert plot.layout.xaxis.ticktext == ("-1", "0", "+1", "+3", "+5", "+7")
    assert plot.layout.yaxis.ticktext == ("what happened", "ConvGRU", "AR(1)")
    assert np.array_equal(z[0:4, 6:11], backtest.example.inputs[-1])
    assert np.array_equal(z[0:4, 18:23], backtest.example.truth[2])
    assert np.array_equal(z[5:9, 18:23], backtest.example.forecasts["convgru"][2])
    assert np.array_equal(z[10:14, 30:35], backtest.example.forecasts["AR1"][6])
    assert np.isnan(z[5:, :12]).all()
    assert np.isnan(z[:, 5]).all()


def test_short_windows_colours_and_large_frames_are_drawn() -> None:
    """One frame read, one ahead; channels averaged; at most 64 pixels a side; letters of HTML escaped."""
    one = np.asarray(figure(record((4, 5), read=1, horizon=1)).data[0].z)
    assert one.shape == (15, 12)
    colour = record((3, 4, 5))
    z = np.asarray(figure(colour).data[0].z)
    assert np.allclose(z[0:4, 6:11], colour.example.inputs[-1].mean(0))
    assert np.asarray(figure(record((200, 130))).data[0].z).shape == (3 * 51, 6 * 34)
    assert figure(record((4, 5), network="<b>")).layout.yaxis.ticktext[1] == "&lt;b&gt;"
