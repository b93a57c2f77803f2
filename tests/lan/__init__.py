"""dir_sync as a black box: real daemons in network namespaces on a bridge. Nothing here imports dir_sync."""
