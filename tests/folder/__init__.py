"""Tests of `dir_sync/folder/`."""
