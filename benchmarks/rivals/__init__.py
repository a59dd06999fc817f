"""Frameworks that live in an environment of their own, each in one process that is told what to run.

`driver` is this side of it; `worker` and all the rest run there.
"""
