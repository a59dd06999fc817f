"""Estimators: fit, predict, save, load."""
