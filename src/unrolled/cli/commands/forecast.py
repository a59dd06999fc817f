"""`unrolled forecast`: what comes next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import (
    File,
    ForecasterOptions,
    FutureFile,
    Horizon,
    Json,
    Model,
    Report,
    Save,
    SeriesColumns,
    option_groups,
)
from unrolled.errors import ArgumentError
from unrolled.validation import check_float, check_int

if TYPE_CHECKING:
    from unrolled.data.sequences import Sequences
    from unrolled.models.forecasting.forecaster import Forecaster
    from unrolled.train.progress import ProgressStages

Level = Annotated[
    list[float], typer.Option("--level", metavar="PERCENT", help="Width of a band; repeat for more.")
]
Output = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write the forecast as .csv, .csv.gz or .parquet."),
]
KeepInterrupted = Annotated[
    bool,
    typer.Option("--keep-interrupted", help="After Ctrl-C, forecast with the best weights so far."),
]


@option_groups
def forecast_command(
    file: File,
    *,
    horizon: Horizon = None,
    level: Level = [80],  # noqa: B006 (typer copies it)
    output: Output = None,
    report: Report = None,
    save: Save = None,
    model: Model = None,
    future_file: FutureFile = None,
    keep_interrupted: KeepInterrupted = False,
    columns: SeriesColumns,
    options: ForecasterOptions,
    json: Json = False,
) -> None:
    """Fit a recurrent network and forecast what comes next.

    No score is printed: a score means nothing without simpler forecasts beside it. Ask for --report,
    which tests the forecast against them and says first what it is worth, or run `unrolled backtest`.
    Ctrl-C ends the training, and nothing is forecast with what it had learned, unless you say so before.

    \b
    Examples:
      unrolled forecast sales.csv --horizon 12
      unrolled forecast sales.csv --horizon 12 --level 80 --level 95 --output next.csv
      unrolled forecast example:sp500 --report sp500.html
      unrolled forecast promoted.csv --future promo --future-file plan.csv
      unrolled forecast sales.csv --save model; unrolled forecast newer.csv --model model
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths
    from unrolled.cli.terminal import printable, status_line

    read = {"FILE": file, "--model": model, "--future-file": future_file}
    check_paths(read, table=output, report=report, folder=save)
    levels = [check_float("--level", width, above=0, most=99.99) for width in level]
    columns.check()
    with status_line(f"reading {file}"):
        from unrolled.cli import output as out
        from unrolled.cli.forecast_report import ForecastReport

        fitted = _load_forecaster(model, options) if model else new_forecaster(options, horizon)
        if model and horizon is not None:
            check_int("horizon", horizon, least=1, most=fitted.network_config_.horizon)
        if future_file and not model:
            check_future_columns(columns)
        series = columns.read(file, fitted.series_ if model else None)
    out.print_notes(series)
    stages = forecast_stages(fitted, *([] if model else ["fit"]), *(["backtest"] if report else []))
    if not model:
        check_future(fitted, series, future_file)
        with stages.stage("fit"):
            fit_whole(fitted, series, keep_interrupted=keep_interrupted)
    if fitted.bounds_.is_learned and fitted.bounds_.note:
        out.print_note(fitted.bounds_.note + ("" if model else "; --bounds none lifts that"))
    frame = fitted.predict(series, horizon=horizon, future=future_file, level=levels)
    forecast_report = ForecastReport(series, fitted, frame, levels)
    result, why_untested = None, ""
    if report:
        with stages.stage("backtest"):
            result, why_untested = forecast_report.backtest(keep_interrupted=keep_interrupted)
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


def new_forecaster(options: ForecasterOptions, horizon: int | None) -> Forecaster:
    """Make a model of these options; the library's own defaults stand for the rest.

    Raises:
        ArgumentError: an option is out of its range.
    """
    from unrolled.models.forecasting.forecaster import Forecaster

    named = options.given() | ({} if horizon is None else {"horizon": horizon})
    model = Forecaster(**named, verbose=True)
    model.check_parameters()
    return model


def check_future_columns(columns: SeriesColumns) -> None:
    """Pass if a file of what is known ahead has a column to be read for.

    Raises:
        ArgumentError: no column is known ahead.
    """
    if not columns.future:
        raise ArgumentError(
            "--future-file: expected columns that are known ahead, got none. Name them with --future."
        )


def check_future(model: Forecaster, series: Sequences, future_file: str | None) -> None:
    """Pass if all that is known ahead stands there, before a training that a forecast could not follow.

    Raises:
        DataError: the series are not regular, or a value of a known-future column is missing.
    """
    from unrolled.data.future import append_future
    from unrolled.models.forecasting.checks import check_series

    series = check_series(series)
    append_future(series, future_file, series.observed, model.horizon)


def fit_whole(model: Forecaster, series: Sequences, *, keep_interrupted: bool | None = None) -> None:
    """Fit a model; a training that Ctrl-C cut short ends the program, unless it is to be kept.

    Args:
        model: is fitted.
        series: to fit on.
        keep_interrupted: the option of the command; None where it has none.

    Raises:
        KeyboardInterrupt: it was cut short.
    """
    model.fit(series)
    if model.history_.stopped != "interrupted" or keep_interrupted:
        return
    if keep_interrupted is not None:
        way_out = "To use its best weights all the same, run again with --keep-interrupted."
        print(f"Nothing is forecast or written after half a training. {way_out}", file=sys.stderr)
    raise KeyboardInterrupt


def forecast_stages(model: Forecaster, *names: str, n_fits: int = 1) -> ProgressStages:
    """Count the progress lines of a fit, and of a backtest: the network and its feed-forward baseline."""
    from unrolled.train.progress import ProgressStages

    fit = 1 + model.n_members  # the validation fit, then a refit of each member
    n_networks = 1 if model.cell == "feedforward" else 2
    n_lines = {"fit": fit, "backtest": fit * n_networks * n_fits}
    return ProgressStages({name: n_lines[name] for name in names})


def _load_forecaster(folder: str, options: ForecasterOptions) -> Forecaster:
    """Load a saved model, which brings its own settings."""
    from unrolled.models.forecasting.forecaster import Forecaster

    if names := options.option_names():
        raise ArgumentError(
            f"--model: a saved model takes no options of training, got {', '.join(names)}. Leave those out, "
            "or leave --model out and fit anew."
        )
    return Forecaster.load(folder)
