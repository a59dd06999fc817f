"""Measurements that the probes share: permutations, attribution, gradient flow, Jacobians, retraining."""
