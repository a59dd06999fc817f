"""Fitted models as sessions, servers and the page need them: what they read, and what they answer."""
