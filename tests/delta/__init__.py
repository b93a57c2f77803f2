"""Tests of signatures and deltas."""
