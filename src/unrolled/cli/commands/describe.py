"""`unrolled describe`: what a file holds."""

from unrolled.cli.options import (
    Columns,
    File,
    Fill,
    Future,
    Id,
    Json,
    Past,
    Static,
    Target,
    Time,
    Utc,
    read_file,
)


def command(
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
    from unrolled.cli.paths import check_places
    from unrolled.cli.terminal import printable
    from unrolled.data.describe.analyse import describe

    check_places({"FILE": file})
    description = describe(read_file(file, Columns(id, time, target, past, future, static, fill, utc)))
    if json:
        print_json(description.to_dict())
    else:
        print(printable(description))
