"""Recordings: wav and other files in, samples with their rate, log-mel frames."""
