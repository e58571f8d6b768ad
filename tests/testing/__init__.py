"""The test kit's own tests."""
