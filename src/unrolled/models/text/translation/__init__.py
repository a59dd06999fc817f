"""Translator: sequence to sequence with attention; its network, dataset, training and beam search."""
