"""The shape of the house: who may import whom, what the core may touch, and that nothing lies about unused.

Imports are read from the source, wherever they stand: at the top, in a function, under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dir_sync"

# The machines of the engine, lowest layer first: each imports only those before it.
MACHINES = [
    "board",
    "work",
    "publisher",
    "scope",
    "in_vain",
    "readers",
    "stamps",
    "sources",
    "versions",
    "signatures",
    "folder_times",
    "brakes",
    "own_losses",
    "peer_losses",
    "transfers",
    "local_renames",
    "look_queue",
    "names",
    "rows",
    "deltas_out",
    "uploader",
    "applier",
    "incoming_moves",
    "growth_in",
    "deltas_in",
    "fetcher",
    "bulk_install",
    "acquire",
    "planner",
    "sync_report",
    "intake",
    "recorder",
    "local_changes",
    "scan",
    "queries",
    "decisions",
    "idle",
    "router",
]

# The rooms below FileSync, lowest layer first: each imports only those before it.
ROOMS = [
    "outcomes",
    "hashing",
    "fingerprints",
    "staging",
    "history_store",
    "put_back",
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
    "daemon.signals": set(),
    "network": set(),
    "network.networks": {"utils"},
    "network.outbox": set(),
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
    "engine.constants": set(),
    "engine.values": {"engine.constants"},
    "engine.queues": {"index"},
    "engine.board": {"index", "engine.queues", "engine.values"},
    "engine.path_work": {"engine.values"},
    "engine.attempts": {"engine.path_work"},
    "engine.path_jobs": {"engine.attempts", "engine.path_work"},
    "engine.obstacles": set(),
    "engine.out_of_reach": set(),
    "engine.room_queues": set(),
    "engine.retries": {"engine.constants", "engine.board", "engine.path_work"},
    "engine.holders": {"engine.path_work"},
    "engine.expected": {"engine.board", "engine.path_work"},
    "engine.arrivals": {
        *("engine.constants", "engine.values", "engine.board", "engine.path_work", "engine.path_jobs"),
        *("engine.expected", "engine.retries"),
    },
    "engine.folder_waits": {"engine.arrivals", "engine.path_work"},
    "engine.work": {
        *("engine.board", "engine.path_work", "engine.attempts", "engine.path_jobs", "engine.obstacles"),
        *("engine.out_of_reach", "engine.room_queues", "engine.retries", "engine.holders", "engine.expected"),
        *("engine.arrivals", "engine.folder_waits"),
    },
    "engine.scope": {"engine.board"},
    "engine.in_vain": {"engine.values", "engine.board"},
    "engine.readers": {"engine.board"},
    "engine.stamps": {"engine.board"},
    "engine.sources": {"index", "engine.constants", "engine.values", "engine.board", "engine.work"},
    "engine.versions": {"engine.constants", "engine.board", "engine.work", "engine.sources"},
    "engine.signatures": {"engine.board"},
    "engine.folder_times": {"engine.constants", "engine.board", "engine.publisher", "engine.work"},
    "engine.brakes": {"engine.board"},
    "engine.own_losses": {"engine.board", "engine.work", "engine.brakes"},
    "engine.peer_losses": {
        "index",
        "engine.constants",
        "engine.values",
        "engine.board",
        "engine.sources",
        "engine.work",
        "engine.brakes",
    },
    "engine.transfers": {
        *("engine.constants", "engine.board", "engine.work", "engine.sources", "engine.brakes", "engine.peer_losses"),
    },
    "engine.publisher": {"engine.constants", "engine.board"},
    "engine.local_renames": {
        "index",
        "engine.board",
        "engine.work",
        "engine.scope",
        "engine.brakes",
        "engine.publisher",
    },
    "engine.look_queue": {
        *(
            "index",
            "engine.constants",
            "engine.board",
            "engine.work",
            "engine.scope",
            "engine.versions",
            "engine.publisher",
        ),
        *("engine.local_renames",),
    },
    "engine.names": {"engine.constants", "engine.board", "engine.transfers", "engine.look_queue"},
    "engine.rows": {
        *(
            "index",
            "engine.constants",
            "engine.board",
            "engine.publisher",
            "engine.work",
            "engine.stamps",
            "engine.brakes",
            "engine.own_losses",
        ),
        *("engine.peer_losses", "engine.transfers", "engine.names"),
    },
    "engine.deltas_out": {"engine.constants", "engine.board"},
    "engine.uploader": {
        *("engine.board", "engine.work", "engine.sources", "engine.brakes", "engine.publisher", "engine.local_renames"),
        *("engine.look_queue", "engine.deltas_out"),
    },
    "engine.applier": {
        *(
            "index",
            "engine.constants",
            "engine.values",
            "engine.board",
            "engine.work",
            "engine.scope",
            "engine.sources",
        ),
        *("engine.versions", "engine.signatures", "engine.folder_times", "engine.transfers", "engine.look_queue"),
        *("engine.rows",),
    },
    "engine.incoming_moves": {
        *(
            "index",
            "engine.constants",
            "engine.board",
            "engine.work",
            "engine.sources",
            "engine.brakes",
            "engine.transfers",
        ),
        *("engine.rows", "engine.applier"),
    },
    "engine.growth_in": {
        *("index", "engine.values", "engine.board", "engine.work", "engine.transfers"),
        *("engine.applier",),
    },
    "engine.deltas_in": {
        *("engine.constants", "engine.board", "engine.work", "engine.sources", "engine.signatures", "engine.transfers"),
    },
    "engine.fetcher": {
        *(
            "index",
            "engine.constants",
            "engine.values",
            "engine.board",
            "engine.work",
            "engine.sources",
            "engine.brakes",
        ),
        *("engine.transfers", "engine.applier", "engine.incoming_moves", "engine.growth_in", "engine.deltas_in"),
    },
    "engine.bulk_install": {
        *(
            "engine.constants",
            "engine.board",
            "engine.publisher",
            "engine.work",
            "engine.versions",
            "engine.signatures",
        ),
        *("engine.look_queue", "engine.applier"),
    },
    "engine.acquire": {
        *(
            "index",
            "engine.constants",
            "engine.values",
            "engine.board",
            "engine.work",
            "engine.sources",
            "engine.brakes",
        ),
        *("engine.peer_losses", "engine.transfers", "engine.rows", "engine.applier", "engine.incoming_moves"),
        *("engine.fetcher", "engine.in_vain"),
    },
    "engine.planner": {
        *("engine.constants", "engine.values", "engine.board", "engine.work", "engine.scope", "engine.stamps"),
        *(
            "engine.sources",
            "engine.brakes",
            "engine.transfers",
            "engine.rows",
            "engine.incoming_moves",
            "engine.fetcher",
        ),
        *("engine.acquire", "engine.in_vain"),
    },
    "engine.sync_report": {
        "engine.constants",
        "engine.board",
        "engine.publisher",
        "engine.work",
        "engine.brakes",
        "engine.transfers",
    },
    "engine.intake": {
        *(
            "index",
            "engine.constants",
            "engine.board",
            "engine.sources",
            "engine.publisher",
            "engine.work",
            "engine.stamps",
            "engine.brakes",
        ),
        *("engine.peer_losses", "engine.uploader", "engine.sync_report", "engine.in_vain"),
    },
    "engine.recorder": {
        *(
            "index",
            "engine.constants",
            "engine.values",
            "engine.board",
            "engine.work",
            "engine.stamps",
            "engine.signatures",
        ),
        *("engine.folder_times", "engine.local_renames", "engine.look_queue", "engine.rows", "engine.deltas_out"),
        *("engine.applier",),
    },
    "engine.local_changes": {
        *("engine.constants", "engine.values", "engine.board", "engine.work", "engine.scope", "engine.stamps"),
        *("engine.folder_times", "engine.brakes", "engine.own_losses", "engine.transfers", "engine.publisher"),
        *("engine.local_renames", "engine.look_queue", "engine.names", "engine.rows", "engine.deltas_out"),
        *("engine.applier", "engine.intake", "engine.recorder"),
    },
    "engine.scan": {
        *("engine.constants", "engine.board", "engine.work", "engine.scope", "engine.brakes", "engine.own_losses"),
        *("engine.transfers", "engine.publisher", "engine.local_renames", "engine.look_queue", "engine.rows"),
        *("engine.applier", "engine.planner", "engine.intake", "engine.recorder", "engine.local_changes"),
    },
    "engine.queries": {"engine.constants", "engine.board", "engine.stamps"},
    "engine.decisions": {
        *(
            "history.undo_plan",
            "engine.constants",
            "engine.board",
            "engine.brakes",
            "engine.own_losses",
            "engine.peer_losses",
        ),
        *("engine.rows", "engine.intake", "engine.queries"),
    },
    "engine.idle": {
        *(
            "engine.constants",
            "engine.board",
            "engine.work",
            "engine.signatures",
            "engine.folder_times",
            "engine.transfers",
        ),
        *("engine.look_queue",),
    },
    "engine.router": {
        *(
            "engine.constants",
            "engine.values",
            "engine.board",
            "engine.work",
            "engine.folder_times",
            "engine.peer_losses",
        ),
        *("engine.deltas_out", "engine.uploader", "engine.incoming_moves", "engine.deltas_in", "engine.fetcher"),
        *("engine.bulk_install", "engine.sync_report", "engine.intake", "engine.queries", "engine.decisions"),
    },
    "engine.machines": {"index"} | {f"engine.{name}" for name in MACHINES},
    "engine.engine": {"engine.constants", "engine.values", "engine.machines"},
    "engine": {"engine.values", "engine.engine"},
    "history.undo_plan": {"index"},
    "network.control": set(),
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
    "security.inviting": {"security.frames", "security.keeper", "utils"},
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
        *("disk.handles", "disk.files", "disk.renames", "disk.attributes", "ports"),
    },
    "disk.attributes": {"disk.linux", "disk.unlocked", "disk.handles", "ports"},
    "disk.renames": {
        *("disk.linux", "disk.errors", "disk.stats", "disk.directories", "disk.unlocked", "disk.handles"),
        *("disk.files", "disk.steps", "ports"),
    },
    "disk.steps": {"disk.linux"},
    "disk.files": {"disk.linux", "disk.errors", "disk.stats", "ports"},
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
        *("files.history_store", "files.put_back", "files.replace"),
    },
    "files.metadata": {
        *("ports", "files.outcomes", "files.fingerprints", "files.staging", "files.prepare", "files.replace"),
        *("files.install",),
    },
    "files.move": {
        *("ports", "files.outcomes", "files.fingerprints", "files.staging", "files.put_back", "files.replace"),
        *("files.metadata",),
    },
    "files.unsigned": {"delta", "ports"},
    "files.batches": {
        *("ports", "files.outcomes", "files.fingerprints", "files.staging", "files.prepare", "files.install"),
        *("files.metadata", "files.move", "files.unsigned"),
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
    "files.scanner": {"ports", "files.hashing", "files.fingerprints", "files.growth"},
    "files.recovery": {
        *("ports", "files.hashing", "files.staging", "files.history_store", "files.put_back", "files.growth"),
    },
    "file_sync": {"ports"} | {f"files.{room}" for room in ROOMS} - {"files.growth", "files.outcomes"},
    "folder.state": {"config", "index", "reporting.log"},
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
    "event_handler": set(),
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
    "node": {"network.backpressure", "network.channel", "network.outbox", "network.tcp"},
    "network.throttle": set(),
    "node_manager": {
        *(
            "network.address_policy",
            "network.channel",
            "network.link_table",
            "network.outbox",
            "network.throttle",
            "node",
        ),
    },
    "network.discovery": {"network.networks", "utils"},
    "reporting.narrator": {"reporting.log", "reporting.sentences"},
    "reporting.sentences": {"reporting.log", "reporting.shell"},
    "daemon.inbox": {"node", "node_manager", "network.throttle"},
    "daemon.workers": {"network.throttle"},
    # where all of them meet
    "daemon": set(),
    "daemon.process": {
        "daemon.daemon",
        "daemon.threads",
        "config",
        "disk",
        "reporting.log",
        "folder.root",
        "daemon.signals",
    },
    "daemon.daemon": {
        *("config", "daemon.chores", "daemon.effects", "daemon.inbox", "daemon.links", "daemon.loop", "daemon.mesh"),
        *("daemon.news", "daemon.requests", "daemon.share", "daemon.status", "daemon.threads", "folder.root"),
        *("network.control", "network.discovery", "network.node_id", "network.sealing", "network.throttle"),
        *("node_manager", "reporting.log", "reporting.narrator", "reporting.shell", "security.files", "utils"),
    },
    "daemon.loop": {
        *("daemon.chores", "daemon.effects", "daemon.links", "daemon.news", "daemon.requests", "daemon.share"),
        *("engine", "daemon.inbox", "node_manager"),
    },
    "daemon.chores": {"daemon.effects", "daemon.share", "daemon.inbox", "reporting.narrator"},
    "daemon.effects": {
        *(
            "daemon.links",
            "daemon.requests",
            "daemon.share",
            "file_sync",
            "daemon.inbox",
            "reporting.narrator",
            "network.outbox",
            "folder.state",
        ),
    },
    "daemon.mesh": {
        *("config", "network.control", "security.founding", "security.invitations", "security.inviting"),
        *("security.keeper", "security.listing"),
    },
    "daemon.requests": {
        *("config", "daemon.inbox", "daemon.links", "daemon.mesh", "daemon.news", "daemon.share", "engine"),
        *("history.answers", "history.undo_plan", "index", "network.control"),
    },
    "daemon.status": {"daemon.links", "daemon.share", "config"},
    "daemon.links": {
        *("config", "daemon.share", "engine", "network.node_id", "network.outbox", "node", "node_manager"),
        *("reporting.log", "reporting.shell"),
    },
    "daemon.share": {
        *(
            "daemon.jobs",
            "daemon.threads",
            "config",
            "delta",
            "disk",
            "engine",
            "event_handler",
            "file_sync",
            "daemon.inbox",
        ),
        *("reporting.log", "ports", "network.throttle", "delta.signature_cache", "folder.state"),
    },
    "daemon.jobs": {"daemon.news", "daemon.threads", "file_sync", "daemon.inbox", "network.throttle", "daemon.workers"},
    "daemon.news": {"network.control", "daemon.inbox"},
    "daemon.threads": {"reporting.log"},
    # what people type
    "cli.dialogue": {"cli.parser", "config", "folder.root", "network.control", "reporting.log", "utils"},
    "cli.inviting": {
        *("cli.dialogue", "cli.parser", "config", "folder.state", "network.control", "reporting.log"),
        *("reporting.output", "reporting.shell", "security.alone", "security.files", "security.invitations"),
        *("security.inviting", "security.joining", "security.listing", "security.process"),
    },
    "cli.members": {
        *("cli.dialogue", "config", "network.control", "reporting.log", "reporting.output", "security.alone"),
        *("security.founding", "security.keeper", "security.listing", "security.process"),
    },
    "cli.parser": {"config", "reporting.output", "reporting.shell"},
    "cli.options": {"", "cli.parser", "config", "folder.root", "utils", "reporting.shell"},
    "cli.mesh": {
        *("cli.dialogue", "cli.parser", "config", "folder.state", "reporting.output", "reporting.shell"),
        *("security.files", "security.process", "security.store"),
    },
    "cli.status_words": {"reporting.log", "reporting.shell"},
    "cli.commands": {
        *(
            "cli.dialogue",
            "cli.parser",
            "cli.status_words",
            "config",
            "network.control",
            "reporting.log",
            "reporting.output",
            "folder.root",
            "reporting.shell",
        ),
        *("history.choice", "history.client", "history.words"),
    },
    "cli.entry": {
        *("", "cli.commands", "cli.inviting", "cli.members", "cli.mesh", "cli.options", "config", "daemon.process"),
        *("daemon.signals", "reporting.log", "reporting.output", "reporting.shell"),
    },
    "cli": {"cli.entry"},
}

# Exactly what the modules of core.messages import of core. All others know only the package.
MESSAGES: dict[str, set[str]] = {
    "base": {"wire"},
    "checks": {"limits", "model", "transfers.growth", "wire"},
    "records": {"messages.checks", "limits", "model", "wire"},
    "link": {"frozen", "messages.base", "messages.checks", "limits", "model", "wire"},
    "state": {"frozen", "messages.base", "messages.checks", "messages.records", "limits", "model"},
    "update": {"frozen", "messages.base", "messages.checks", "messages.records", "limits", "model", "wire"},
    "transfer": {"frozen", "messages.base", "messages.checks", "limits", "model", "wire"},
    "history": {"frozen", "messages.base", "messages.checks", "messages.records", "limits", "model"},
    "brake": {"frozen", "messages.base", "messages.checks", "limits"},
}


def module_of(path: Path) -> str:
    """dir_sync/core/wire.py -> "core.wire"; a package is told by its folder, dir_sync itself by ""."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_of(path): ast.parse(path.read_text("utf-8"), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def is_core(module: str) -> bool:
    return module == "core" or module.startswith("core.")


def imports(module: str, tree: ast.AST) -> set[str]:
    """Full names of all that a module imports: "os.path", "dir_sync.core.wire"."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import in line {node.lineno}"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str, tree: ast.AST) -> set[str]:
    """The modules of dir_sync that one imports, by the names of MAY_IMPORT; those that do not exist, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in names if name.removeprefix("dir_sync.") in TREES}
            found |= modules if modules == names else modules | {node.module or ""}
    here = {name.removeprefix("dir_sync").removeprefix(".") for name in found if name.split(".")[0] == "dir_sync"}
    return here - {module}


GRAPH = {module: ours(module, tree) for module, tree in TREES.items()}


@pytest.mark.parametrize("module", TREES)
def test_imports_go_one_way(module: str) -> None:
    if is_core(module):
        strangers = {other for other in GRAPH[module] if not is_core(other)}
        assert not strangers, "core imports only core"
        return
    assert module in MAY_IMPORT, f"dir_sync/{module}.py is not in the table: who may it import?"
    strangers = {other for other in GRAPH[module] if not is_core(other)} - MAY_IMPORT[module]
    assert not strangers, f"dir_sync/{module}.py may not import these"


def test_the_table_holds_no_circle() -> None:
    """What may be imported is an order: each row is reached after the rows that it names."""
    settled: set[str] = set()
    edges = {module: set(row) for module, row in MAY_IMPORT.items()}
    while ready := {module for module, row in edges.items() if row <= settled} - settled:
        settled |= ready
    assert settled == set(edges)


def test_the_table_names_only_modules_and_imports_that_there_are() -> None:
    assert set(MAY_IMPORT) == {module for module in TREES if not is_core(module)}
    unused = {(module, other) for module, row in MAY_IMPORT.items() for other in row - GRAPH[module]}
    assert not unused


def test_messages_are_layered_and_known_as_one_package() -> None:
    inside = {module for module in TREES if module.startswith("core.messages.")}
    found = {module: GRAPH[module] for module in inside}
    assert found == {f"core.messages.{name}": {f"core.{other}" for other in row} for name, row in MESSAGES.items()}
    strangers = {module for module in TREES if GRAPH[module] & inside} - inside
    assert strangers == {"core.messages"}


def test_a_machine_knows_only_those_below_it() -> None:
    for number, machine in enumerate(MACHINES):
        above = {f"engine.{other}" for other in MACHINES[number:]} | {"engine", "engine.engine", "engine.machines"}
        assert not GRAPH[f"engine.{machine}"] & above, machine


def test_a_room_below_file_sync_knows_only_those_below_it() -> None:
    assert {module for module in TREES if module.startswith("files.")} == {f"files.{room}" for room in ROOMS}
    said = re.findall(r"^    (\w+) ", ast.get_docstring(TREES["files"]) or "", re.MULTILINE)
    assert said == ROOMS, "the docstring of the package names them in this order"
    for number, room in enumerate(ROOMS):
        assert not GRAPH[f"files.{room}"] & {f"files.{other}" for other in ROOMS[number:]}, room
    strangers = {module for module in TREES if any(other.startswith("files") for other in GRAPH[module])}
    assert {module for module in strangers if not module.startswith("files.")} == {"file_sync"}


def test_main_reaches_every_module() -> None:
    door = ast.parse((ROOT / "main.py").read_text("utf-8"))
    reached: set[str] = set()
    ahead = ours("main", door)
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead |= GRAPH.get(module, set()) | {module.rpartition(".")[0]}  # a package is imported with its modules
    assert not set(TREES) - reached - {""}, "nobody imports these"
    assert not reached - set(TREES), "these are imported and do not exist"
