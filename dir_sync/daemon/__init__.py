"""One running node: the parts of the process, the parts of each shared folder, and the loop that joins them.

    process.py    run(): share the folders until a signal comes; a node runs while one of them can be shared
    shot.py       the process of `once`: the same node, until its judge has a verdict
    witness.py    Witness: what a folder of `once` says, and which peers know that both sides have everything
    rereading.py  Rereading: the configuration file, read again while the node runs
    life.py       Life: one folder through the life of the process: waited for, shared, paused after trouble that may pass
    daemon.py     Daemon: the process's parts (ports, discovery, roster, inbox) and the folders that it shares
    sharing.py    Sharing: one folder of a node from its opening to its end, with its control socket
    share.py      Share: one folder: its lock, disk, index, watcher, workers and engine
    turns.py      Turns: whose first scan goes on, if several folders scan
    memory.py     Memory: how much of its index each folder keeps in memory
    loop.py       Loop: the engine's thread: news in, one turn of the folders that they concern, effects out
    folder.py     Folder: the rooms around the engine of one folder; Folders: all of a node
    effects.py    Performer: commits the index, then does what the engine ordered
    stream.py     Stream: what happens in one folder, for programs that listen
    hooks.py      Hooks: the user's command for events, and desktop notifications
    borrowing.py  Borrowing: contents that another folder of the node has are read there
    chores.py     Chores: periodic work of the loop: scans, progress lines, a check of the folder
    links.py      Neighbours: accepts and removes nodes, and carries out the actions of the roster
    matching.py   Matching: which folders are exchanged on which link
    linked.py     Linked: one link, and which folders it serves
    timetable.py  Timetable: the limits of speed by the time of the week
    pausing.py    Pausing: one folder is paused and goes on
    asking.py     how the thread of a question gets its answer from the engine, at once or when something has changed
    moving.py     Moving: large contents on their way, as events
    gauge.py      Gauge: speeds and progress of one folder, for `status` and the log
    peers.py      ConnectedPeers: of one folder: its replicas elsewhere, and their links
    breaches.py   what the log says of peers that break the protocol
    verifying.py  the command verify, as the node answers it
    requests.py   Requests: the questions of commands, which arrive through the control socket, and their answers
    stories.py    what only a running node knows of one path, for `why`; loaded on demand
    held.py       what the brakes hold, by node, kind and folder
    mesh.py       MeshRequests: those of them that are about the mesh
    dry_run.py    the process of `once --dry-run`: what a run would do
    rehearsal.py  this machine's side of it: a copy of the index in memory, or the node that runs here
    meeting.py    the other sides of it: nodes that are asked, and note nothing
    observers.py  Observers: at a node, the links of those who only ask so
    pages.py      large pages for what the interpreter keeps
    arenas.py     one heap for all threads
    priority.py   a thread that waits for everything else on the machine
    opening.py    what a node opens on the network
    status.py     collects the figures of `status`
    jobs.py       DiskWorkers: the threads that do the jobs of all folders on their disks; FolderJobs: those of one folder
    threads.py    Threads: starts all threads of this package, and handles their uncaught errors
    inbox.py      Inbox: the events for the engine's thread, and which comes next
    lanes.py      Lanes: what waits of one link, a lane for each folder
    news.py       the events that only this package posts to the inbox
    workers.py    Pool: which job comes next, in fair shares for all folders and peers, and how many workers there are
    signals.py    the signals that end a node
    supervisor.py what who has started a node is told: it is ready, it ends (sd_notify)

May import: everything below the commands. Who calls it: `cli`, through `process.run`, `shot.run` and `dry_run.run`;
`dir_sync.__main__` and `cli` listen to `signals`.
Rule: the engine's thread waits for its inbox and for nothing else (except the commit of its index). All other threads
post events to the inbox, or take orders from it. A file's bytes are durable before its row, and a row is committed
before a message tells of it: effects are performed after the commit that covers them.
"""
