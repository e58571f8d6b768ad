"""The adapters: each expresses the one application in its own way, and one class is all it takes."""
