"""The pure core: values and functions. No I/O, clock, thread, random numbers or log.

    messages/    each message of the protocol in one class
    peers/       which peers are near, which link stays, how far each has got
    overload/    no peer starves the others
    safeguard/   changes that look like a disaster
    watching/    when a path is looked at
    transfers/   contents on their way

What all of them share stands beside them: `model` (paths, records, stamps, vectors), `events`, `jobs` and `looks` (what
crosses threads), `notes` (what people are told), `limits` (every number), `reconcile` (the decision about one path), `wire`
and `session` (bytes of a connection).
May import: nothing but `dir_sync.core`. Who calls it: everyone.
"""
