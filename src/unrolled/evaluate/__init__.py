"""What a network is worth: backtests beside the baselines, and the verdict."""
