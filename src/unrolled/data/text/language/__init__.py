"""Language models of text: the codec of their vocabulary, with the spelling of what it lacks."""
