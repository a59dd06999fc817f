"""`unrolled backtest`: the past replayed, beside simpler forecasts."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
TINY = ("--hidden-size", 4, "--max-steps", 8, "--window", 12, "--horizon", 3)
QUICK = ("--baselines", "Naive,RWD,AR1", "--origins", 12)


def test_the_network_is_compared_with_its_baselines(unrolled: Run, sales: Path) -> None:
    """A row a model and one sentence; the network's comes first."""
    answer = unrolled("backtest", sales, *TINY, *QUICK)
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0].split()[:2] == ["model", "mae"]
    assert lines[1].startswith("lstm ")
    assert {line.split()[0] for line in lines[2:5]} == {"Naive", "RWD", "AR1"}
    assert "LSTM" in lines[6]


def test_json_is_one_object_and_nothing_else(unrolled: Run, sales: Path) -> None:
    """Verdict and table, on one line."""
    answer = unrolled("backtest", sales, *TINY, *QUICK, "--level", 90, "--json")
    payload = json.loads(answer.out)
    assert answer.out.count("\n") == 1
    assert payload["table"][0]["model"] == "lstm"
    assert payload["verdict"]["outcome"] in {"better", "worse", "no difference", "too few to tell"}
    assert (payload["verdict"]["origins"], payload["level"], payload["written"]) == (12, 90, [])


@pytest.mark.parametrize("change", [("--step", 1), ("--origins", 5), ("--refit",), ("--horizon", 2)])
def test_every_option_reaches_the_backtest(unrolled: Run, sales: Path, change: tuple[object, ...]) -> None:
    """Told back, or seen in the numbers."""
    base = ("backtest", sales, *TINY, "--baselines", "Naive", "--origins", 4, "--step", 2, "--json")
    plain, changed = (json.loads(unrolled(*base, *words).out) for words in ((), change))
    assert plain["table"][0]["mae"] != changed["table"][0]["mae"]
    for name in ("horizon", "step"):
        assert (plain[name] != changed[name]) == (f"--{name}" in change)


@pytest.mark.parametrize("command", ["backtest", "forecast"])
def test_either_command_writes_the_same_kind_of_page(
    unrolled: Run, sales: Path, tmp_path: Path, command: str
) -> None:
    """Forecast and test of it on one page; the scores on the screen stand beside those of the baselines."""
    quick = QUICK if command == "backtest" else ()
    answer = unrolled(command, sales, *TINY, *quick, "--report", tmp_path / "page.html")
    assert answer.status == 0
    assert f"Written: {tmp_path / 'page.html'}" in answer.out
    assert re.search(r"^Naive +\d", answer.out, flags=re.MULTILINE)
    text = (tmp_path / "page.html").read_text()
    for words in ("What comes next", "Can it be trusted?", "What the data looks like", "What was fitted"):
        assert f"<h2>{words}</h2>" in text
    assert "<title>sales.csv: sold</title>" in text
    assert "This page again: <code>" in text


def test_a_series_too_short_to_test_still_gets_its_page(
    unrolled: Run, months: Any, csv_file: Any, tmp_path: Path
) -> None:
    """And the page and the screen say why nothing was tested, before anything else."""
    csv_file("few.csv", months(17))
    answer = unrolled("forecast", "few.csv", *TINY, "--report", "page.html")
    assert answer.status == 0
    text = (tmp_path / "page.html").read_text()
    assert "Nobody has tested this LSTM forecast" in text or "Too few forecasts could be tested" in text


def test_a_plan_without_a_page_is_refused(unrolled: Run, sales: Path) -> None:
    """Nothing would be forecast with it."""
    answer = unrolled("backtest", sales, "--future-file", "plan.csv")
    assert answer.status == 2
    assert answer.err == (
        "--future-file: only the page of --report holds a forecast of what follows the data; got 'plan.csv'. "
        "Leave it out, or give --report.\n"
    )


def test_the_number_of_origins_that_is_offered_works(unrolled: Run, months: Any, csv_file: Any) -> None:
    """It is named by its option."""
    file = csv_file("short.csv", months(30))
    base = ("backtest", file, "--horizon", 12, "--hidden-size", 4, "--max-steps", 4, "--baselines", "Naive")
    refused = unrolled(*base, "--origins", 17)
    assert refused.status == 2
    assert refused.err.endswith("Or use --origins 4 at most.\n")
    assert unrolled(*base, "--origins", 4).status == 0
