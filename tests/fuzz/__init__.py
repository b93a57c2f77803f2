"""Whatever a stranger can say to a closed node before it has proved anything, as bytes that are valid, changed and random."""
