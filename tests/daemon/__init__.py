"""The rooms of a running node, each with stand-ins for its neighbours."""
