"""Model cards: what a saved model is, and what it must not be taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled.data.sequences import Sequences
    from unrolled.models.forecasting.forecaster import Forecaster
    from unrolled.models.sequence.base import SequenceEstimator


def model_card(model: Forecaster, series: Sequences) -> str:
    """What the model is, what it was fitted on, and what it must not be taken for."""
    history, sizes = model.history_, model.sizes_
    steps = int(series.lengths.sum())
    facts = {
        "cell": f"{sizes.cell}, {sizes.num_layers} × {sizes.hidden_size} units",
        "weights": f"{model.n_parameters_:,}",
        "networks": str(model.n_networks_),
        "horizon": f"{sizes.horizon} steps",
        "window": f"{model.window_} steps",
        "transform": f"{model.transform_} ({model.transform_reason_})",
        "fitted on": f"{len(series)} series, {steps:,} steps, frequency {series.freq or 'none'}",
        "training": f"{history.best_count} {history.unit}s ({history.stopped}), {model.seconds_:.1f} s",
        "seed": str(model.random_state),
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return (
        f"# A Forecaster of unrolled\n\n| | |\n|---|---|\n{rows}\n\n"
        "Load it with `unrolled.Forecaster.load(folder)`; nothing in this folder is code. The series it was\n"
        "fitted on are in `model.safetensors`.\n\n"
        "This card holds no score: what a forecast is worth shows only beside the simple forecasts, on the\n"
        "data it is meant for. Ask `unrolled.backtest(model, series)`.\n"
    )


def sequence_card(model: SequenceEstimator) -> str:
    """What a model of whole sequences is, and what it must not be taken for."""
    history, sizes, name = model.history_, model.sizes_, type(model).__name__
    facts = {
        "cell": f"{sizes.cell}, {sizes.num_layers} × {sizes.hidden_size} units",
        "weights": f"{model.n_parameters_:,}",
        "networks": str(len(model.networks_)),
        "features": f"{sizes.inputs} a step",
        "answers": str(sizes.answers),
        "training": f"{history.best_count} {history.unit}s ({history.stopped}), {model.seconds_:.1f} s",
        "epochs": model.stopping_reason_,
        "seed": str(model.random_state),
    }
    rows = "\n".join(f"| {fact} | {value} |" for fact, value in facts.items())
    return (
        f"# A {name} of unrolled\n\n| | |\n|---|---|\n{rows}\n\n"
        f"Load it with `unrolled.{name}.load(folder)`; nothing in this folder is code, and no sequence\n"
        "that it was fitted on is in it.\n\n"
        "This card holds no score: what an answer is worth shows only beside simpler models, on the data it\n"
        "is meant for. Ask `unrolled.compare(model, X, y)`.\n"
    )
