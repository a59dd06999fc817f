"""RNN, GRU, LSTM and layers of other cells: inputs, parameters, forward pass."""
