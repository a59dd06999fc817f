"""Modules beside the recurrent layers: convolutional stem, pooling, quantile head, chunked cross-entropy."""
