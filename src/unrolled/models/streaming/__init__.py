"""Live streams of fitted models: states, snapshots, many streams together."""
