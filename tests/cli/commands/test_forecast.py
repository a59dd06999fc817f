"""`unrolled forecast`: what comes next, on the screen, in files, for machines."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., Any]
Months = Callable[..., list[tuple[str, float]]]
Write = Callable[..., Path]
TINY = ("--hidden-size", 4, "--max-steps", 8, "--window", 12)
SCORES = re.compile(r"\b(mae|rmse|mase|smape|crps|coverage|accuracy|score)\b", re.IGNORECASE)


def test_the_forecast_is_a_table_of_months(unrolled: Run, sales: Path) -> None:
    """A row a month, low to high; progress is on stderr; the fit tells no score."""
    answer = unrolled("forecast", sales, "--horizon", 3, *TINY)
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0].strip() == "sold"
    assert lines[1].split("  ")[0] == "Month"
    assert [line[:13].strip() for line in lines[2:5]] == ["January 2010", "February 2010", "March 2010"]
    assert SCORES.search(answer.out) is None
    assert "left" in answer.err


def test_json_is_one_object_and_nothing_else(unrolled: Run, sales: Path) -> None:
    """Machines read stdout whole: model and forecast, no score."""
    answer = unrolled("forecast", sales, "--horizon", 2, "--level", 80, "--level", 95, "--json", *TINY)
    payload = json.loads(answer.out)
    assert answer.out.count("\n") == 1
    assert set(payload) == {"source", "notes", "model", "forecast", "written"}
    first = payload["forecast"][0]
    assert list(first) == [
        "unique_id",
        "month",
        "lstm",
        *(f"lstm-{s}-{w}" for w in (80, 95) for s in ("lo", "hi")),
    ]
    assert first["month"] == "2010-01-01T00:00:00"
    assert (
        first["lstm-lo-95"] < first["lstm-lo-80"] < first["lstm"] < first["lstm-hi-80"] < first["lstm-hi-95"]
    )
    assert payload["model"]["transform"]
    assert SCORES.search(answer.out) is None


@pytest.mark.parametrize("name", ["next.csv", "next.csv.gz", "next.parquet"])
def test_the_forecast_is_written_in_the_format_of_the_name(
    unrolled: Run, sales: Path, tmp_path: Path, name: str
) -> None:
    """What is written equals what is printed."""
    answer = unrolled("forecast", sales, "--horizon", 2, "--json", "--output", tmp_path / name, *TINY)
    payload = json.loads(answer.out)
    assert payload["written"] == [str(tmp_path / name)]
    if name.endswith("parquet"):
        frame = pd.read_parquet(tmp_path / name)
    else:
        with (tmp_path / name).open("rb") as file:
            assert (file.read(2) == b"\x1f\x8b") == name.endswith("gz")
        frame = pd.read_csv(tmp_path / name)
    assert frame["lstm"].tolist() == pytest.approx([row["lstm"] for row in payload["forecast"]])


def test_a_saved_model_forecasts_as_it_did(
    unrolled: Run, sales: Path, months: Months, csv_file: Write, tmp_path: Path
) -> None:
    """Saved and used again on the same file, and on a longer one; a shorter horizon is its beginning."""
    first = json.loads(unrolled("forecast", sales, "--json", "--save", tmp_path / "model", *TINY).out)
    again = json.loads(unrolled("forecast", sales, "--json", "--model", tmp_path / "model").out)
    assert again["forecast"] == first["forecast"]
    short = unrolled("forecast", sales, "--json", "--model", tmp_path / "model", "--horizon", 2)
    assert json.loads(short.out)["forecast"] == first["forecast"][:2]
    newer = csv_file("newer.csv", months(126))
    later = json.loads(unrolled("forecast", newer, "--json", "--model", tmp_path / "model").out)
    assert later["forecast"][0]["month"].startswith("2010-07-01")


def test_a_saved_model_takes_no_training_options(unrolled: Run, sales: Path, tmp_path: Path) -> None:
    """Ignoring an option silently would mislead."""
    answer = unrolled("forecast", sales, "--model", tmp_path, "--cell", "gru", "--seed", 3)
    assert answer.status == 2
    assert answer.err == (
        "--model: a saved model takes no options of training, got --cell, --seed. Leave those out, or leave "
        "--model out and fit anew.\n"
    )


def test_every_option_reaches_the_model(unrolled: Run, sales: Path) -> None:
    """Each setting changes the forecast or is told back."""
    base = ("forecast", sales, "--horizon", 2, "--json", *TINY)
    plain = json.loads(unrolled(*base).out)
    changes = [
        ("--cell", "rnn", "--activation", "relu"),
        ("--transform", "difference"),
        ("--members", 2),
        ("--seed", 7),
        ("--window", 20),
        ("--hidden-size", 5),
        ("--max-steps", 16),
    ]
    outputs = [str(plain["forecast"])]
    for change in changes:
        payload = json.loads(unrolled(*base, *change).out)
        outputs.append(str([list(row.values()) for row in payload["forecast"]]))
    assert len(set(outputs)) == len(outputs)


def test_counts_are_never_forecast_below_0(
    unrolled: Run, months: Months, csv_file: Write, tmp_path: Path
) -> None:
    """The bound is learned and noted, lifted or set by an option, and kept by a saved model."""
    counts = [(month, int(k % 5 == 0)) for k, (month, _) in enumerate(months(90))]
    file = csv_file("counts.csv", counts)
    base = ("forecast", file, "--horizon", 2, "--level", 99.9, "--json", *TINY)
    note = "forecasts are never below 0, which values reach and never pass"

    def least(answer: Any) -> float:
        assert answer.status == 0, answer.err
        return min(row["lstm-lo-99.9"] for row in json.loads(answer.out)["forecast"])

    learned = unrolled(*base, "--save", tmp_path / "model")
    assert least(learned) == 0
    assert f"Note: F{note[1:]}; --bounds none lifts that.\n" in learned.err
    assert json.loads(learned.out)["notes"] == [note]
    assert least(unrolled("forecast", file, "--model", tmp_path / "model", "--level", 99.9, "--json")) == 0
    lifted = unrolled(*base, "--bounds", "none")
    assert least(lifted) < 0
    assert "never below" not in lifted.err
    assert least(unrolled(*base, "--bounds", "-0.25:")) == -0.25
    whole = json.loads(unrolled(*base, "--integer").out)["forecast"]
    assert all(isinstance(row[name], int) for row in whole for name in row if name.startswith("lstm"))
    wrong = unrolled(*base, "--bounds", "1:0")
    assert wrong.status == 2
    assert wrong.err.startswith(
        "--bounds: expected LOW:HIGH with numbers, the first below the second, got '1:0'."
    )
    passed = unrolled(*base, "--bounds", "0.5:")
    assert passed.err.endswith("as the bounds say, got 0 at 2000-02-01. Correct it, or give wider bounds.\n")


@pytest.fixture
def planned(months: Months, csv_file: Write) -> tuple[Path, Path]:
    """A file of 60 months with a column known ahead and one of visits, and the plan of the next 12."""
    rows = [(month, sold, k % 3, 7 * k % 11) for k, (month, sold) in enumerate(months(72))]
    head = ("month", "sold", "promo", "visits")
    plan = csv_file("plan.csv", [(month, promo) for month, _, promo, _ in rows[60:]], ("month", "promo"))
    return csv_file("shop.csv", rows[:60], head), plan


ROLES = ("--target", "sold", "--future", "promo", "--horizon", 2, *TINY)


def test_a_plan_comes_from_a_file_of_its_own(unrolled: Run, planned: tuple[Path, Path]) -> None:
    """Its values decide the forecast, which begins after the last target."""
    file, plan = planned
    rows = json.loads(unrolled("forecast", file, *ROLES, "--future-file", plan, "--json").out)["forecast"]
    assert [row["month"][:7] for row in rows] == ["2005-01", "2005-02"]
    plan.write_text(plan.read_text().replace(",0", ",9").replace(",1", ",9"))
    others = json.loads(unrolled("forecast", file, *ROLES, "--future-file", plan, "--json").out)["forecast"]
    assert rows != others


@pytest.mark.parametrize("command", ["forecast", "backtest"])
def test_a_plan_that_is_missing_or_short_is_refused_before_any_training(
    unrolled: Run, planned: tuple[Path, Path], command: str
) -> None:
    """In terms of the shell, whose option is the way out."""
    file, plan = planned
    report = ("--report", "page.html")
    missing = unrolled(command, file, *ROLES, *report)
    assert missing.status == 2
    assert missing.err.splitlines()[-1] == (
        "--future: series 'sold' needs column 'promo' for the 2 steps after its last target, 2005-01-01 is "
        "missing. Pass them with --future-file PLAN.csv, or as rows of the data after its last target."
    )
    assert "left" not in missing.err.replace("left out", "")  # no line of progress
    plan.write_text("\n".join(plan.read_text().splitlines()[:2]))
    short = unrolled(command, file, *ROLES, *report, "--future-file", plan)
    assert "2005-02-01 is missing" in short.err
    assert "left" not in short.err.replace("left out", "")


def test_a_plan_for_series_without_one_is_refused(unrolled: Run, planned: tuple[Path, Path]) -> None:
    """A column must have its role; the file must be there; a folder or page is not written over it."""
    file, plan = planned
    answer = unrolled("forecast", file, "--target", "sold", "--future-file", plan, *TINY)
    assert answer.err.splitlines()[-1] == (
        "--future-file: expected columns that are known ahead, got none. Name them with --future."
    )
    answer = unrolled("forecast", file, *ROLES, "--future-file", "none.csv")
    assert answer.err.splitlines()[-1].startswith("none.csv: expected a file, got none of that name.")
    answer = unrolled("forecast", file, *ROLES, "--future-file", plan, "--output", plan)
    assert answer.err.startswith("--output: expected another file than the input")


def test_a_saved_model_knows_the_roles_of_its_columns(
    unrolled: Run, planned: tuple[Path, Path], tmp_path: Path
) -> None:
    """No option names them again; one that does comes first."""
    file, plan = planned
    given = ("--future-file", plan, "--json")
    first = json.loads(unrolled("forecast", file, *ROLES, *given, "--save", tmp_path / "model").out)
    again = unrolled("forecast", file, "--model", tmp_path / "model", *given)
    assert json.loads(again.out)["forecast"] == first["forecast"]
    named = unrolled("forecast", file, "--model", tmp_path / "model", *given, "--target", "visits")
    assert json.loads(named.out)["forecast"] != first["forecast"]


def test_many_series_are_cut_short_on_the_screen(
    unrolled: Run, months: Months, csv_file: Write, tmp_path: Path
) -> None:
    """Five are printed, the rest is counted, and the file holds them all."""
    columns = [months(60, seed) for seed in range(7)]
    rows = [(columns[0][k][0], *(column[k][1] for column in columns)) for k in range(60)]
    wide = csv_file("wide.csv", rows, ("month", *(f"shop{k}" for k in range(7))))
    answer = unrolled("forecast", wide, "--horizon", 2, "--output", tmp_path / "next.csv", *TINY)
    assert answer.out.count("January 2005") == 5
    assert "... and 2 more series; --output writes them all to a file." in answer.out
    assert pd.read_csv(tmp_path / "next.csv")["unique_id"].nunique() == 7


def test_what_reading_changed_is_reported(unrolled: Run, months: Months, csv_file: Write) -> None:
    """On stderr for people, in the object for machines."""
    rows = months(60)
    upside_down = csv_file("sales.csv", rows[::-1])
    answer = unrolled("forecast", upside_down, "--horizon", 2, "--json", *TINY)
    assert "Note: Rows were sorted by time.\n" in answer.err
    assert json.loads(answer.out)["notes"] == ["rows were sorted by time"]


def test_columns_can_be_named(unrolled: Run, months: Months, csv_file: Write) -> None:
    """Series, time and target by their names, and inputs with a role; future rows reach over the horizon."""
    rows = [(m, s, v, v / 2, k % 7) for s in ("a", "b") for k, (m, v) in enumerate(months(60, ord(s)))]
    rows += [(f"2005-{k:02d}-01", s, "", "", k) for s in ("a", "b") for k in (1, 2)]
    file = csv_file("shops.csv", rows, ("when", "shop", "sold", "visits", "sale"))
    answer = unrolled(
        "forecast", file, "--time", "when", "--id", "shop", "--target", "sold", "--past", "visits",
        "--future", "sale", "--horizon", 2, "--json", *TINY,
    )  # fmt: skip
    assert answer.status == 0, answer.err
    rows_told = json.loads(answer.out)["forecast"]
    assert [(row["shop"], row["when"][:7]) for row in rows_told] == [
        ("a", "2005-01"), ("a", "2005-02"), ("b", "2005-01"), ("b", "2005-02"),
    ]  # fmt: skip


def test_two_keys_are_named_by_two_options(unrolled: Run, tmp_path: Path) -> None:
    """Both come back as columns of the file that is written."""
    days = [f"2020-{month:02d}-{day:02d}" for month in (1, 2) for day in range(1, 29)]
    rows = [f"{day},{s},{i},{k + s}" for s in (1, 2) for i in "ab" for k, day in enumerate(days)]
    (tmp_path / "two.csv").write_text("\n".join(["day,store,item,sold", *rows[: 4 * len(days)]]))
    answer = unrolled(
        "forecast", tmp_path / "two.csv", "--id", "store", "--id", "item", "--fill", "linear",
        "--output", tmp_path / "next.csv", "--horizon", 1, *TINY,
    )  # fmt: skip
    assert answer.status == 0
    written = pd.read_csv(tmp_path / "next.csv")
    assert written[["store", "item"]].to_numpy().tolist() == [[1, "a"], [1, "b"], [2, "a"], [2, "b"]]
