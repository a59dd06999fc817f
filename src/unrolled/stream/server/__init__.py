"""Server of live streams: HTTP and WebSocket in, micro-batches through one session, answers when stored."""
