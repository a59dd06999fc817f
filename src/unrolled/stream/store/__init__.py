"""Stores of streams: in memory, in a file of SQLite, in Redis."""
