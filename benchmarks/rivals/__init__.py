"""Frameworks that live in an environment of their own, each in one process that takes requests.

`driver` is this side of it; `worker` and all the rest run there.
"""
