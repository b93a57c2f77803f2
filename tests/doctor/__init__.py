"""Tests of dir_sync.doctor."""
