"""Peers: which are near, which are dialled, which link stays, and how far each is from being in sync.

    beacon         the beacon as a value and as bytes
    sealed_beacon  the same in a closed mesh
    address_book   known nodes, and the addresses at which they were heard
    links          the links that have said HELLO
    beacon_times   when this node sends its beacon
    dial_limits    how soon one address may be dialled again
    dialling       which node to dial when: back-off and roles
    identity       when a node gives up its id because another machine uses the same
    sought         the machines that the user named: which were met, and why others were not
    roster         all of these together: which peers are near, which of two links stays
    standing       how far two nodes are from being in sync
    contact        a connected peer, as all machines of the engine see it
    announce       what was announced to a peer, and the messages that announce changes
    inquiry        questions to all peers at once

May import: `dir_sync.core`. Who calls it: `roster` and `sought` are called by `daemon`, the last four by `engine`.
"""
