"""Sentences of the probes: scores in words, and what a record must hold for each conclusion."""
