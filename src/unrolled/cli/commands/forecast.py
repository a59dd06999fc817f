"""`unrolled forecast`: what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import (
    Activation,
    Cell,
    Ensemble,
    File,
    Fill,
    ForecasterOptions,
    Future,
    HiddenSize,
    Horizon,
    Id,
    Json,
    MaxEpochs,
    Model,
    Past,
    Report,
    Save,
    Seed,
    SeriesColumns,
    Static,
    Target,
    Time,
    Transform,
    Utc,
    Window,
    read_series,
)
from unrolled.errors import ArgumentError
from unrolled.validation import check_float

if TYPE_CHECKING:
    from unrolled.models.forecasting.forecaster import Forecaster

Level = Annotated[
    list[float], typer.Option("--level", metavar="PERCENT", help="Width of a band; repeat for more.")
]
Output = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write the forecast as .csv, .csv.gz or .parquet."),
]


def forecast_command(
    file: File,
    *,
    horizon: Horizon = None,
    cell: Cell = None,
    level: Level = [80],  # noqa: B006 (typer copies it)
    output: Output = None,
    report: Report = None,
    save: Save = None,
    model: Model = None,
    id: Id = None,  # noqa: A002 (the option's name)
    time: Time = None,
    target: Target = None,
    past: Past = [],  # noqa: B006
    future: Future = [],  # noqa: B006
    static: Static = [],  # noqa: B006
    fill: Fill = None,
    utc: Utc = False,
    activation: Activation = None,
    hidden_size: HiddenSize = None,
    window: Window = None,
    transform: Transform = None,
    ensemble: Ensemble = None,
    max_epochs: MaxEpochs = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Fit a recurrent network and forecast what comes next.

    No score is printed: a score means nothing without simpler forecasts beside it. Ask for --report,
    which tests the forecast against them and says first what it is worth, or run `unrolled backtest`.

    \b
    Examples:
      unrolled forecast sales.csv --horizon 12
      unrolled forecast sales.csv --horizon 12 --level 80 --level 95 --output next.csv
      unrolled forecast example:sp500 --report sp500.html
      unrolled forecast sales.csv --save model; unrolled forecast newer.csv --model model
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli import output as out
    from unrolled.cli.forecast_report import ForecastReport
    from unrolled.cli.paths import check_paths
    from unrolled.cli.terminal import printable

    check_paths({"FILE": file, "--model": model}, table=output, report=report, folder=save)
    levels = [check_float("--level", width, above=0, most=99.99) for width in level]
    series = read_series(file, SeriesColumns(id, time, target, past, future, static, fill, utc))
    out.print_notes(series)
    settings = ForecasterOptions(cell, activation, hidden_size, window, transform, ensemble, max_epochs, seed)
    fitted = _load_forecaster(model, settings) if model else settings.forecaster(horizon).fit(series)
    forecast_report = ForecastReport(
        series, fitted, fitted.predict(series, horizon=horizon, level=levels), levels
    )
    result, why_untested = forecast_report.backtest() if report else (None, "")
    if report:
        forecast_report.write(report, result, why_untested)
    if output:
        out.write_table(forecast_report.frame, output)
    if save:
        fitted.save(save)
    written_paths = [path for path in (report, output, save) if path]
    if json:
        scores = {"backtest": None if result is None else result.to_dict()}
        out.print_json(forecast_report.to_dict() | (scores if report else {}) | {"written": written_paths})
        return
    out.print_forecast(forecast_report)
    if report:
        print(f"\n{printable(result or why_untested)}")
    out.print_written_paths(written_paths)


def _load_forecaster(folder: str, settings: ForecasterOptions) -> Forecaster:
    """A kept model, which cannot be given other settings than it has."""
    from unrolled.models.forecasting.forecaster import Forecaster

    if training_options := settings.option_names():
        raise ArgumentError(
            f"--model: a kept model brings its own settings; got {', '.join(training_options)} as well. "
            "Leave that out, or leave --model out and fit anew."
        )
    return Forecaster.load(folder)
