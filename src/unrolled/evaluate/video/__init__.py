"""Comparisons of estimators of clips with baselines that see no motion."""
