"""What is kept of closed meshes on a machine, and when a node must not run."""
