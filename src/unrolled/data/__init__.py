"""Tables, files and frames in, `Sequences` out; their description, transforms and splits."""
