"""Each machine of the engine alone."""
