"""Tests of `dir_sync/core/peers/`."""
