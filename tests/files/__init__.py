"""Tests of the rooms below FileSync: effects on bytes."""
