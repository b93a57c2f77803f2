"""What people did with the tools from which this one comes, done with this one."""
