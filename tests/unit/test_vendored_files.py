"""What the console serves that was written elsewhere is what its list says, byte for byte."""

import base64
import hashlib

from tests.conftest import ROOT

VENDOR = ROOT / "console/static/vendor"
COLUMNS = ("file", "package", "version", "licence", "licence file", "from", "sha384")


def listed():
    lines = (VENDOR / "VENDOR.txt").read_text().split("\n\n", 1)[1].splitlines()[1:]
    return [dict(zip(COLUMNS, line.split(), strict=True)) for line in lines if line]


def test_each_file_has_the_hash_and_the_licence_of_the_list():
    assert listed()
    for one in listed():
        content = (VENDOR / one["file"]).read_bytes()
        assert base64.b64encode(hashlib.sha384(content).digest()).decode() == one["sha384"], one["file"]
        assert one["version"] in one["file"]
        assert one["licence"] in (VENDOR / one["licence file"]).read_text()


def test_no_file_lies_there_unlisted():
    names = {one["file"] for one in listed()} | {one["licence file"] for one in listed()} | {"VENDOR.txt"}
    assert {path.name for path in VENDOR.iterdir()} == names
