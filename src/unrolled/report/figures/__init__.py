"""Plotly figures of result records.

    dispatch.py         `figure(record)`, by the record's `kind`; figures of forecasts and backtests
    memory.py           figures of the probes memory, gradients and states
    probes.py           figures of the probes order, length, activations and feedforward
    sequences.py        figures of the classification report
    backtest_table.py   forecasts of a backtest as arrays
    theme.py            colours, fonts, axes and labels that all share

A figure for a new kind of record is a function of the record, and a line in `dispatch._FIGURES`.
"""
