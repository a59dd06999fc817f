"""Frames of video and of sensor grids: FrameForecaster."""
