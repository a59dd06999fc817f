"""Read files of labelled sequences: tables, arrays, and the formats of archives."""
