"""Facts say what was fitted, alike on the card, in the report and on the command line."""

from pathlib import Path

from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.summary import Fact, model_card


def test_the_facts_are_those_of_the_model(fitted: Forecaster) -> None:
    """Network, window, horizon, transform, training, weights and seed."""
    facts = dict(fitted.summary())
    assert facts["Network"] == "LSTM, 1 layer of 4 units"
    assert facts["Reads"] == f"the last {fitted.window_} months"
    assert facts["Forecasts"] == "3 months"
    assert facts["Sees"].endswith(f"({fitted.transform_})")
    assert facts["Training"].startswith(f"{fitted.history_.count} steps ({fitted.history_.stopped})")
    assert facts["Training"].endswith(f"the best was number {fitted.history_.best_step}")
    assert facts["Weights"] == f"{fitted.n_parameters_:,}"
    assert facts["Seed"] == str(fitted.random_state)


def test_the_card_holds_the_facts_and_no_score(fitted: Forecaster, tmp_path: Path) -> None:
    """A line of its table for each, the reason of the transform, and the call that tests a forecast."""
    card = (fitted.save(tmp_path / "model") / "README.md").read_text()
    for name, text in fitted.summary():
        assert f"| {name} | {text} |" in card
    assert fitted.transform_reason_ in card
    assert "unrolled.backtest(model, series)" in card


def test_a_card_is_a_page_of_markdown() -> None:
    """Title, table, footer."""
    assert model_card("Title", [Fact("A", "1"), Fact("B", "2")], "End.") == (
        "# Title\n\n| | |\n|---|---|\n| A | 1 |\n| B | 2 |\n\nEnd.\n"
    )
