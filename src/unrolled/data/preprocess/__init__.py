"""Transforms, scalers and time features."""
