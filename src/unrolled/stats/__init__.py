"""Statistical tests and intervals on arrays; knows no model."""
