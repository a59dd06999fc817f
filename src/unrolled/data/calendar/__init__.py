"""Frequencies, calendar offsets and seasons of dates."""
