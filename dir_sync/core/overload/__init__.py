"""Overload protection: no peer starves the others, and none floods this node.

    fairness     which link, worker or command is served next
    guard        which address asks for too much, and for how long it is refused
    rate         a token bucket
    byte_rate    the limits of speed that a person has set: bytes a second, bulk waits and nothing else
    complaints   how often a protocol error of one address is logged

May import: `dir_sync.core`. Who calls it: `node`, `node_manager`, `network`, `daemon`, `core.peers`. The limits are in
`dir_sync/core/limits.py`.
"""
