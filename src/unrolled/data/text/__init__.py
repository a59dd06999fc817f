"""Texts and files of them to `Sequences` of integer tokens; vocabularies, tags and spans."""
