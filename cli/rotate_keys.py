"""`earshot rotate-keys`"""

import argparse
import base64
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from cli.connect import Installation, find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from store.audit_log import COMMAND_LINE, note_deed
from store.key_rotation import SEALED, count_by_key, reseal_batch
from store.secrets import KEY_BYTES, MAX_LIVE_KEYS, SecretError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Without options: seal everything anew with the first key of EARSHOT_KEYS."""
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--count", action="store_true", help="only look: how many secrets are sealed with which key")
    step.add_argument(
        "--new-key", action="store_true", help="put a new key first in DIR/secrets/EARSHOT_KEYS; stop the stack before"
    )
    step.add_argument(
        "--drop-old", action="store_true", help="take the old key out of that file, once nothing needs it"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """0: nothing needs an old key any more, else 1."""
    if options.new_key:
        return _add_key(options.data)
    installation = find_installation(options.data)
    resealed = 0 if options.count or options.drop_old else _reseal(installation)
    with installation.system_transaction() as conn:
        counts = count_by_key(conn)
        if resealed:
            details = {"secrets": resealed, **COMMAND_LINE}
            note_deed(conn, None, by=None, deed="keys_rotated", details=details)
    newest = installation.keyring.keys[0][0]
    old = sum(count for key_id, count in counts.items() if key_id != newest)
    if options.drop_old:
        return _drop_old(options.data, installation, counts)
    if options.json:
        print(json.dumps({"newest": newest, "resealed": resealed, "by_key": dict(counts), "old": old}))
    else:
        for key_id, count in sorted(counts.items()):
            print(f"{key_id}{' (newest)' if key_id == newest else ''}: {count} secrets")
        print(f"{resealed} sealed anew" if not options.count else f"{old} wait for earshot rotate-keys")
    return 1 if old else 0


def _reseal(installation: Installation) -> int:
    """A batch is a transaction: stopped and started again, it goes on where it was."""
    done = 0
    for sealed in SEALED:
        while True:
            try:
                with installation.system_transaction() as conn:
                    batch = reseal_batch(conn, sealed, keyring=installation.keyring)
            except SecretError as error:
                message = f"{error}; {done} were sealed anew before it"
                raise CommandError(message) from None
            if not batch:
                break
            done += batch
    return done


def _keys_file(data_dir: Path) -> Path:
    path = data_dir / "secrets" / "EARSHOT_KEYS"
    if not path.exists():
        message = f"{path} is not there: where you keep EARSHOT_KEYS yourself, put the new key first yourself; see docs/privacy.md"
        raise CommandError(message)
    return path


def _add_key(data_dir: Path) -> int:
    from devstack.private_file import write_private
    from devstack.stack_file import find_stack

    path = _keys_file(data_dir)

    if find_stack(data_dir):
        message = "the stack runs, and its processes know the old key only; stop it, and start it after this"
        raise CommandError(message)
    keys = path.read_text(encoding="utf-8").strip().split(",")
    if len(keys) >= MAX_LIVE_KEYS:
        message = f"{path} holds {MAX_LIVE_KEYS} keys already; earshot rotate-keys, then --drop-old"
        raise CommandError(message)
    numbers = [int(found[1]) for key in keys if (found := re.match(r"k(\d+):", key))]
    new = f"k{max(numbers, default=1) + 1}:" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    write_private(path, ",".join([new, *keys]) + "\n")
    print("a new key stands first. Next: earshot up, then earshot rotate-keys")
    return 0


def _drop_old(data_dir: Path, installation: Installation, counts: Mapping[str, int]) -> int:
    from devstack.private_file import write_private

    path, newest = _keys_file(data_dir), installation.keyring.keys[0][0]
    left = {key_id: count for key_id, count in counts.items() if key_id != newest}
    if left:
        message = (
            f"{sum(left.values())} secrets are still sealed with {', '.join(sorted(left))}: earshot rotate-keys first"
        )
        raise CommandError(message)
    write_private(path, path.read_text(encoding="utf-8").strip().split(",")[0] + "\n")
    print(f"only {newest} is left; processes forget the old key when they start again")
    return 0
