"""The program, once its Python has all that it needs: ``python -m dir_sync``, and the console script ``dir-sync``.

In: sys.argv. Out: an exit code. It may import `cli`, and the signals that end a node. Who calls it: the entry point of the
installed package (pyproject.toml), and main.py, which finds a Python with the packages first.
"""

import gc
import sys

__all__ = ["main"]


def main() -> int:
    """Run one command with the words that the user typed. Returns its exit code."""
    gc.disable()  # what imports make stays: to look for garbage among it took a tenth of the start
    try:
        from dir_sync import cli
        from dir_sync.daemon import signals

        code = cli.main(sys.argv[1:])
        signals.ignore()
        return code
    except KeyboardInterrupt:  # before there is anything to end
        return 130


if __name__ == "__main__":
    sys.exit(main())
