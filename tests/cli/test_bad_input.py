"""Bad input: one sentence on stderr, status 2, and nothing half-written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Rows = list[tuple[Any, ...]]
TINY = ("--hidden-size", 4, "--max-steps", 8, "--window", 12, "--horizon", 3)


def _with(rows: Rows, at: int, *, month: str | None = None, value: object = None) -> Rows:
    """The rows with one of them changed."""
    changed = list(rows)
    changed[at] = (month or rows[at][0], rows[at][1] if value is None else value)
    return changed


def _july_days(rows: Rows) -> Rows:
    return [*rows[:30], *((f"2002-07-{day:02d}", 100 + day) for day in range(1, 20))]


FILES: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "header only": (
        lambda rows: [],
        "bad.csv: expected rows below the header, got only the header. Export it again.",
    ),
    "one row": (
        lambda rows: rows[:1],
        (
            "bad.csv: expected at least 2 rows with a value a series, got 1 in series 'sold'. Add earlier "
            "rows, or leave such series out."
        ),
    ),
    "no numeric column": (
        lambda rows: [(month, "much") for month, _ in rows],
        (
            "bad.csv: expected a column of numbers, got only text such as 'much' in column "
            "'sold'. Add one, or name it with --target."
        ),
    ),
    "text among numbers": (
        lambda rows: _with(rows, 40, value="n/b"),
        (
            "bad.csv row 42, column 'sold': expected a number, got 'n/b'. Correct it, or leave it "
            "empty and say how gaps are filled with --fill."
        ),
    ),
    "an impossible date": (
        lambda rows: _with(rows, 40, month="2003-15-01"),
        (
            "bad.csv row 42, column 'month': expected a date between 1678 and 2261 such as "
            "2020-01-31, got '2003-15-01'. Correct or remove that row."
        ),
    ),
    "a date twice": (
        lambda rows: [*rows[:30], *rows[29:]],
        (
            "bad.csv, series 'sold': expected one row at a time, got two at 2002-06-01. Keep one "
            "of them, or name the column that tells the series apart with --id."
        ),
    ),
    "a gap": (
        lambda rows: [*rows[:20], *rows[23:]],
        (
            "bad.csv, series 'sold': expected a row every month, got none between 2001-08-01 and "
            "2001-12-01 (3 missing there, 3 in all). Fill the gaps with --fill linear."
        ),
    ),
    "a missing value": (
        lambda rows: _with(rows, 10, value=""),
        (
            "bad.csv, series 'sold': expected a number at 2000-11-01, got a missing value (1 in "
            "all). Fill it with --fill linear."
        ),
    ),
    "an infinite value": (
        lambda rows: _with(rows, 10, value="inf"),
        (
            "bad.csv row 12, column 'sold': expected a finite number, got inf. Correct it, or "
            "leave it empty and fill it with --fill."
        ),
    ),
    "a constant series": (
        lambda rows: [(month, 5) for month, _ in rows],
        "bad.csv: all 60 values are 5; a constant series needs no network, its forecast is that value.",
    ),
    "too short": (
        lambda rows: rows[:14],
        (
            "bad.csv: window 12 and horizon 3 need 15 steps, got 14. Give a longer series, or a "
            "smaller horizon or window."
        ),
    ),
    "mixed frequencies": (
        _july_days,
        (
            "bad.csv, series 'sold': expected steps of one length, got 1 day and, from 2000-01-01 "
            "to 2000-02-01, 31 days. Bring it to a regular calendar, such as with pandas' resample, or "
            "count the rows with --order rows."
        ),
    ),
    "a time zone": (
        lambda rows: [(f"2000-01-{1 + k // 24:02}T{k % 24:02}:00+02:00", y) for k, (_, y) in enumerate(rows)],
        (
            "bad.csv row 2, column 'month': expected times without a zone, got "
            "'2000-01-01T00:00+02:00'. Bring them to UTC with --utc."
        ),
    ),
}  # fmt: skip

OPTIONS: dict[str, tuple[tuple[object, ...], str]] = {
    "an unknown column": (
        ("--target", "sol"),
        "sales.csv: expected a column 'sol' as target, got none of that name. Did you mean 'sold'?",
    ),
    "an unknown cell": (
        ("--cell", "lsmt"),
        "--cell: expected one of rnn, gru, lstm, feedforward; got 'lsmt'. Did you mean 'lstm'?",
    ),
    "an unknown activation": (
        ("--cell", "rnn", "--activation", "relo"),
        (
            "--activation: expected one of tanh, relu, leaky_relu, prelu, sigmoid, identity, softsign, elu, "
            "hardtanh; got 'relo'. Did you mean 'relu'?"
        ),
    ),
    "an unknown transform": (
        ("--transform", "logdifference"),
        (
            "--transform: expected one of auto, scale, minmax, log, difference, "
            "log-difference, seasonal-difference, log-seasonal-difference; got 'logdifference'. "
            "Did you mean 'log-difference'?"
        ),
    ),
    "horizon 0": (("--horizon", 0), "--horizon: expected a whole number at least 1, got 0."),
    "a seed below 0": (
        ("--seed", -1),
        "--seed: expected a whole number from 0 to 4611686018427387904, got -1.",
    ),
    "a seed beyond a machine's numbers": (
        ("--seed", 99999999999999999999),
        "--seed: expected a whole number from 0 to 4611686018427387904, got 99999999999999999999.",
    ),
    "a size of 0": (("--hidden-size", 0), "--hidden-size: expected a whole number from 1 to 16384, got 0."),
    "an unknown way to fill": (
        ("--fill", "lineal"),
        "--fill: expected one of forward, linear, mask; got 'lineal'. Did you mean 'linear'?",
    ),
    "an impossible level": (
        ("--level", 100),
        "--level: expected a number above 0 and at most 99.99, got 100.0.",
    ),
    "a format nobody writes": (
        ("--output", "next.xlsx"),
        "--output: expected a name that ends in .csv, .csv.gz, .parquet; got 'next.xlsx'.",
    ),
    "a folder that is not there": (
        ("--report", "no/page.html"),
        "--report: there is no folder no. Make it or write elsewhere.",
    ),
}  # fmt: skip


def _left(folder: Path) -> set[str]:
    return {inside.name for inside in folder.iterdir()} - {"sales.csv", "bad.csv"}


@pytest.fixture
def outputs() -> tuple[str, ...]:
    """Everything that a forecast can write."""
    return ("--output", "next.csv", "--save", "model", "--report", "page.html")


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_reported_in_one_sentence(
    unrolled: Run, months: Any, csv_file: Any, tmp_path: Path, outputs: tuple[str, ...], case: str
) -> None:
    """File, row and column where there is one, what was expected, what came, the way out."""
    change, sentence = FILES[case]
    csv_file("bad.csv", change(months(60)))
    answer = unrolled("forecast", "bad.csv", *TINY, *outputs)
    assert (answer.status, answer.out, answer.err) == (2, "", sentence + "\n")
    assert _left(tmp_path) == set()


@pytest.mark.parametrize("case", OPTIONS)
def test_a_bad_option_is_reported_before_any_training(
    unrolled: Run, sales: Path, tmp_path: Path, case: str
) -> None:
    """The option, what it takes, the nearest spelling; no epoch has run."""
    words, sentence = OPTIONS[case]
    answer = unrolled("forecast", sales.name, *TINY, *words)
    assert (answer.status, answer.out, answer.err) == (2, "", sentence + "\n")
    assert _left(tmp_path) == set()


@pytest.mark.parametrize("command", ["describe", "forecast", "backtest"])
def test_no_file_offers_the_nearest(unrolled: Run, sales: Path, command: str) -> None:
    """A slip in the name is the most common of all."""
    answer = unrolled(command, "sale.csv")
    assert answer.status == 2
    assert answer.err == "sale.csv: expected a file, got none of that name. Did you mean 'sales.csv'?\n"


@pytest.mark.parametrize("command", ["describe", "forecast", "backtest"])
def test_an_empty_file_is_reported(unrolled: Run, tmp_path: Path, command: str) -> None:
    """No traceback of a parser."""
    (tmp_path / "empty.csv").touch()
    answer = unrolled(command, "empty.csv")
    assert answer.status == 2
    assert answer.err == (
        "empty.csv: expected a header and rows below it, got an empty file. Export it again.\n"
    )


def test_one_row_cannot_be_described(unrolled: Run, months: Any, csv_file: Any) -> None:
    """There is no step and no growth in it."""
    csv_file("bad.csv", months(1))
    answer = unrolled("describe", "bad.csv")
    assert answer.status == 2
    assert answer.err == (
        "bad.csv: expected at least two rows, got 1. One value has no order, step or growth to describe.\n"
    )


def test_negative_values_under_a_log_are_reported(unrolled: Run, months: Any, csv_file: Any) -> None:
    """Which row, which value, and what to use instead; left to choose, the package takes another."""
    csv_file("bad.csv", _with(months(60), 10, value=-3))
    answer = unrolled("forecast", "bad.csv", *TINY, "--transform", "log-difference")
    assert answer.status == 2
    assert answer.err.endswith(
        "transform 'log-difference' needs values above 0, got -3. Use --transform difference.\n"
    )
    assert "row 1" in answer.err
    assert unrolled("forecast", "bad.csv", *TINY).status == 0


def test_each_fault_has_an_option_that_cures_it(unrolled: Run, months: Any, csv_file: Any) -> None:
    """The way out that each sentence offers is one: --fill, --utc; unsorted rows are sorted."""
    rows = months(60)
    csv_file("bad.csv", [*rows[:20], *rows[23:]][::-1])
    answer = unrolled("forecast", "bad.csv", *TINY, "--fill", "linear")
    assert answer.status == 0
    assert answer.err.startswith(
        "Note: Rows were sorted by time.\nNote: 3 rows were added for missing steps.\n"
    )
    csv_file("bad.csv", FILES["a time zone"][0](rows))
    assert unrolled("forecast", "bad.csv", *TINY, "--utc").status == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--horizon", 0), "--horizon: expected a whole number at least 1, got 0."),
        (("--origins", 0), "--origins: expected a whole number at least 1, got 0."),
        (
            ("--origins", 900),
            (
                "--origins: 900 origins 1 apart with a horizon of 3 need 904 steps, the shortest "
                "series has 120. Use --origins 103 at most."  # 15 for a window
            ),
        ),
        (
            ("--baselines", "Naiv,AR1"),
            (
                "--baselines: expected some of Naive, RWD, AR1, SeasonalNaive, Median, Mean, Zero, Croston, "
                "Theta, AutoETS, AutoARIMA, feedforward; got 'Naiv'. Did you mean 'Naive'?"
            ),
        ),
    ],
)
def test_a_backtest_that_cannot_be_is_reported(
    unrolled: Run, sales: Path, words: tuple[object, ...], sentence: str
) -> None:
    """Before any training."""
    answer = unrolled("backtest", sales.name, *TINY, *words)
    assert (answer.status, answer.out, answer.err) == (2, "", sentence + "\n")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("forecast --horizon 0", "--horizon"),
        ("forecast --hidden-size 0", "--hidden-size"),
        ("forecast --cell gruu", "--cell"),
        ("forecast --bounds 3:1", "--bounds"),
        ("forecast --level 0", "--level"),
        ("forecast --fill lineal", "--fill"),
        ("forecast --order row", "--order"),
        ("backtest --origins 0", "--origins"),
        ("backtest --baselines Naiv", "--baselines"),
        ("backtest --horizon 0", "--horizon"),
        ("backtest --order row", "--order"),
        ("classify --folds 1", "--folds"),
        ("classify --members 0", "--members"),
    ],
)
def test_options_are_checked_before_a_file_is_read(unrolled: Run, words: str, option: str) -> None:
    """A file that takes a minute to read is not read for nothing: here it is none that could be."""
    Path("broken.csv").write_bytes(b"\x00\x01")
    command, *rest = words.split()
    answer = unrolled(command, "broken.csv", *rest)
    assert answer.status == 2
    assert answer.err.startswith(f"{option}: "), answer.err
    assert "broken.csv" not in answer.err


def test_a_saved_models_horizon_and_a_plan_are_checked_before_a_file_is_read(
    unrolled: Run, sales: Path
) -> None:
    """As far as they can be without the data."""
    assert unrolled("forecast", sales, *TINY, "--save", "kept").status == 0
    Path("broken.csv").write_bytes(b"\x00\x01")
    assert unrolled("forecast", "broken.csv", "--model", "kept", "--horizon", "99").err.startswith(
        "--horizon: "
    )
    Path("plan.csv").write_text("date,promo\n", "utf-8")
    answer = unrolled("forecast", "broken.csv", "--future-file", "plan.csv")
    assert answer.err.startswith("--future-file: expected columns that are known ahead, got none.")
