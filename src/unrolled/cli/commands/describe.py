"""`unrolled describe`: what a file holds."""

from unrolled.cli.options import (
    File,
    Fill,
    Future,
    Id,
    Json,
    Past,
    SeriesColumns,
    Static,
    Target,
    Time,
    Utc,
    read_series,
)


def describe_command(
    file: File,
    *,
    id: Id = None,  # noqa: A002 (the option's name)
    time: Time = None,
    target: Target = None,
    past: Past = [],  # noqa: B006 (typer copies it)
    future: Future = [],  # noqa: B006
    static: Static = [],  # noqa: B006
    fill: Fill = None,
    utc: Utc = False,
    json: Json = False,
) -> None:
    """Say what a series is, and whether its order matters.

    Frequency, gaps, range, growth, season, and a test of whether the order carries information.

    \b
    Examples:
      unrolled describe sales.csv
      unrolled describe shops.csv --time day --target sold --id shop
      unrolled describe example:sp500 --json
    """  # noqa: D301
    from unrolled.cli.output import print_json
    from unrolled.cli.paths import check_paths
    from unrolled.cli.terminal import printable
    from unrolled.data.describe.analyse import describe

    check_paths({"FILE": file})
    description = describe(
        read_series(file, SeriesColumns(id, time, target, past, future, static, fill, utc))
    )
    if json:
        print_json(description.to_dict())
    else:
        print(printable(description))
