"""Records in, figures and one HTML page out."""
