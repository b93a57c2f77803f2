"""Tests of `dir_sync/core/watching/`."""
