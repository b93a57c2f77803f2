"""Communication with other processes, below `Node` and `NodeManager`.

    tcp             options of a TCP connection, and what the kernel tells about one
    reader          the thread that reads from one socket
    writer          the thread that writes to one socket
    outbox          messages that wait to be sent on one connection
    backpressure    how far a reader may be ahead of the engine
    link_table      all links by number, and the places for those that have not said HELLO
    address_policy  which addresses may connect
    throttle        which address is delayed for a moment, because it used most of this machine's time
    pacing          the limits of speed for what is sent
    gate            the entrance of a closed mesh
    clock           how far the clock of a peer differs
    port_owner      which program has a port of this machine
    channel         what carries the bytes of a link: the socket as it is
    sealed_channel  ... or a sealed link
    sealing         what a node of a closed mesh needs beside its open parts
    node_id         the id of this node on the network
    networks        the networks of this machine; which address is near
    discovery       presence: UDP broadcasts, sent and received
    siblings        what the nodes of one process tell each other about presence
    control         the Unix socket through which other commands ask a running node

May import: `dir_sync.core`, `dir_sync.utils`; `link_table` also `dir_sync.node`, `control` also `dir_sync.readable`.
Who calls it: `node`, `node_manager` and `daemon`; `history` and `cli` ask through `control`. One peer's socket with
its threads is `dir_sync/node.py`; all of them together are `dir_sync/node_manager.py`. The messages themselves are in
`dir_sync/core/messages/`; whom to dial is decided in `dir_sync/core/peers/`.
"""
