"""Comparison of estimators of texts with simple models, from the same splits."""
