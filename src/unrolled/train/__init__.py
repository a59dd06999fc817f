"""The training loop, its optimizer, history, checkpoints and progress."""
