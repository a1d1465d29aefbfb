"""Postgres refuses to run as root: which account it gets instead, and where that account can reach its files."""

import hashlib
import logging
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from devstack.launching import Account
from devstack.stack_error import StackError

log = logging.getLogger(__name__)

# Not /var/tmp: its old files are swept away on many systems, and these must stay.
KEPT_FOR_ACCOUNT = Path("/var/lib/earshot")
KEPT_FOR_ACCOUNT_ELSEWHERE = Path("/var/tmp/earshot")  # nosec B108  # noqa: S108 -- owner and mode are checked before use


def account_for(folder: Path) -> Account | None:
    """Whom to run as when we are root: the folder's owner, or nobody. None when we are not root."""
    if os.geteuid() != 0:
        return None
    owner = folder.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _may(account: Account, path: Path, *, want: int) -> bool:
    """want: rwx bits, as in the last digit of a mode."""
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == account.uid:
        return (mode >> 6) & want == want
    if status.st_gid == account.gid:
        return (mode >> 3) & want == want
    return mode & want == want


def may_reach(account: Account, path: Path) -> bool:
    """The account may enter every folder above the path."""
    return all(_may(account, parent, want=0o1) for parent in path.resolve().parents)


def _place_for_accounts() -> Path:
    """A folder of root's that everybody may enter and nobody else may write. Raises: StackError."""
    place = KEPT_FOR_ACCOUNT if KEPT_FOR_ACCOUNT.parent.is_dir() else KEPT_FOR_ACCOUNT_ELSEWHERE
    place.mkdir(mode=0o755, exist_ok=True)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        message = f"{place} should be a folder that only root may write to; remove it, or set DATABASE_URL"
        raise StackError(message)
    place.chmod(0o755)
    return place


def reachable_programs(account: Account | None, tree: Path, *, parts: tuple[str, ...], version: str) -> Path:
    """The tree itself, or a copy of its parts where the account can run them; copied once per version."""
    if account is None or may_reach(account, tree / parts[0] / "x"):
        return tree
    copy = _place_for_accounts() / f"programs-{version}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=copy.parent) as draft:
            for part in parts:
                shutil.copytree(tree / part, Path(draft, "tree", part), symlinks=True)
            Path(draft, "tree").chmod(0o755)
            Path(draft, "tree").rename(copy)
    return copy


def private_folder(account: Account | None, wanted: Path) -> Path:
    """The account's own folder at `wanted` (0700), or where `wanted` links to when the account could not get there.

    A root-owned parent is opened for the account's group to pass through (0710), never to look into.
    """
    if account is None:
        wanted.mkdir(mode=0o700, exist_ok=True)
        return wanted
    if not may_reach(account, wanted.parent):
        _link_elsewhere(account, wanted)
        return wanted.resolve()
    if wanted.parent.stat().st_uid != account.uid:
        os.chown(wanted.parent, -1, account.gid)
        wanted.parent.chmod(0o710)
    wanted.mkdir(mode=0o700, exist_ok=True)
    os.chown(wanted, account.uid, account.gid)
    return wanted


def _link_elsewhere(account: Account, wanted: Path) -> None:
    if wanted.is_symlink() or wanted.exists():
        return
    name = f"data-{hashlib.sha256(str(wanted).encode()).hexdigest()[:16]}-"
    place = _place_for_accounts()
    for old in place.glob(name + "*"):  # never deleted for them: a disk may only be missing
        log.warning("the data of an earlier folder at this path is still in %s; remove it if nobody needs it", old)
    folder = tempfile.mkdtemp(prefix=name, dir=place)
    os.chown(folder, account.uid, account.gid)
    wanted.symlink_to(folder)
