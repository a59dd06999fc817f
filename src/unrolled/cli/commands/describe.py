"""`unrolled describe`: what a file holds."""

from unrolled.cli.options import File, Json, SeriesColumns, option_groups


@option_groups
def describe_command(file: File, columns: SeriesColumns, *, json: Json = False) -> None:
    """Say what a series is, and whether its order matters.

    Frequency, gaps, range, growth, season, and a test of whether the order carries information.

    \b
    Examples:
      unrolled describe sales.csv
      unrolled describe shops.csv --time day --target sold --id shop
      unrolled describe example:sp500 --json
    """  # noqa: D301
    from dataclasses import replace

    from unrolled.cli.output import print_json
    from unrolled.cli.paths import check_paths
    from unrolled.cli.shell_words import in_shell_words
    from unrolled.cli.terminal import printable
    from unrolled.data.describe.analyse import describe

    check_paths({"FILE": file})
    description = describe(columns.read(file))
    description = replace(description, warnings=tuple(map(in_shell_words, description.warnings)))
    if json:
        print_json(description.to_dict())
    else:
        print(printable(description))
