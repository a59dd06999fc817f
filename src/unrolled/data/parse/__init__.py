"""Parse texts into tables, columns, numbers and dates."""
