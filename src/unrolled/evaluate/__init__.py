"""Backtests and comparisons: a model beside simple ones, from the same splits, with a verdict."""
