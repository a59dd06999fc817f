"""Comparison of sequence estimators with baselines, from the same splits."""
