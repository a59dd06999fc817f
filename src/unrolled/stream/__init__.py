"""Live streams: messages that are applied exactly once, stores that survive a kill, a server, a client."""
