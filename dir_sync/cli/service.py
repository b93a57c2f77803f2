"""The command ``service``: a node that is started at each boot, by systemd, OpenRC or cron.

In:   the words after the command. Out: lines on stdout or one JSON object, an exit code, and the file of a service.
Rule: what is installed is found again by the folder alone, also when that is gone. Where something fails, the line says what was
done and what is left to do.
Used by: entry.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex

from blake3 import blake3

from dir_sync import config
from dir_sync.cli import crontab
from dir_sync.cli.absolute import FOR_ONE_START, Words, add_node_words, here, of_typed, without
from dir_sync.cli.asked import Asked, read_asked
from dir_sync.cli.background import Done, ends, owner_against, started, writer_against
from dir_sync.cli.boot_files import Service, cron_line, openrc_script, unit
from dir_sync.cli.kept_options import not_in, with_typed
from dir_sync.cli.options import KEY_FILE
from dir_sync.cli.parser import Parser, examples_of
from dir_sync.cli.results import hint, tell
from dir_sync.cli.running_nodes import node_of, node_of_file, output_of, systemctl, words_of
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.folder.user_state import state_path
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import listed

__all__ = ["service"]

_ACTIONS = ("install", "remove", "status")
_OWN = ("system", "user", "print", "json")
_SYSTEMD = "/run/systemd/system"
_SYSTEM_UNITS = "/etc/systemd/system"
_OPENRC = "/sbin/openrc-run"
_INIT_SCRIPTS = "/etc/init.d"
_LOW_PORTS = 1024
_BY = {"systemd": "systemd", "user": "systemd of the user", "openrc": "openrc", "cron": "cron"}


class _Init(NamedTuple):
    """Where services are: "systemd", "user" (systemd of this user), "openrc" or "cron"."""

    kind: str
    folder: str = ""

    def path(self, name: str) -> str:
        return os.path.join(self.folder, f"{name}.service" if self.kind in ("systemd", "user") else name)


def service(argv: list[str]) -> int:
    """``service install|remove|status DIR``."""
    parser = Parser(
        "service",
        "Let a node for DIR start at each boot, with the options of a node that are given. systemd does it: as a service of "
        "this user, or, for root and with --system, of the machine. Without systemd, OpenRC (for root) or a line of cron does"
        " it.",
        examples_of(
            "service install ~/shared",
            "service status ~/shared",
            "service remove ~/shared",
            "service install ~/shared --limit-up 2M --print",
        ),
        "service install ~/shared",
        "service install|remove|status DIR... [options of a node]",
    )
    basic = add_node_words(parser, "the folders to share")
    basic.add_argument("--system", action="store_true", help="a service of the machine (needs root)")
    basic.add_argument("--user", metavar="NAME", help="whose node the machine starts (default: the owner of DIR)")
    basic.add_argument("--print", action="store_true", help="print what would be installed, and do nothing")
    basic.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    action, argv = (argv[0], argv[1:]) if argv and argv[0] in _ACTIONS else ("", argv)
    given = parser.parse_args(argv)
    if not action and not given.folders:
        parser.error("the following arguments are required: DIR")
    if not action:
        raise ConfigError(f"service takes {', '.join(_ACTIONS[:-1])} or {_ACTIONS[-1]} as its first word", config.USAGE)
    init = _init(bool(given.system or given.user) or os.geteuid() == 0)
    if init.kind == "cron" and (given.system or given.user):
        raise ConfigError(
            "there is neither systemd nor OpenRC here, and cron starts a node only for the user whose crontab it is: run this as"
            f" {given.user or 'that user'}, without --system and --user",
            config.USAGE,
        )
    if (given.system or given.user) and os.geteuid() != 0 and not given.print:
        raise ConfigError("a service of the machine needs root: run this with sudo")
    words = of_typed(parser, argv, here(), _OWN)
    code = config.OK
    if action == "install":
        done = _install(init, words, given.user or "", given.print)
    elif action == "remove":
        done = _remove(init, _name(words), words)
    else:
        done, code = _status(init, _name(words), words)
    tell(given.json, {"action": action, "by": _BY[init.kind], **done.answer}, done.lines)
    return code


def _init(is_system: bool) -> _Init:
    if os.path.isdir(_SYSTEMD):
        return _Init("systemd", _SYSTEM_UNITS) if is_system else _Init("user", _user_units())
    if is_system and os.path.exists(_OPENRC):
        return _Init("openrc", _INIT_SCRIPTS)
    return _Init("cron")


def _user_units() -> str:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.config"), "systemd", "user")


def _name(words: Words) -> str:
    """The name of the service: it follows from the first folder, or the configuration file, alone."""
    path = os.path.realpath(_file(words) or words.paths[0])
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", os.path.splitext(os.path.basename(path))[0]).strip("-")[:40]
    return f"dir-sync-{slug or 'node'}-{blake3(os.fsencode(path)).hexdigest(length=3)}"


def _file(words: Words) -> str:
    """The configuration file; "": the folders were named."""
    return words.options.get("config", [""])[0].partition("=")[2]


# --- install ----------------------------------------------------------------------------------------------------------


def _install(init: _Init, words: Words, user: str, only_print: bool) -> Done:
    if FOR_ONE_START & words.options.keys():
        raise ConfigError("--join and --new are for one start: join first, then install the service", config.USAGE)
    if KEY_FILE in os.environ and os.environ[KEY_FILE] and "config" not in words.options:
        words.options.setdefault("key_file", [f"--key-file={os.path.abspath(os.environ[KEY_FILE])}"])
    made = _service(init, words, asked := read_asked(words.line), user)
    if init.kind in ("cron", "user"):
        _check_rights(asked)
    for line in _options_given_up(made):
        hint(line)
    if init.kind == "cron":
        _check_cron(made)
    if not only_print:
        _check_others(made)
    text = {"openrc": openrc_script, "cron": cron_line}.get(init.kind, unit)(made)
    if only_print:
        return Done({"file": None, "text": text}, (text.rstrip("\n"),))
    if init.kind == "cron":
        return _install_cron(made, text)
    os.makedirs(init.folder, 0o755, exist_ok=True)
    _make_state(made)
    path = init.path(made.name)
    _write(path, text, 0o755 if init.kind == "openrc" else 0o644)
    stopped = _end_others(made)
    try:
        if init.kind == "openrc":
            output_of("rc-update", "add", made.name, "default")
            output_of("rc-service", made.name, "restart")
        else:
            is_user = init.kind == "user"
            systemctl("daemon-reload", is_user=is_user)
            systemctl("enable", f"{made.name}.service", is_user=is_user)
            systemctl("restart", f"{made.name}.service", is_user=is_user)  # it returns when the node is ready
    except ConfigError as error:
        raise ConfigError(f"{show(os.fsencode(path))} is written, but the service does not run: {error}") from None
    shown = show(os.fsencode(path))
    lines = [*stopped, f"installed, and running: {shown}"]
    command = _linger() if init.kind == "user" else ""
    if command:
        lines.append(
            f"it ends when you log out, and starts when you log in; for the time between and for each boot: {command}"
        )
    return Done({"file": shown, "left_to_do": command or None}, tuple(lines))


def _service(init: _Init, words: Words, asked: Asked, user: str) -> Service:
    configs = asked.configs
    state, folders = os.path.dirname(state_path("x")), [one.folder for one in configs]
    if init.kind in ("systemd", "openrc"):
        try:
            owner = pwd.getpwnam(user) if user else pwd.getpwuid(os.stat(asked.file or folders[0]).st_uid)
        except KeyError:
            raise ConfigError(f"there is no such user: {user or 'the owner of DIR'}; name one with --user") from None
        user = owner.pw_name
        if owner.pw_uid != os.geteuid():
            state = os.path.join(owner.pw_dir, ".local", "state", "dir_sync")
    else:
        user = ""
    is_low = min(configs[0].listen_port, configs[0].broadcast_port) < _LOW_PORTS
    return Service(_name(words), shell.again(), words, folders, state, asked.file, user, is_low)


def _make_state(made: Service) -> None:
    """The state folder has to be there before systemd lets the node write to it, and belongs to the user of the node."""
    path, missing = made.state, []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for path in reversed(missing):
        os.mkdir(path, 0o700)
        if made.user:
            owner = pwd.getpwnam(made.user)
            os.chown(path, owner.pw_uid, owner.pw_gid)


def _end_others(made: Service) -> list[str]:
    """A node that was started in another way has the folder; two cannot have it. What was ended, for people."""
    lines = []
    for folder in made.folders:
        node = node_of(folder)
        if node is not None and node.unit != f"{made.name}.service":
            ends(node)
            shown = show(os.fsencode(folder))
            lines.append(f"stopped: process {node.number}, which shared {shown}: the service does that now")
    return lines


def _check_rights(asked: Asked) -> None:
    """ConfigError if no node of this user could ever share one of the folders."""
    for one in asked.configs:
        if against := owner_against(one) or writer_against(one):
            raise ConfigError(against)


def _check_others(made: Service) -> None:
    """ConfigError if a node has to be ended for the service, and shares folders that the service would not share."""
    named = set(made.folders)
    of_file = node_of_file(made.file) if made.file else None  # it follows its file, whatever that names now
    for folder in made.folders:
        node = node_of(folder)
        if node is None or node.unit == f"{made.name}.service":
            continue
        if of_file is not None and of_file.number == node.number:
            continue
        if more := [one for one in node.folders if one not in named]:
            shown = listed([show(os.fsencode(one)) for one in more])
            raise ConfigError(
                f"process {node.number} also shares {shown}, and would be ended: name all its folders for the service, or end it"
                f" first: {shell.command('stop', *node.folders)}"
            )


def _options_given_up(made: Service) -> list[str]:
    """What the nodes that the service takes the place of were told, and the service is not: a line for each. For people."""
    nodes = {}
    for folder in made.folders:
        try:
            node = node_of(folder)
            if node is not None and node.unit != f"{made.name}.service":
                nodes[node.number] = node, without(words_of(node), FOR_ONE_START | {"log_file"})
        except ConfigError:  # another program has the folder, or its words cannot be seen
            continue
    lines = []
    for node, before in nodes.values():
        if lost := not_in(made.words, before):
            with_them = shell.command("service", "install", *with_typed(before, made.words, node.folders).words.line)
            told = f"the node that runs (process {node.number}) has {' '.join(lost)}, which the service does not get"
            lines.append(f"{told}; with all of it: {with_them}")
    return lines


def _linger() -> str:
    """Let this user's services run without a login. What is left to do, as a command; "": nothing."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    if os.path.exists(f"/var/lib/systemd/linger/{name}"):
        return ""
    try:
        output_of("loginctl", "--no-ask-password", "enable-linger")
    except ConfigError:
        return f"sudo loginctl enable-linger {shlex.quote(name)}"
    return ""


def _check_cron(made: Service) -> None:
    """ConfigError if there is no cron."""
    if not crontab.has_cron():
        raise ConfigError(
            "there is neither systemd nor OpenRC nor cron here: let your system run this at each boot:"
            f" {shlex.join([*made.program, 'start', *made.words.line])}"
        )


def _install_cron(made: Service, line: str) -> Done:
    crontab.add(made.name, line)
    told = "installed as a line of your crontab, for each boot"
    try:
        stopped = _end_others(made)
        done = started(made.words)
    except ConfigError as error:
        raise ConfigError(f"{told}; but now: {error}", error.exit_code) from None
    return Done({"file": None, "left_to_do": None}, (told, *stopped, *done.lines))


# --- remove, status ---------------------------------------------------------------------------------------------------


def _remove(init: _Init, name: str, words: Words) -> Done:
    if init.kind == "cron":
        if not crontab.has_cron() or not crontab.remove(name):
            raise ConfigError(_none_of_cron(words))
        told = "removed from your crontab"
        try:
            return Done({"file": None}, (told, *_end_own(words)))
        except ConfigError as error:
            raise ConfigError(f"{told}; but now: {error}", error.exit_code) from None
    path = init.path(name)
    if not os.path.exists(path):
        raise ConfigError(_none(words))
    if init.kind == "openrc":
        output_of("rc-service", "--ifstarted", name, "stop")
        output_of("rc-update", "delete", name)
        os.unlink(path)
    else:
        is_user = init.kind == "user"
        systemctl("disable", "--now", f"{name}.service", is_user=is_user)
        os.unlink(path)
        systemctl("daemon-reload", is_user=is_user)
    shown = show(os.fsencode(path))
    return Done({"file": shown}, (f"removed: {shown}",))


def _status(init: _Init, name: str, words: Words) -> tuple[Done, int]:
    path = init.path(name) if init.kind != "cron" else ""
    if init.kind == "cron":
        if not crontab.has_cron() or not crontab.has_line(name):
            raise ConfigError(_none_of_cron(words))
    elif not os.path.exists(path):
        raise ConfigError(_none(words))
    shown = show(os.fsencode(path)) if path else None
    lines = [f"installed: {shown or 'a line of your crontab'}"]
    if init.kind in ("systemd", "user"):
        about = systemctl("show", "--property=ActiveState,UnitFileState,StatusText", f"{name}.service",
                          is_user=init.kind == "user")  # fmt: skip
        found = dict(line.partition("=")[::2] for line in about.splitlines())
        is_on = found.get("UnitFileState") == "enabled"
        state, text = found.get("ActiveState", "unknown"), found.get("StatusText", "")
        runs = state in ("active", "reloading")
        lines += [f"at each boot: {'yes' if is_on else 'no'}", f"now: {state}" + (f" ({text})" if text else "")]
    else:
        is_on = True
        runs = bool(words.paths) and all(node_of(os.path.realpath(one)) is not None for one in words.paths)
        state = "active" if runs else "no node runs"
        lines.append(f"now: {state}")
    is_fine = runs or (init.kind not in ("systemd", "user") and not words.paths)
    answer: Answer = {"file": shown, "at_boot": is_on, "state": state, "runs": runs}
    return Done(answer, tuple(lines)), config.OK if is_fine else config.UNFINISHED


def _none(words: Words) -> str:
    named = " and ".join(show(os.fsencode(one)) for one in words.folders) or "that configuration file"
    return f"no service is installed for {named}; to install one: {shell.command('service', 'install', *words.line)}"


def _none_of_cron(words: Words) -> str:
    """Without cron, nothing can be installed in it."""
    lacking = "" if crontab.has_cron() else "; but there is neither systemd nor OpenRC nor cron here"
    return _none(words) + lacking


def _end_own(words: Words) -> list[str]:
    """End the node that the line of cron, or its installation, started; one in a terminal is its user's. For people."""
    file = _file(words)
    nodes = [node_of_file(file)] if file else [node_of(os.path.realpath(one)) for one in words.paths]
    lines = []
    for node in {one.number: one for one in nodes if one is not None}.values():
        if node.process.ends_with_terminal:
            lines.append(f"process {node.number} runs in a terminal, and goes on until that is closed")
        else:
            ends(node)
            lines.append(f"stopped: process {node.number}")
    return lines


def _write(path: str, text: str, mode: int) -> None:
    try:
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", mode)
        os.replace(path + ".new", path)
    except OSError as error:
        raise ConfigError(f"{show(os.fsencode(path))} cannot be written: {error.strerror}") from None
