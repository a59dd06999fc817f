"""Rolling-origin evaluation of forecasts, beside baselines."""
