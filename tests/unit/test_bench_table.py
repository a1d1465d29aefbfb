"""The table of `make bench`: what it says of limits, where it is written, and that the page has the place."""

import base64
import json
from pathlib import Path

import pytest

from benchmarks.figures import Row, at_least, at_most, number, ratios, spread, times
from benchmarks.gunicorn_process import receiver_command
from benchmarks.last_run import last_run, note_run
from benchmarks.load_sender import is_whole, make_requests
from benchmarks.queue_delay import copies
from benchmarks.table import BEGIN, END, PAGE, Run, Section, put_between_marks, render

ROOT = Path(__file__).parent.parent.parent


def test_a_limit_is_compared_with_the_unrounded_figure():
    assert number(250.3) == "250"
    assert at_most(250.3, 250, "ms") == ("≤ 250 ms", False)
    assert at_least(119.9, 120, "/s") == ("≥ 120 /s", False)
    assert at_most(0.5, 0.5, "MB")[1] and at_least(120, 120, "/s")[1]


def test_several_rounds_show_their_median_and_spread_and_one_shows_none():
    assert spread([3.0, 1.0, 2.0], "ms") == "2.00 ms (1.00–3.00)"
    assert spread([2.0]) == "2.00"
    assert ratios([1.0, 4.0], [2.0, 2.0]) == [0.5, 2.0]
    assert times([0.5, 2.0, 1.0]) == "1.00x (0.50–2.00)"


def test_the_table_replaces_what_stood_between_the_marks_and_nothing_else():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    written = put_between_marks(page, "new\n")
    assert written == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert put_between_marks(written, "new\n") == written


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_the_marks_is_refused_with_what_to_do(page):
    with pytest.raises(ValueError, match="put both back"):
        put_between_marks(page, "new\n")


def test_the_page_has_the_place_for_the_table():
    put_between_marks(PAGE.read_text(), "new\n")


def test_missed_and_kept_limits_and_rows_without_one_are_told_apart():
    rows = [Row("a", "1", "2", "0.50x", "≤ 1", True), Row("b|c", "3", limit="≤ 1", met=False), Row("d", "4")]
    table = render([Section("Part", rows)], machine="two cores.", took_s=90)
    assert "| a | 1 | 2 | 0.50x | ≤ 1 | yes |" in table
    assert "| b\\|c | 3 |  |  | ≤ 1 | **no** |" in table
    assert "| d | 4 |  |  |  |  |" in table
    assert "1.5 minutes: two cores." in table


def test_a_part_that_fails_says_so_and_leaves_the_others_theirs():
    run = Run(is_quick=True)

    def fail():
        raise AssertionError("the pipe does not settle")

    run.attempt("broken", 5, fail)
    run.attempt("whole", 5, lambda: [Row("a", "1")])
    broken, whole = run.sections
    assert broken.failed and "the pipe does not settle" in broken.rows[0].what
    assert not whole.failed and whole.rows == [Row("a", "1")]


def test_the_last_run_says_when_it_was_and_its_absence_which_command_makes_one(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.last_run.FOLDER", tmp_path / "runs")
    assert "`make bench-large`" in last_run("pages-10", command="make bench-large")[0].what
    note_run("pages-10", [Row("slowest", "1 ms", met=False)])
    (row,) = last_run("pages-10", command="make bench-large")
    assert row.what.startswith("slowest (of 20") and row.met is False


def test_the_receiver_and_its_rivals_run_under_the_procfiles_command():
    command = receiver_command("bare:create_app()", port=8123)
    line = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("receiver:"))
    assert command[1:4] == ["-m", "gunicorn", "bare:create_app()"]
    assert command[command.index("--bind") + 1] == "127.0.0.1:8123"
    for word in ("--worker-class gevent", "--workers 2", "--graceful-timeout 25"):
        assert word in line and word in " ".join(command)


def test_each_request_of_the_load_is_signed_and_has_an_id_of_its_own():
    requests = make_requests(3, mark="a01", secret="secret")
    assert len({request for request in requests}) == 3
    heads, bodies = zip(*(request.split(b"\r\n\r\n", 1) for request in requests), strict=True)
    messages = [json.loads(body)["entry"][0]["changes"][0]["value"]["messages"][0] for body in bodies]
    assert len({message["id"] for message in messages}) == 3
    for head, body in zip(heads, bodies, strict=True):
        assert f"Content-Length: {len(body)}".encode() in head and b"X-Hub-Signature-256: sha256=" in head


def test_an_answer_is_whole_with_its_head_and_all_of_its_body():
    assert not is_whole(b"HTTP/1.1 200 OK\r\nContent-Le")
    assert not is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")
    assert is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
    assert is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def test_a_ring_made_out_to_another_run_names_nobody_elses_and_has_ids_of_its_own():
    ids = [f"0199b0de-0000-7000-8000-{number:012}" for number in range(8)]
    body = [[], {"tenant_id": 1, "message_id": ids[0], "run_id": ids[1]}, {"chain": [{"options": {"task_id": ids[2]}}]}]
    envelope = {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "headers": {"id": ids[3], "kwargsrepr": f"{{'message_id': '{ids[0]}', 'run_id': '{ids[1]}'}}"},
        "properties": {"delivery_tag": ids[4]},
    }
    first, second = (
        json.loads(ring) for ring in copies(json.dumps(envelope).encode(), [(ids[5], ids[6]), (ids[6], ids[7])])
    )
    said = json.loads(base64.b64decode(first["body"]))
    assert said[1] == {"tenant_id": 1, "message_id": ids[5], "run_id": ids[6]}
    assert ids[5] in first["headers"]["kwargsrepr"] and ids[0] not in json.dumps(first)
    assert first["properties"]["delivery_tag"] != second["properties"]["delivery_tag"] != ids[4]
    assert said[2]["chain"][0]["options"]["task_id"] != ids[2]
