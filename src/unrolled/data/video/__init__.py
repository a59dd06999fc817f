"""Video: files, images and arrays in, `Sequences` of frames out."""
