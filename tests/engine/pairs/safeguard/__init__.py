"""What looks like a disaster is held until somebody decides: two nodes on memory disks."""
