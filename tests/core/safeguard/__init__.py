"""Tests of `dir_sync/core/safeguard/`."""
