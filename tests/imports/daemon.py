"""Rows of the import table: what each module of the daemon may import: here all packages meet."""

from __future__ import annotations

DAEMON: dict[str, set[str]] = {
    "daemon.signals": set(),
    "daemon.supervisor": set(),
    "daemon.inbox": {"daemon.lanes", "network.throttle", "node", "node_manager"},
    "daemon.workers": {"network.throttle"},
    "daemon": set(),
    "daemon.process": {
        *("config", "daemon.daemon", "daemon.life", "daemon.opening", "daemon.rereading", "daemon.signals"),
        *("daemon.supervisor", "daemon.threads", "reporting.log"),
    },
    "daemon.daemon": {
        "",
        *("config", "daemon.folder", "daemon.inbox", "daemon.links", "daemon.loop", "daemon.news"),
        *("daemon.observers", "daemon.opening", "daemon.sharing", "daemon.threads", "daemon.timetable"),
        *("daemon.witness", "network.control", "network.discovery", "network.networks", "network.node_id"),
        *("network.sealing", "node_manager", "reporting.log", "reporting.shell", "security.files"),
    },
    "daemon.witness": {"daemon.share"},
    "daemon.stream": {"network.control"},
    "daemon.shot": {
        *("config", "daemon.daemon", "daemon.opening", "daemon.process", "daemon.signals", "daemon.witness"),
        *("folder.pauses", "folder.root"),
    },
    "daemon.opening": {"config", "utils"},
    "daemon.observers": {"daemon.folder", "network.outbox", "node", "reporting.log"},
    "daemon.rehearsal": {
        *("config", "daemon.share", "daemon.timetable", "disk", "engine", "file_sync", "folder.pauses"),
        *("folder.state", "network.control", "ports"),
    },
    "daemon.meeting": {
        *("config", "daemon.opening", "network.discovery", "network.networks", "network.outbox", "network.sealing"),
        *("node", "node_manager", "reporting.log"),
    },
    "daemon.dry_run": {
        *("config", "daemon.meeting", "daemon.process", "daemon.rehearsal", "folder.root", "network.control"),
        *("network.sealing", "security.files"),
    },
    "daemon.loop": {
        *("daemon.folder", "daemon.inbox", "daemon.links", "daemon.news", "daemon.observers", "daemon.turns"),
        *("engine", "node", "node_manager"),
    },
    "daemon.gauge": {"daemon.peers", "daemon.share"},
    "daemon.chores": {
        "daemon.gauge",
        "daemon.effects",
        "daemon.pausing",
        "daemon.share",
        "daemon.threads",
        "daemon.inbox",
        "reporting.narrator",
    },
    "daemon.effects": {
        *("daemon.borrowing", "daemon.inbox", "daemon.peers", "daemon.requests", "daemon.share"),
        *("daemon.stream", "daemon.witness", "file_sync", "folder.state", "network.outbox", "reporting.narrator"),
    },
    "daemon.mesh": {
        *("config", "network.control", "security.founding", "security.invitations", "security.inviting"),
        *("security.keeper", "security.listing"),
    },
    "daemon.timetable": {"network.pacing", "reporting.log"},
    "daemon.pausing": {"daemon.timetable", "folder.pauses", "index", "network.control", "reporting.log"},
    "daemon.requests": {
        *("config", "daemon.inbox", "daemon.mesh", "daemon.news", "daemon.pausing", "daemon.peers"),
        *("daemon.share", "daemon.stories", "engine", "history.answers", "history.undo_plan", "index"),
        *("network.control", "reporting.log"),
    },
    "daemon.stories": {"engine", "history.story", "network.control", "reporting.log"},
    "daemon.status": {"", "config", "daemon.gauge", "daemon.peers", "daemon.share"},
    "daemon.breaches": {"node", "reporting.log"},
    "daemon.folder": {
        *("daemon.borrowing", "daemon.chores", "daemon.effects", "daemon.memory", "daemon.news"),
        *("daemon.pausing", "daemon.peers", "daemon.requests", "daemon.share", "daemon.threads"),
        *("daemon.witness", "engine", "node", "reporting.log"),
    },
    "daemon.lanes": set(),
    "daemon.memory": set(),
    "daemon.turns": set(),
    "daemon.life": {"config", "disk", "folder.root", "reporting.log", "security.files"},
    "daemon.peers": {"config", "daemon.share", "engine", "network.outbox", "node", "reporting.log"},
    "daemon.sharing": {
        "daemon.gauge",
        "daemon.timetable",
        *("config", "daemon.borrowing", "daemon.chores", "daemon.effects", "daemon.folder", "daemon.inbox"),
        *("daemon.jobs", "daemon.memory", "daemon.mesh", "daemon.news", "daemon.pausing", "daemon.peers"),
        *("daemon.requests", "daemon.share", "daemon.status", "daemon.stream", "daemon.threads", "daemon.witness"),
        *("folder.root", "network.control", "network.node_id", "network.sealing", "network.throttle"),
        *("node_manager", "readable", "reporting.log", "reporting.narrator"),
    },
    "daemon.rereading": {"config", "folder.running", "reporting.log"},
    "daemon.borrowing": {"daemon.inbox", "daemon.share"},
    "daemon.linked": {"daemon.folder", "node", "reporting.log"},
    "daemon.links": {
        "daemon.timetable",
        *("config", "daemon.breaches", "daemon.folder", "daemon.linked", "engine", "network.node_id"),
        *("network.outbox", "node", "node_manager", "reporting.log", "reporting.shell"),
    },
    "daemon.share": {
        *("daemon.jobs", "config", "delta", "disk", "engine", "event_handler", "file_sync", "daemon.inbox"),
        *("reporting.log", "ports", "readable", "delta.signature_cache", "folder.state", "index"),
    },
    "daemon.jobs": {"daemon.news", "daemon.threads", "file_sync", "daemon.inbox", "network.throttle", "daemon.workers"},
    "daemon.news": {"daemon.inbox", "network.control"},
    "daemon.threads": {"reporting.log"},
}
