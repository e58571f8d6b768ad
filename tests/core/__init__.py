"""The pure core's tests, one file a room."""
