"""Real series out of an installed package, and what is said when they are not there."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.gaps import require_regular
from unrolled.data.io import examples
from unrolled.errors import ArgumentError, DataError, MissingDependencyError


def test_every_name_loads_and_can_be_forecast() -> None:
    """What `names` lists is there, regular, and ordered by time."""
    for name in examples.names():
        series = examples.load(name)
        require_regular(series)
        assert len(series) == 1


def test_month_ends_are_the_last_days_of_the_daily_series() -> None:
    """792 months from January 1950, each with the close of its last trading day."""
    days, months = examples.load("sp500-daily"), examples.load("sp500")
    assert (len(days.values), len(months.values)) == (16_607, 792)
    assert (days.freq, months.freq) == ("B", "BME")
    assert str(months.times[0])[:10] == "1950-01-31"
    assert str(months.times[-1])[:10] == "2015-12-31"
    assert months.target[0] == pytest.approx(17.05)
    last = days.times.astype("M8[M]") == np.datetime64("1987-10")
    assert days.target[last][-1] in months.target


def test_an_unknown_name() -> None:
    """The nearest is offered."""
    with pytest.raises(ArgumentError) as fault:
        examples.load("sp50")
    assert str(fault.value) == "name: expected one of sp500, sp500-daily; got 'sp50'. Did you mean 'sp500'?"


def _package(content: str | None) -> ModuleSpec:
    """A great_tables whose file holds `content`, or that has no such file."""
    folder = Path("great_tables")
    (folder / "data").mkdir(parents=True)
    if content is not None:
        (folder / "data" / "04-sp500.csv").write_text(content)
    return ModuleSpec("great_tables", None, origin=str(folder / "__init__.py"))


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        (None, MissingDependencyError, "examples: expected a file 04-sp500.csv in great_tables, got none."),
        ("", DataError, "got an empty file. Export it again. The example's file is damaged."),
        ("date,price\n1950-01-03,16.66\n", DataError, "expected a column 'close' as target"),
        ("date,close\n1950-01-03,16.66\n", DataError, "expected at least 16,600 daily closes, got 1."),
    ],
)
def test_a_damaged_file(
    content: str | None, error: type[Exception], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong, and the command that brings the file back."""
    spec = _package(content)
    monkeypatch.setattr(examples, "find_spec", lambda name: spec)
    with pytest.raises(error) as fault:
        examples.load("sp500")
    assert sentence in str(fault.value)
    assert str(fault.value).endswith("Run: pip install --force-reinstall 'great_tables>=0.15,<2'")


def test_great_tables_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it."""
    monkeypatch.setattr(examples, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="expected great_tables, which holds them, got none"):
        examples.load("sp500")


def test_great_tables_is_not_imported() -> None:
    """Its file is read where it lies; the package costs a third of a second."""
    code = "import sys; from unrolled.data.io import examples; examples.load('sp500'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "unrolled.data.io.examples" in done.stdout.split()
    assert "great_tables" not in done.stdout.split()
