"""HTML pages of records."""
