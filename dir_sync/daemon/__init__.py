"""One running node: what belongs to the process, what belongs to the folder, and the loop that joins them.

    process.py   run(): wait for the folder, share it until a signal comes, wait again after trouble that passes
    daemon.py    Daemon: the process's parts (ports, discovery, roster, control socket) around one Share
    share.py     Share: one folder: its lock, disk, index, watcher, workers and engine
    loop.py      Loop: the engine's thread: news in, one turn, effects out
    effects.py   Performer: commits the index, then does what the engine ordered
    chores.py    Chores: what the loop does now and then: scans, progress lines, a check of the folder
    links.py     ConnectedPeers: greets peers, lets them go, and acts on what the roster says
    requests.py  Requests: the commands that come by the control socket
    status.py    collects the figures of `status`
    jobs.py      DiskWorkers: the threads that do the engine's jobs on the disk
    threads.py   Threads: the one top handler of all threads of this package
    inbox.py     Inbox: the news for the engine's thread, and whose turn it is
    news.py      the news that only this package posts to it
    workers.py   the queue of disk jobs, in fair shares for all peers
    signals.py   the signals that end a node

May import: everything below the commands. Who calls it: `cli`, through `process.run`; main.py and `cli` listen to `signals`.
Rule: the engine's thread waits for its inbox and for nothing else (but for the commit of its index). All other threads
      carry news to the inbox or orders away from it. Bytes, then index, then words: effects are performed after the
      commit that covers them.
"""
