"""Unroll over time: the plain loop, the fused kernels as autograd and custom operators."""
