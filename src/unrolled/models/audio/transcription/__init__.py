"""Transcriber: recordings to text, by connectionist temporal classification."""
