"""The brake: changes that look like a disaster are held until a person decides.

    brake         files that a scan misses here: deleted, or held?
    peer_brake    bursts of changes by peers: carried out, or held?
    burst         which changes of a burst were carried out, wait, or are held
    file_counts   how many files there were recently
    approval      whose decision about held changes counts

May import: `dir_sync.core`. Who calls it: `engine`, through its `brakes`, `own_losses`, `peer_losses` and `decisions`.
"""
