"""Tests of dir_sync.disk, and of the disk in memory that stands for it in the simulator."""
