"""Records in, figures and HTML pages out."""
