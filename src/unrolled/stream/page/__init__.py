"""Page of a server: a stream's states and answers as they come, drawn in the browser."""
