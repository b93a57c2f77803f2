"""Overload: no peer starves the others, and none floods this node.

    fairness     which link, worker or command is served next
    guard        which address asks for too much, and for how long it is kept away
    rate         a token bucket
    complaints   what is told of machines that break the protocol, and how often

May import: `dir_sync.core`. Who calls it: `node`, `node_manager`, `network`, `daemon`, `core.peers`. Every number stands in
`dir_sync/core/limits.py`.
"""
