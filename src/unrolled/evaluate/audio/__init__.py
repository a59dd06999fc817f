"""Comparison of classifiers of recordings with baselines, from the same splits."""
