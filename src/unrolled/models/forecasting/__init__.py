"""The Forecaster: network, windows, encoder, calibration."""
