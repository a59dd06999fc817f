"""Tables in, `Sequences` out; what is in them; transforms, windows and splits."""
