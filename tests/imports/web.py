"""Rows of the import table: what each module of the web pages may import."""

from __future__ import annotations

WEB: dict[str, set[str]] = {
    "web": set(),
    "web.door": set(),
    "web.stream": set(),
    "web.nodes": {"cli.dialogue", "config", "folder.root", "network.control", "reporting.shell"},
    "web.replies": {"config", "network.control", "web.nodes"},
    "web.sampling": {"network.control", "web.nodes", "web.stream"},
    "web.routes": set(),
    "web.routes.overview": {"config", "folder.pauses", "network.control", "web.replies"},
    "web.routes.metrics": {"reporting.prometheus", "web.replies"},
    "web.app": {"web.door", "web.nodes", "web.routes.metrics", "web.routes.overview", "web.sampling", "web.stream"},
    "web.serve": {"config", "web.app", "web.door", "web.nodes"},
    "cli.webbing": {"cli.dialogue", "cli.parser", "config", "reporting.output", "web.serve"},
}
