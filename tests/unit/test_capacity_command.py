"""`earshot capacity`: what it prints, and what it says to input that it can't use."""

import json
from importlib.resources import files

import pytest

from cli.main import main

ASKED = ("--messages-per-day", "5M", "--latency", "1.5")


@pytest.fixture
def call(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["capacity", *arguments])
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def changed(tmp_path, **changes):
    document = json.loads((files("cli") / "capacity_measured.json").read_text())
    file = tmp_path / "figures.json"
    file.write_text(json.dumps({**document, **changes}))
    return file


def test_a_plan_says_everything_that_has_to_be_bought(call):
    code, out, err = call(*ASKED)
    assert (code, err) == (0, "")
    for words in (
        "5M messages a day", "calls in flight", "Little's law", "analyze", "receiver", "stages", "delivery", "crm", "cores",
        "connections", "commits/s", "WAL", "a month", "after 400 days", "Redis", "commands/s", "AI provider", "requests/min",
        "What gives out first", "docs/capacity.md", "benchmarks.capacity_constants",
    ):  # fmt: skip
        assert words in out, words


def test_json_holds_the_same_figures(call):
    code, out, _ = call(*ASKED, "--json")
    plan = json.loads(out)
    assert code == 0
    assert plan["calls_in_flight"] == pytest.approx(5e6 / 86_400 * 3 * 1.03 * 1.5)
    assert {one["kind"] for one in plan["processes"]} >= {"receiver", "analyze", "stages", "delivery", "crm"}
    assert plan["limits"] and plan["provider"]["usd_per_month"] > 0 and plan["cells"] >= 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("200k", 2e5),
        ("5M", 5e6),
        ("1B", 1e9),
        ("1.5m", 1.5e6),
        ("5,000,000", 5e6),
        ("1_000", 1e3),
        ("7", 7),
        ("2 k", 2e3),
    ],
)
def test_numbers_are_written_as_people_write_them(call, text, number):
    _, out, _ = call("--messages-per-day", text, "--latency", "1.5", "--json")
    assert json.loads(out)["demand"]["messages_per_day"] == number


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        ("--messages-per-day", "0", "between 1 and 1B"),
        ("--messages-per-day", "-5", "200k, 5M or 1B"),
        ("--messages-per-day", "5X", "200k, 5M or 1B"),
        ("--messages-per-day", "nan", "200k, 5M or 1B"),
        ("--messages-per-day", "1e9", "200k, 5M or 1B"),
        ("--messages-per-day", "", "200k, 5M or 1B"),
        ("--messages-per-day", "١٠٠", "200k, 5M or 1B"),
        ("--messages-per-day", "1.001B", "several installations"),
        ("--messages-per-day", "9" * 500, "200k, 5M or 1B"),
        ("--latency", "0", "above 0"),
        ("--latency", "-1", "above 0"),
        ("--latency", "121", "at most 120"),
        ("--latency", "fast", "seconds"),
        ("--peak-factor", "0.5", "1 or more"),
        ("--tenants", "0", "1 or more"),
        ("--tenants", "1.5", "whole number"),
        ("--cache-hit-rate", "95", "at most 1"),
        ("--read-again", "-0.1", "0 or more"),
        ("--avg-chars", "0", "1 or more"),
        ("--avg-chars", "5000", "at most 4096"),
        ("--retention-days", "0", "1 or more"),
        ("--model", "gpt", "claude-haiku-5-5"),
        ("--stronger-model", "", "claude-haiku-5-5"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_fix(call, option, value, fix):
    given = {"--messages-per-day": "5M", "--latency": "1.5", option: value}
    code, out, err = call(*(f"{name}={text}" for name, text in given.items()))
    assert (code, out) == (2, "")
    assert option in err and fix in err


@pytest.mark.parametrize("given", [ASKED[:2], ASKED[2:]])
def test_what_is_missing_is_named(call, given):
    code, _, err = call(*given)
    assert code == 2
    assert "required" in err


def test_other_figures_make_another_plan(call, tmp_path):
    file = changed(tmp_path, wal_bytes_per_message=1e6)
    plans = [json.loads(call(*ASKED, "--json", *more)[1]) for more in ((), ("--measured", str(file)))]
    assert plans[1]["postgres"]["wal_gb_per_day"] > 5 * plans[0]["postgres"]["wal_gb_per_day"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"wal_bytes_per_message": -1}, "wal_bytes_per_message"),
        ({"wal_bytes_per_message": "many"}, "wal_bytes_per_message"),
        ({"cpu_ms_per_message": {"analyze": 1}}, "cpu_ms_per_message.receiver"),
        ({"upkeep_ms_per_message": {}}, "upkeep_ms_per_message.hour_account"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_file_of_figures_that_is_not_whole_is_refused(call, tmp_path, changes, word):
    code, out, err = call(*ASKED, "--measured", str(changed(tmp_path, **changes)))
    assert (code, out) == (1, "")
    assert "--measured" in err and word in err and "benchmarks.capacity_constants" in err


def test_a_file_that_is_none_is_refused(call, tmp_path):
    file = tmp_path / "figures.json"
    file.write_text("5M")
    assert "not usable" in call(*ASKED, "--measured", str(file))[2]
    file.write_text("{")
    assert "no JSON" in call(*ASKED, "--measured", str(file))[2]
    file.write_bytes(b"\xff\xfe")
    assert "no JSON" in call(*ASKED, "--measured", str(file))[2]
    assert "cannot be read" in call(*ASKED, "--measured", str(tmp_path / "none.json"))[2]
    assert "cannot be read" in call(*ASKED, "--measured", str(tmp_path))[2]
