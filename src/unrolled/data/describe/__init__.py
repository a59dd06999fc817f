"""Describe a data set: order, time, frequency, growth, season, transform."""
