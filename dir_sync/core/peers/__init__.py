"""Peers: which are near, which are dialled, which link stays, and how far each has got.

    beacon         the beacon as a value and as bytes
    address_book   known nodes, and where they were heard
    links          the links that have said HELLO
    beacon_times   when this node sends its own beacon
    dial_limits    how soon one address may be dialled again
    dialling       whom to dial when: back-off and roles
    identity       when a node gives up its id because another machine uses it
    roster         all of these together: which peers are near, which of two links stays
    standing       how far two nodes are from being in sync
    contact        a connected peer, as all machines of the engine see it
    announce       what a peer was told of our index, and the messages that tell it what changed
    inquiry        questions to all peers at once

May import: `dir_sync.core`. Who calls it: `roster` is called by `daemon`, the last four by `engine`.
"""
