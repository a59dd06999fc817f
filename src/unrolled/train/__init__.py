"""The loop that trains a network, its history and its checkpoints."""
