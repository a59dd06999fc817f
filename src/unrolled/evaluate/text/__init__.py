"""Simple models of texts and of tags that a network is compared with."""
