"""Private files of closed meshes: nobody else may read them, and no link leads to another one.

In:   the names of files in the user's state folder, a file that the user named, a shared folder. Out: bytes, or ConfigError.
Rule: what others could read or replace is not used: the command ends with the line that mends it. Whoever cannot tell
      whether a folder is closed takes it for closed.
It imports no cryptography: this is all that an open node needs to know that it is open.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from blake3 import blake3

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.model import show, show_text
from dir_sync.folder import user_state
from dir_sync.reporting import shell

__all__ = [
    "IDENTITY",
    "create_file",
    "is_closed",
    "keep_first",
    "keys_folder",
    "marker_of",
    "name_for",
    "read_given",
    "read_kept",
    "remove_kept",
    "remove_marker",
    "write_kept",
    "write_marker",
]

IDENTITY = "identity"

_KEYS = "keys"
_MARKER = b"/" + limits.RESERVED_NAME + b"/closed"
_BYTES_MAX = 4 * limits.MIB  # of such a file: twice 1,024 members with long names, as JSON in ASCII, are 2 MiB
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRETS = "/run/secrets/"  # where Docker and Podman mount them, for reading only


def is_closed(folder: str) -> bool:
    """True if this folder (a real path) belongs to a closed mesh, as far as anything here says so."""
    if marker_of(folder) is not None:
        return True
    with keys_folder() as keys:
        return keys is not None and _is_in(keys, name_for(folder))


def name_for(folder: str) -> str:
    """Of the file that is kept for a folder (a real path)."""
    return blake3(os.fsencode(folder)).hexdigest(length=8) + ".json"


# --- the user's state folder ---------------------------------------------------------------------------------------------


@contextmanager
def keys_folder(create: bool = False) -> Iterator[int | None]:
    """A handle of the folder with all that is kept; None if there is none. ConfigError if others can reach into it."""
    path = user_state.state_path(_KEYS)
    if create:
        _make(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if not create and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES) and not _is_ours(path):
            handle = -1
        else:
            raise ConfigError(_no_folder(path, error)) from error
    if handle < 0:
        yield None
        return
    try:
        _check_private(path, os.fstat(handle), "700")
        yield handle
    finally:
        os.close(handle)


def read_kept(keys: int, name: str) -> bytes | None:
    """What a file in that folder holds; None if it is not there. ConfigError if it cannot be trusted."""
    path = os.path.join(user_state.state_path(_KEYS), name)
    return _read(name, path, keys, may_be_roots=False)


def write_kept(keys: int, name: str, data: bytes) -> None:
    """Replace that file in one step. ConfigError."""
    try:
        _replace(name, data, keys)
    except OSError as error:
        path = os.path.join(user_state.state_path(_KEYS), name)
        raise ConfigError(f"the key cannot be kept in {_shown(path)}: {error.strerror}") from error


def keep_first(keys: int, name: str, data: bytes) -> None:
    """Make that file, unless somebody else has made it meanwhile. ConfigError."""
    new = f"{name}.{os.getpid()}"
    try:
        _create(new, data, keys)
        try:
            os.link(new, name, src_dir_fd=keys, dst_dir_fd=keys, follow_symlinks=False)
        except FileExistsError:
            pass
        finally:
            os.unlink(new, dir_fd=keys)
        os.fsync(keys)
    except OSError as error:
        path = os.path.join(user_state.state_path(_KEYS), name)
        raise ConfigError(f"{_shown(path)} cannot be written: {error.strerror}") from error


def remove_kept(keys: int, name: str) -> None:
    """Whatever it is; nothing happens if it is not there. ConfigError."""
    try:
        os.unlink(name, dir_fd=keys)
        os.fsync(keys)
    except FileNotFoundError:
        pass
    except OSError as error:
        path = os.path.join(user_state.state_path(_KEYS), name)
        raise ConfigError(f"{_shown(path)} cannot be removed: {error.strerror}") from error


# --- files that the user names -------------------------------------------------------------------------------------------


def read_given(path: str) -> bytes:
    """What a key file holds that the user named. It may be root's, as those are that systemd hands over. ConfigError."""
    data = _read(path, path, None, may_be_roots=True)
    if data is None:
        raise ConfigError(f"{_shown(path)}: there is no such file")
    return data


def create_file(path: str, data: bytes) -> None:
    """A new private file, in one piece or not at all. ConfigError if there is anything of that name."""
    try:
        _create(path, data, None)
    except FileExistsError:
        raise ConfigError(
            f"{_shown(path)} exists already, and a key is never overwritten: choose another name"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{_shown(path)} cannot be written: {getattr(error, 'strerror', None) or error}") from error


# --- the mark in the shared folder ---------------------------------------------------------------------------------------


def marker_of(folder: str) -> str | None:
    """The fingerprint of the key to which the folder belongs; "" if that cannot be read; None: the folder has no mark."""
    path = os.fsencode(folder) + _MARKER
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return ""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        text = os.read(handle, 64).decode("ascii", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(handle)
    return text if text.isprintable() else ""


def write_marker(folder: str, fingerprint: str) -> None:
    """Mark the folder, whose lock is held, as closed. ConfigError."""
    if marker_of(folder) == fingerprint:
        return
    path = os.fsencode(folder) + _MARKER
    try:
        parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _replace(os.path.basename(os.fsdecode(path)), fingerprint.encode("ascii") + b"\n", parent)
        finally:
            os.close(parent)
    except OSError as error:
        raise ConfigError(f"{show(path)} cannot be written: {error.strerror}") from error


def remove_marker(folder: str) -> None:
    """Nothing happens if there is none. ConfigError."""
    path = os.fsencode(folder) + _MARKER
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ConfigError(f"{show(path)} cannot be removed: {error.strerror}") from error


# --- parts of these ------------------------------------------------------------------------------------------------------


def _read(name: str, path: str, folder: int | None, may_be_roots: bool) -> bytes | None:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            raise ConfigError(f"{_shown(path)} is a symbolic link, and a key is only read from a file itself") from None
        raise ConfigError(f"{_shown(path)} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{_shown(path)} is not a file")
        _check_private(path, found, "600", may_be_roots)
        data = b""
        while len(data) <= _BYTES_MAX and (more := os.read(handle, _BYTES_MAX)):
            data += more
    except OSError as error:
        raise ConfigError(f"{_shown(path)} cannot be read: {error.strerror}") from error
    finally:
        os.close(handle)
    if len(data) > _BYTES_MAX:
        raise ConfigError(f"{_shown(path)} is too large for a key")
    return data


def _check_private(path: str, found: os.stat_result, mode: str, may_be_roots: bool = False) -> None:
    """ConfigError if it is another user's, or others may read or change it."""
    others = found.st_mode & _OTHERS
    is_ours = found.st_uid == os.geteuid()
    if not is_ours and not may_be_roots:
        raise ConfigError(f"{_shown(path)} belongs to another user (HOME and XDG_STATE_HOME say where keys are kept)")
    if not is_ours and found.st_uid != 0:
        raise ConfigError(
            f"{_shown(path)} belongs to another user: a key file belongs to the user who runs the node, or to root"
        )
    if not is_ours:
        others &= (
            ~stat.S_IRGRP
        )  # root lets this user read it by its group, or by an ACL, which shows as the group's right
    if not others:
        return
    mend = f"to keep it private: chmod {mode} {shell.quoted(path)}"
    if not is_ours or path.startswith(_SECRETS):
        mend = "it needs mode 0400 and the user who runs the node as its owner; a secret of a container is mounted so"
    raise ConfigError(f"{_shown(path)} can be read or changed by other users of this machine; {mend}")


def _replace(name: str, data: bytes, folder: int) -> None:
    """Replace that file in one step, and sync it. OSError."""
    new = f"{name}.new"
    try:
        os.unlink(new, dir_fd=folder)  # a crash has left it
    except FileNotFoundError:
        pass
    _create(new, data, folder)
    os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _create(path: str, data: bytes, folder: int | None) -> None:
    """OSError; then there is no such file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o600, dir_fd=folder)
    try:
        os.fchmod(handle, 0o600)  # whatever the umask takes away
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    except OSError:
        os.unlink(path, dir_fd=folder)
        raise
    finally:
        os.close(handle)


def _make(path: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        try:
            os.mkdir(path, 0o700)
            os.chmod(path, 0o700)  # whatever the umask takes away
        except FileExistsError:
            pass
    except OSError as error:
        raise ConfigError(_no_folder(path, error)) from error


def _no_folder(path: str, error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR) and os.path.islink(path):
        return f"{_shown(path)} is a symbolic link, and keys are only kept in a folder itself"
    return f"the folder for keys, {_shown(path)}, cannot be used: {error.strerror} (HOME and XDG_STATE_HOME say where it is)"


def _is_ours(path: str) -> bool:
    """True if something that belongs to this user is in the way to `path`, or is there: then it cannot be told what is there.
    What cannot be seen because it is another user's is nothing of ours."""
    while True:
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            if path == os.path.dirname(path):
                return False
            path = os.path.dirname(path)
            continue
        return found.st_uid == os.geteuid()


def _is_in(keys: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=keys)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # it cannot be told
    return True


def _shown(path: str) -> str:
    return show(os.fsencode(path)) if "\0" not in path else show_text(path)
