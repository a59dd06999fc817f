"""`unrolled backtest`: could such a forecast be trusted in the past?"""

from __future__ import annotations

from typing import Annotated

import typer

from unrolled.cli.commands.forecast import (
    check_future,
    check_future_columns,
    fit_whole,
    forecast_stages,
    new_forecaster,
)
from unrolled.cli.options import (
    File,
    ForecasterOptions,
    FutureFile,
    Horizon,
    Json,
    Report,
    SeriesColumns,
    option_groups,
)
from unrolled.errors import ArgumentError

Origins = Annotated[
    int, typer.Option("--origins", metavar="COUNT", help="Moments in the past to forecast from.")
]
Step = Annotated[
    int | None, typer.Option("--step", metavar="STEPS", help="Steps from one such moment to the next.")
]
Refit = Annotated[bool, typer.Option("--refit", help="Fit anew at every one of them.")]
Baselines = Annotated[
    str | None,
    typer.Option(
        "--baselines", metavar="NAMES", help="Such as Naive,Theta,AutoARIMA; by default all but AutoARIMA."
    ),
]
Level = Annotated[
    float, typer.Option("--level", metavar="PERCENT", help="Width of the band that is checked.")
]


@option_groups
def backtest_command(
    file: File,
    *,
    horizon: Horizon = None,
    origins: Origins = 24,
    step: Step = None,
    refit: Refit = False,
    baselines: Baselines = None,
    level: Level = 80,
    report: Report = None,
    future_file: FutureFile = None,
    columns: SeriesColumns,
    options: ForecasterOptions,
    json: Json = False,
) -> None:
    """Replay the past, beside simpler forecasts.

    The network forecasts from many moments of the past, knowing nothing later. So do the last value, drift,
    AR(1), the last season, Theta, AutoETS and a feed-forward net. A sentence says what the network is worth.

    \b
    Examples:
      unrolled backtest sales.csv --horizon 12
      unrolled backtest sales.csv --horizon 1 --origins 40 --cell gru
      unrolled backtest example:sp500 --baselines Naive,RWD,AR1 --json
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths
    from unrolled.cli.terminal import printable, status_line

    check_paths({"FILE": file, "--future-file": future_file}, report=report)
    if future_file and not report:
        raise ArgumentError(
            "--future-file: only the page of --report holds a forecast of what follows the data; got "
            f"{future_file!r}. Leave it out, or give --report."
        )
    if future_file:
        check_future_columns(columns)
    columns.check()
    baseline_names = None if baselines is None else [name.strip() for name in baselines.split(",")]
    with status_line(f"reading {file}"):
        from unrolled.cli import output as out
        from unrolled.cli.forecast_report import ForecastReport
        from unrolled.evaluate.forecasting.backtest import backtest, check_backtest

        check_backtest(origins, step, level, baseline_names)
        model = new_forecaster(options, horizon)
        series = columns.read(file)
    out.print_notes(series)
    if report:
        check_future(model, series, future_file)
    stages = forecast_stages(model, "backtest", *(["fit"] if report else []), n_fits=origins if refit else 1)
    with stages.stage("backtest"):
        result = backtest(
            model, series, origins=origins, step=step, refit=refit, baselines=baseline_names, level=level
        )
    if report:
        with stages.stage("fit"):
            fit_whole(model, series)
        frame = model.predict(future=future_file, level=[level])
        ForecastReport(series, model, frame, [level]).write(report, result)
    if json:
        out.print_json(
            result.to_dict() | {"notes": list(series.notes), "written": [report] if report else []}
        )
        return
    print(printable(result))
    out.print_written_paths([report] if report else [])
