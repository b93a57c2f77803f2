"""The command ``web``: the pages for a browser.

In:   the words after the command. Out: the address to open, on stdout; then it serves until a signal comes.
"""

from __future__ import annotations

from dir_sync import config
from dir_sync.cli.dialogue import address_of
from dir_sync.cli.parser import Parser, checked
from dir_sync.config import ConfigError
from dir_sync.reporting.output import finish, say

__all__ = ["web"]

_PORT = 8420
_MORE = """\
examples:
  {program} web
  {program} web --open
  {program} web --port 0 --token-file ~/.config/dir_sync/web-token

The address that it prints contains a token: who has it can do what you can
do. From another machine, reach it through SSH:
  ssh -L 8420:127.0.0.1:8420 you@machine
"""


def web(argv: list[str]) -> int:
    """``web``: pages for a browser, about all folders that this user shares from this machine."""
    parser = Parser(
        "web",
        "Show all folders that you share from this machine in a browser: what is going on, the history of each file, "
        "conflicts, held changes, members, rules and settings. It is a process of its own, and asks the nodes that run.",
        _MORE,
        "web --open",
    )
    parser.add_argument("--port", metavar="PORT", type=checked(_port), default=_PORT,
                        help="TCP port for the browser; 0: any that is free (default: %(default)s)")  # fmt: skip
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.add_argument("--address", metavar="ADDRESS|NAME", type=checked(config.checked_name), default="127.0.0.1",
                        help="listen on this address or network interface (default: this machine only, 127.0.0.1). "
                        "Nothing is encrypted, so use others in networks that you trust, or in a container")  # fmt: skip
    parser.add_argument("--token-file", metavar="FILE",
                        help="the token is in FILE, and stays the same at each start; FILE is made if there is none "
                        "(default: a new token at each start)")  # fmt: skip
    parser.add_argument("-h", "--help", action="help", help="print this help and exit")
    given = parser.parse_args(argv)
    address = given.address if given.address in ("127.0.0.1", "::1", "0.0.0.0", "::") else address_of(given.address)
    from dir_sync.web.serve import Place, read_token, serve

    token = "" if given.token_file is None else read_token(given.token_file)
    serve(Place(address, given.port, token, given.open), _say)
    return config.OK


def _say(url: str) -> None:
    say(f"open {url}  (Ctrl-C ends it)")
    finish()


def _port(text: str) -> int:
    if text == "0":
        return 0
    try:
        return config.checked_port(text)
    except ConfigError:
        raise ConfigError(f"'{text}' is not a port (1-{config.PORT_MAX}, or 0)", config.USAGE) from None
