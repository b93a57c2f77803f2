"""The history for people."""
