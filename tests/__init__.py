"""The tests: one file per module, and whole meshes in sim (simulated) and lan (real)."""
