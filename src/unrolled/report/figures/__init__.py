"""Figures of records, drawn with plotly."""
