"""Adapters from estimators and torch modules to what the probes need."""
