"""A description as text: one line a fact, labels in one column."""

import numpy as np
import pandas as pd

from unrolled.data.describe.analyse import describe


def test_the_block_of_a_series() -> None:
    """Every fact, its sentence wrapped under itself, warnings and notes below."""
    values = 100 * 1.01 ** np.arange(120) * (1 + 0.02 * np.random.default_rng(0).normal(size=120))
    frame = pd.DataFrame({"date": pd.date_range("2001-01", periods=120, freq="MS"), "price": values.round(2)})
    frame.loc[50, "price"] = np.nan
    text = str(describe(frame))
    lines = text.splitlines()
    assert lines[0] == "data frame: 120 rows"
    assert "  a sequence?      yes, ordered by time" in lines
    assert "  temporal?        yes" in lines
    assert "  span             2001-01-01 to 2010-12-01, monthly (MS), no gaps" in lines
    assert f"  values           {frame['price'].min():.6g} to {frame['price'].max():.6g}, 1 missing" in lines
    assert any(
        line.startswith("  mean growth      +1.") and "% a month (pct_change().mean(): +1." in line
        for line in lines
    )
    assert any(line.startswith("  transform        log") for line in lines)
    assert any(line.startswith("  yearly means     2001: 1") and "..." in line for line in lines)
    assert any(line.startswith("  warning: data frame, series 'price': expected a number") for line in lines)
    assert max(map(len, lines)) <= 100
    assert text.isascii()


def test_the_block_of_a_table() -> None:
    """Each column's range; nothing about time."""
    rng = np.random.default_rng(0)
    text = str(describe({"age": rng.integers(18, 80, 50), "income": rng.integers(20_000, 90_000, 50)}))
    assert "no, rows of a table" in text
    assert "values           age " in text
    assert ", income " in text
    assert "span" not in text
    assert "transform" not in text


def test_the_block_of_broken_and_many_series() -> None:
    """Gaps, holidays and duplicates are counted where the span is said."""
    days = pd.bdate_range("2020-01-01", periods=100).delete([20, 50]).append(pd.DatetimeIndex(["2020-01-02"]))
    text = " ".join(str(describe({"ds": days, "y": range(99)})).split())
    assert "business days (B), 2 holidays, no gaps, 1 duplicated time values" in text
    several = pd.DataFrame({"ds": pd.date_range("2020", periods=9), "a": range(9), "b": range(9)})
    text = str(describe(several.drop(index=[4, 5])))
    assert text.startswith("data frame: 2 series, 14 rows")
    assert "2 gaps of 4 steps" in text


def test_a_frame_of_a_description_is_a_row_a_fact() -> None:
    """Those of the printed form, so that a notebook shows them."""
    frame = describe("machine").to_frame()
    assert list(frame.columns) == ["fact", "value"]
    assert frame["fact"].tolist() == ["a sequence?", "temporal?", "order counts?"]
    assert frame["value"].tolist() == ["yes, ordered by position", "no", "too few to tell"]
