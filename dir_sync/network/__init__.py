"""What the program says and hears outside its own process, below `Node` and `NodeManager`.

    tcp             options of a TCP connection, and what the kernel tells about one
    outbox          what waits to be sent on one connection
    backpressure    how far a reader may be ahead of the engine
    link_table      all links by number, and the places for those that have not said HELLO
    address_policy  which addresses may connect at all
    throttle        which address gives way for a moment, because it took most of this machine's time
    networks        the networks that this machine is on; which address is near
    discovery       presence: beacons as UDP broadcasts, heard and sent
    control         the Unix socket by which other commands ask a node that runs

May import: `dir_sync.core`, `dir_sync.utils`; `link_table` also `dir_sync.node`. Who calls it: `node`, `node_manager` and
`daemon`; `history` and `cli` ask through `control`. One peer's socket with its threads is `dir_sync/node.py`; all of them
together are `dir_sync/node_manager.py`. The messages themselves are in `dir_sync/core/messages/`; whom to dial is decided in
`dir_sync/core/peers/`.
"""
