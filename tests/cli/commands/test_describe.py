"""`unrolled describe`: facts as a block of text or as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_a_description_is_printed_as_text_or_json(unrolled: Run, sales: Path) -> None:
    """The same facts, as a block and as one object."""
    words = unrolled("describe", sales)
    payload = json.loads(unrolled("describe", sales, "--json").out)
    assert words.status == 0
    assert words.out.startswith("sales.csv: 120 rows\n")
    assert (payload["rows"], payload["freq"], payload["kind"]) == (120, "MS", "description")


def test_an_example_is_described_by_its_name(unrolled: Run) -> None:
    """The series that comes with an installed package."""
    payload = json.loads(unrolled("describe", "example:sp500", "--json").out)
    assert (payload["rows"], payload["source"]) == (792, "S&P 500, month-end closes")
    answer = unrolled("describe", "example:sp50")
    assert answer.status == 2
    assert answer.err == (
        "FILE: expected one of example:sp500, example:sp500-daily; got 'example:sp50'. "
        "Did you mean 'example:sp500'?\n"
    )


def test_warnings_name_options(unrolled: Run) -> None:
    """What is wrong with the rows is said with the way out of the shell, on the screen and in JSON."""
    rows = [f"2021-01-{day:02d},{day}" for day in range(1, 20) if day != 7]
    Path("gap.csv").write_text("\n".join(["day,y", *rows]), encoding="utf-8")
    for words in ((), ("--json",)):
        printed = " ".join(unrolled("describe", "gap.csv", *words).out.split())
        assert "Fill the gaps with --fill linear." in printed
        assert "unrolled.read(" not in printed
