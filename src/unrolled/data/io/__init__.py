"""Read files, frames and arrays into `Sequences`; write frames."""
