"""Comparison of sequence estimators with simpler rivals, from the same splits."""
