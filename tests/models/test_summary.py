"""A card says what was fitted."""

from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.summary import model_card


def test_the_card_says_what_was_fitted_and_no_score(fitted: Forecaster) -> None:
    """Each fact is the model's own."""
    card = model_card(fitted, fitted._series)
    assert f"| weights | {fitted.n_parameters_:,} |" in card
    assert f"| transform | {fitted.transform_} ({fitted.transform_reason_}) |" in card
    assert f"| training | {fitted.history_.best_step} steps ({fitted.history_.stopped})" in card
    assert "unrolled.backtest(model, series)" in card
