"""Facts about a fitted Forecaster, for its summary and its model card."""

from __future__ import annotations

from unrolled.data.calendar.offsets import step_quantity
from unrolled.data.preprocess.transforms import transform_name
from unrolled.data.sequences import Sequences
from unrolled.formatting import quantity
from unrolled.models.forecasting.network import ForecastNetworkConfig
from unrolled.models.summary import Fact, network_fact
from unrolled.train.history import History


def forecaster_facts(
    config: ForecastNetworkConfig,
    series: Sequences,
    history: History,
    *,
    window: int,
    transform: str,
    bounds_note: str,
) -> tuple[Fact, ...]:
    """List what a network reads, forecasts and was trained on.

    Args:
        config: of the network.
        series: that were fitted on.
        history: of the training.
        window: steps that the network reads.
        transform: the name of the common one.
        bounds_note: which bounds forecasts keep, and why; "" for none.
    """
    steps = quantity(int(series.lengths.sum()), "step")
    training = f"{quantity(history.count, history.unit)} ({history.stopped})"
    bounds = (Fact("Bounds", bounds_note),) if bounds_note else ()
    return (
        network_fact(config),
        Fact("Reads", f"the last {step_quantity(window, series.freq)}"),
        Fact("Forecasts", step_quantity(config.horizon, series.freq)),
        Fact("Sees", f"{transform_name(transform)} ({transform})"),
        *bounds,
        Fact("Fitted on", f"{len(series)} series, {steps}, frequency {series.freq or 'none'}"),
        Fact("Training", f"{training}, the best was number {history.best_count}"),
    )


def card_footer(transform_reason: str) -> str:
    """Word the last part of a model card: why this transform, how to load, and where scores are.

    >>> card_footer("it never changes sign").splitlines()[0]
    'The transform was chosen because: it never changes sign.'
    """
    return (
        f"The transform was chosen because: {transform_reason}.\n\n"
        "Load it with `unrolled.Forecaster.load(folder)`; nothing in this folder is code. The\n"
        "series it was fitted on are in `model.safetensors`.\n\n"
        "This card holds no score: what a forecast is worth shows only beside the simple forecasts,\n"
        "on the data it is meant for. Run `unrolled.backtest(model, series)`."
    )
