"""Who may import whom, as data: the order of the machines, of the rooms, and one row for each module.

The rows of the larger packages are in tests/imports/. tests/test_imports.py compares all with the source.
"""

from __future__ import annotations

from tests.imports.cli import CLI
from tests.imports.daemon import DAEMON
from tests.imports.engine import ENGINE, MACHINES

__all__ = ["MACHINES", "MAY_IMPORT", "MESSAGES", "ROOMS"]

# The rooms below FileSync, lowest layer first: each imports only those before it.
ROOMS = [
    "outcomes",
    "hashing",
    "fingerprints",
    "staging",
    "history_store",
    "put_back",
    "kept",
    "prepare",
    "replace",
    "install",
    "metadata",
    "move",
    "unsigned",
    "batches",
    "growth",
    "appends",
    "downloads",
    "patch",
    "deltas",
    "reading",
    "scanner",
    "recovery",
]

# Who may import whom. Everyone may import core.*, which imports only core.*. What stands in one group
# does not know its siblings: they meet in daemon. A module that is not here may not exist.
MAY_IMPORT: dict[str, set[str]] = {
    # words
    "": set(),
    "config": {"reporting.output"},
    "reporting.log": {"config", "reporting.output"},
    "utils": set(),
    "ports": set(),
    "reporting.shell": set(),
    "reporting.output": set(),
    "network": set(),
    "network.networks": {"utils"},
    "network.pacing": set(),
    "network.outbox": {"network.pacing"},
    "network.backpressure": set(),
    "network.address_policy": set(),
    "network.link_table": {"node"},
    "reporting": set(),
    "folder": set(),
    # decisions and memory
    "index": {"index.database", "index.front", "index.peers", "index.rows"},
    "index.front": {
        *("index.bloom", "index.database", "index.identity", "index.intents", "index.journal", "index.notes"),
        *("index.offers", "index.peers", "index.rows", "index.tree", "index.versions"),
    },
    "index.tree": {"index.codec", "index.database", "index.rows"},
    "index.rows": {"index.bloom", "index.codec", "index.database", "index.identity", "index.notes"},
    "index.intents": {"index.database", "index.offers"},
    "index.offers": {"index.codec", "index.database"},
    "index.versions": {"index.bloom", "index.codec", "index.database"},
    "index.journal": {"index.codec", "index.database"},
    "index.peers": {"index.database"},
    "index.identity": {"index.notes"},
    "index.notes": {"index.database"},
    "index.database": set(),
    "index.bloom": set(),
    "index.codec": set(),
    **ENGINE,
    "history.undo_plan": {"index"},
    "network.control": {"readable"},
    "folder.user_state": set(),
    "network.node_id": {"folder.user_state"},
    "folder.root": {"config", "folder.user_state"},
    # closed meshes
    "security": set(),
    "security.files": {"config", "folder.user_state", "reporting.shell"},
    "security.store": {"config", "folder.user_state", "security.files"},
    "security.admission": {"config", "reporting.log", "reporting.shell", "security.files", "security.store"},
    "security.process": set(),
    "security.frames": set(),
    "security.keeper": {"security.files", "security.store"},
    "security.inviting": {"config", "security.frames", "security.keeper", "utils"},
    "security.joining": {"config", "security.files", "security.frames", "security.store"},
    "security.meeting": {"security.frames", "security.keeper"},
    "security.invitations": {"security.inviting"},
    "security.callers": {
        *("config", "reporting.log", "reporting.shell", "security.invitations", "security.keeper", "security.meeting"),
    },
    "security.listing": {"security.keeper"},
    "security.founding": {"config", "security.files", "security.keeper", "security.store"},
    "security.alone": {
        *("config", "folder.state", "reporting.log", "security.admission", "security.founding", "security.keeper"),
        *("security.store",),
    },
    # bytes on disk
    "disk": {"disk.folder", "disk.linux", "disk.real", "disk.spelling"},
    "disk.real": {
        *("disk.linux", "disk.errors", "disk.stats", "disk.folder", "disk.directories", "disk.unlocked"),
        *("disk.handles", "disk.files", "disk.kept", "disk.renames", "disk.attributes", "ports"),
    },
    "disk.kept": {"disk.attributes", "disk.errors", "disk.handles", "disk.unlocked", "ports"},
    "disk.attributes": {"disk.linux", "disk.unlocked", "disk.handles", "ports"},
    "disk.renames": {
        *("disk.linux", "disk.errors", "disk.stats", "disk.directories", "disk.unlocked", "disk.handles"),
        *("disk.files", "disk.steps", "ports"),
    },
    "disk.steps": {"disk.linux"},
    "disk.files": {"disk.linux", "disk.errors", "disk.holes", "disk.stats", "ports"},
    "disk.holes": {"disk.linux"},
    "disk.handles": {"disk.linux", "disk.errors", "disk.folder", "disk.directories", "disk.unlocked", "ports"},
    "disk.unlocked": {"disk.linux", "disk.stats", "disk.folder", "disk.directories", "ports"},
    "disk.directories": {"disk.linux", "disk.folder", "ports"},
    "disk.folder": {"disk.errors"},
    "disk.stats": {"disk.linux"},
    "disk.errors": {"ports"},
    "disk.linux": set(),
    "disk.spelling": {"ports"},
    "delta": {"delta.apply", "delta.format", "delta.librsync", "delta.make", "delta.sign", "delta.window"},
    "delta.make": {"delta.format", "delta.match", "delta.search", "delta.window"},
    "delta.search": {"delta.format", "delta.librsync", "delta.window"},
    "delta.match": {"delta.format", "delta.window"},
    "delta.sign": {"delta.format", "delta.librsync", "delta.window"},
    "delta.apply": {"delta.format", "delta.window", "ports"},
    "delta.librsync": {"delta.format"},
    "delta.window": {"delta.format"},
    "delta.format": set(),
    "delta.signature_cache": set(),
    "files": set(),
    "files.outcomes": {"ports"},
    "files.hashing": {"ports"},
    "files.fingerprints": {"ports"},
    "files.staging": {"ports"},
    "files.history_store": {"ports", "files.hashing", "files.staging"},
    "files.put_back": {"ports", "files.outcomes", "files.history_store"},
    "files.prepare": {"ports", "files.outcomes", "files.hashing", "files.staging"},
    "files.replace": {
        *("ports", "files.outcomes", "files.hashing", "files.fingerprints", "files.history_store"),
        *("files.put_back",),
    },
    "files.install": {
        *("ports", "files.outcomes", "files.hashing", "files.fingerprints", "files.staging"),
        *("files.history_store", "files.put_back", "files.replace", "files.kept"),
    },
    "files.metadata": {
        *("ports", "files.outcomes", "files.fingerprints", "files.staging", "files.prepare", "files.replace"),
        *("files.install", "files.kept"),
    },
    "files.move": {
        *("ports", "files.outcomes", "files.fingerprints", "files.staging", "files.put_back", "files.replace"),
        *("files.metadata", "files.kept"),
    },
    "files.unsigned": {"delta", "ports"},
    "files.batches": {
        *("ports", "files.outcomes", "files.fingerprints", "files.staging", "files.prepare", "files.install"),
        *("files.metadata", "files.move", "files.unsigned", "files.history_store", "files.hashing", "files.kept"),
    },
    "files.growth": {"ports"},
    "files.appends": {
        *("ports", "files.outcomes", "files.fingerprints", "files.staging", "files.unsigned", "files.growth"),
        *("files.metadata",),
    },
    "files.downloads": {"ports", "files.outcomes", "files.hashing", "files.staging"},
    "files.patch": {"delta", "ports", "files.outcomes", "files.hashing", "files.staging"},
    "files.deltas": {"delta", "ports", "files.hashing", "files.staging", "files.unsigned"},
    "files.reading": {"ports", "files.hashing"},
    "files.kept": {"ports", "files.staging"},
    "files.scanner": {"ports", "files.hashing", "files.fingerprints", "files.growth", "files.kept"},
    "files.recovery": {
        *("ports", "files.hashing", "files.staging", "files.history_store", "files.put_back", "files.growth"),
    },
    "file_sync": {"ports"} | {f"files.{room}" for room in ROOMS} - {"files.growth", "files.outcomes"},
    "folder.state": {"config", "index", "reporting.log"},
    "folder.pauses": {"config", "index", "reporting.log", "reporting.shell"},
    "history": set(),
    "history.codec": {"network.control"},
    "history.choice": set(),
    "history.answers": {"config", "network.control", "history.undo_plan", "index", "history.codec"},
    "history.source": {"config", "network.control", "folder.state", "index", "history.answers"},
    "history.restorer": {
        *("config", "disk", "file_sync", "index", "ports", "history.choice", "history.codec", "history.source"),
    },
    "history.client": {
        *(
            "config",
            "network.control",
            "history.undo_plan",
            "index",
            "reporting.output",
            "ports",
            "history.answers",
            "history.choice",
        ),
        *("history.codec", "history.restorer", "history.source"),
    },
    "history.words": {"config", "network.control", "reporting.log", "history.choice", "history.codec"},
    "readable": set(),
    "event_handler": {"readable"},
    # threads and sockets
    "network.tcp": set(),
    "network.channel": set(),
    "network.sealed_channel": {"network.channel"},
    "network.gate": {"network.sealed_channel"},
    "network.sealing": {
        *("config", "network.channel", "network.gate", "network.sealed_channel", "reporting.log", "reporting.shell"),
        *("security.admission", "security.callers", "security.invitations", "security.keeper", "security.process"),
        *("security.store",),
    },
    "node": {"network.backpressure", "network.channel", "network.outbox", "network.pacing", "network.tcp"},
    "network.throttle": set(),
    "node_manager": {
        *(
            "network.address_policy",
            "network.channel",
            "network.link_table",
            "network.pacing",
            "network.throttle",
            "node",
        ),
    },
    "network.discovery": {"network.networks", "utils"},
    "reporting.narrator": {"reporting.log", "reporting.sentences"},
    "reporting.sentences": {"reporting.log", "reporting.shell"},
    # where all of them meet, and what people type
    **DAEMON,
    **CLI,
    "folder.running": {"folder.user_state"},
    "__main__": {"cli", "daemon.signals"},
}

# Exactly what the modules of core.messages import of core. All others know only the package.
MESSAGES: dict[str, set[str]] = {
    "base": {"wire"},
    "checks": {"limits", "model", "transfers.growth", "wire"},
    "records": {"attributes", "messages.checks", "limits", "model", "wire"},
    "link": {"frozen", "messages.base", "messages.checks", "limits", "model", "wire"},
    "state": {"frozen", "messages.base", "messages.checks", "messages.records", "limits", "model"},
    "update": {"frozen", "messages.base", "messages.checks", "messages.records", "limits", "model", "wire"},
    "transfer": {"frozen", "messages.base", "messages.checks", "limits", "model", "wire"},
    "history": {"frozen", "messages.base", "messages.checks", "messages.records", "limits", "model"},
    "brake": {"frozen", "messages.base", "messages.checks", "limits"},
    "observe": {
        *("forecast", "frozen", "messages.base", "messages.checks", "messages.records", "limits", "mode", "model"),
    },
}
