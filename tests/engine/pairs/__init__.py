"""Two nodes on memory disks, engine, index and file_sync each: what a user sees of several machines at work."""
