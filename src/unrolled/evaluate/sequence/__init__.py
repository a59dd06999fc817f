"""Comparison of sequence estimators with simple candidates, from the same splits."""
