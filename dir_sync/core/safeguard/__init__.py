"""The brake: changes that look like a disaster are held until a person decides.

    brake         files that a scan misses here: is that believed, or held?
    peer_brake    bursts of changes by peers: are they believed, or held?
    burst         what of a burst was let through, waits or is held
    file_counts   how many files there were lately
    approval      whose decision about held changes counts

May import: `dir_sync.core`. Who calls it: `engine`, through its `brakes`, `own_losses`, `peer_losses` and `decisions`.
"""
