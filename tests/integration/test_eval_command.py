"""`earshot eval` as it is called: against the stand-in, the lexicon, no one at all, and with a key that costs money."""

import io
import json
import os

import httpx2
import pytest

from cli import eval as eval_command
from cli.main import main
from devstack.stack_file import GROUPS, write_stack_file

ROWS = [
    {"id": "a", "text": "Where is my order #10482? Call 0532 123 45 67", "sentiment": "neutral", "intent": "order_status",
     "lang": "en", "kind": "plain", "is_injection": False, "topics": ["shipping"]},
    {"id": "b", "text": "The canary parcel never arrived, terrible", "sentiment": "negative", "lang": "en",
     "context": [{"from": "agent", "text": "write to jane@example.com"}]},
    {"id": "c", "text": "Vielen Dank, super!", "sentiment": "positive", "intent": "compliment", "lang": "de"},
]  # fmt: skip
KEY = "sk-real-secret"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "ANALYZE")):
            monkeypatch.delenv(name)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labelled.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture
def earshot(capsys, tmp_path):
    """Run `earshot eval …`; returns its exit code, what it printed, and what it said on stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["eval", *map(str, arguments), "--data", str(tmp_path / "data")])
        printed = capsys.readouterr()
        return caught.value.code, printed.out, printed.err

    return run


@pytest.fixture
def standin(standins):
    url = standins["anthropic"]
    httpx2.delete(f"{url}/_script")
    httpx2.delete(f"{url}/_received")
    yield url
    httpx2.delete(f"{url}/_script")


@pytest.fixture
def stack(tmp_path, standin):
    """A stack.json of a running stack with the stand-in."""

    def write(**standin_urls):
        (tmp_path / "data").mkdir(exist_ok=True)
        info = dict.fromkeys(
            ("receiver_url", "console_url", "flower_url", "database_url", "redis_url", "broker_url", "flower_auth"), "x"
        )
        pids = {group: [os.getpid()] if group == "supervisor" else [] for group in GROUPS}
        info |= {"metrics_urls": [], "admin": {"email": "x", "password": "x"}, "standins": standin_urls, "pids": pids}
        write_stack_file(tmp_path / "data", info)

    return write


def received(standin):
    return httpx2.get(f"{standin}/_received").text.splitlines()


def fail(standin, *, status, times=1, **more):
    body = {"type": "error", "error": {"type": "x", "message": "canary"}}
    step = {"status": status, "times": times, "body": body, "path": "/v1/messages", **more}
    httpx2.post(f"{standin}/_script", json={"steps": [step]})


def test_the_lexicon_needs_neither_key_nor_stack(earshot, labelled):
    code, out, err = earshot(labelled, "--analyzer", "lexicon")
    assert (code, err) == (0, "")
    assert "analyzer local-lexicon" in out and "local keyword lexicon" in out
    assert "INTENT" in out and "n=2" in out and "canary" not in out


def test_without_key_and_stack_the_error_names_what_to_set(earshot, labelled):
    code, out, err = earshot(labelled)
    assert (code, out) == (1, "")
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY_FILE", "earshot up", "--analyzer lexicon"):
        assert name in err


def test_a_stack_without_stand_in_is_no_one_to_ask(earshot, labelled, stack):
    stack()
    code, _, err = earshot(labelled)
    assert code == 1 and "runs without a stand-in" in err


def test_a_broken_stack_file_is_named(earshot, labelled, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stack.json").write_text("{")
    code, _, err = earshot(labelled)
    assert code == 1 and "stack.json is broken" in err


def test_the_stacks_stand_in_answers_and_is_named(earshot, labelled, stack, standin):
    stack(anthropic=standin)
    code, out, err = earshot(labelled)
    assert (code, err) == (0, "")
    assert f"analyzer stand-in at {standin}" in out
    assert "These figures come from the stand-in, a keyword reader. They say nothing about Claude." in out
    sent = "".join(received(standin))
    assert "[PHONE_1]" in sent and "[EMAIL_1]" in sent
    assert "0532" not in sent and "jane@" not in sent


def test_a_real_key_never_reaches_the_stand_in(earshot, labelled, standin, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    code, out, _ = earshot(labelled, "--json")
    result = json.loads(out)
    assert code == 0 and KEY not in "".join(received(standin)) + out
    assert (result["setup"]["source"], result["setup"]["analyzer"]) == ("stand-in", "stand-in")
    assert "say nothing about Claude" in result["note"]


def test_json_is_the_whole_result_without_the_text(earshot, labelled, standin, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    _, out, _ = earshot(labelled, "--json", "--industry", "ecommerce", "--region", "tr", "--limit", 2)
    result = json.loads(out)
    assert "canary" not in out
    assert (result["format"], result["messages"], result["setup"]["in_file"]) == ("earshot-eval-1", 2, 3)
    assert (result["setup"]["industry"], result["setup"]["region"]) == ("ecommerce", "TR")
    assert [row["id"] for row in result["rows"]] == ["a", "b"]
    assert result["cost"]["input_tokens"] + result["cost"]["cached_tokens"] > 0
    assert result["fields"]["sentiment"]["accuracy"]["n"] == 2 and result["topics"]["exact"]["n"] == 1


@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:9", "https://me:pw@gateway.example"])
def test_a_real_key_is_not_spent_without_a_yes(earshot, labelled, monkeypatch, base_url):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    if base_url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", base_url)
    code, out, err = earshot(labelled)
    assert (code, out) == (1, "")
    assert "3 messages to claude-haiku-5-5: about $0.00" in err
    assert "repeat with --yes. Nothing was sent" in err and KEY not in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_no_is_no(earshot, labelled, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_MODEL", "claude-next")
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    code, _, err = earshot(labelled)
    assert code == 1 and "an unknown sum" in err and "not confirmed; nothing was sent" in err


@pytest.mark.parametrize("answer", ["y\n", None])
def test_a_yes_is_a_live_run(earshot, labelled, standin, monkeypatch, tmp_path, answer):
    monkeypatch.setattr(eval_command, "_is_standin", lambda _: False)
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    monkeypatch.setattr("sys.stdin", Terminal(answer or ""))
    code, out, err = earshot(labelled, *([] if answer else ["--yes"]))
    assert code == 0 and "analyzer claude at" in out and "stand-in" not in out
    assert ("Send them?" in err) is bool(answer)


def test_a_base_url_without_a_key_is_half_a_setup(earshot, labelled, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example")
    code, _, err = earshot(labelled)
    assert code == 1 and "ANTHROPIC_API_KEY is not" in err


@pytest.mark.parametrize("base_url", ["http://[bad/v1", "http://127.0.0.1:x", "https://api.anthropic.com/v1", "host"])
def test_a_wrong_setting_is_named(earshot, labelled, monkeypatch, base_url):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", base_url)
    code, _, err = earshot(labelled)
    assert code == 1 and "ANTHROPIC_BASE_URL" in err and KEY not in err


def test_a_password_in_the_address_is_not_shown():
    assert eval_command._without_password("https://me:pw@gateway.example:1") == "https://gateway.example:1"


def test_a_passing_failure_is_asked_again(earshot, labelled, standin, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    fail(standin, status=429, headers={"retry-after": "0.1"})
    code, out, _ = earshot(labelled)
    assert code == 0 and "answered 3 of 3" in out and "4 calls" in out


def test_a_refused_message_is_counted_and_the_run_goes_on(earshot, labelled, standin, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    fail(standin, status=413)
    code, out, _ = earshot(labelled, "--concurrency", 1, "--errors")
    assert code == 0 and "answered 2 of 3; no usable answer: too_large_413 1" in out
    assert "(too_large_413)" in out and "canary" not in out


def test_a_refused_key_ends_the_run_with_what_is_known(earshot, labelled, standin, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    labelled.write_text("\n".join(json.dumps({"text": f"x {n}", "sentiment": "neutral"}) for n in range(30)))
    fail(standin, status=401, times=100)
    code, out, _ = earshot(labelled, "--concurrency", 1)
    assert code == 1
    assert (
        "PARTIAL: 5 messages in a row failed because the provider is down; 25 messages left without an outcome" in out
    )


def test_a_run_without_a_single_answer_failed(earshot, labelled, standin, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    fail(standin, status=401, times=3)
    assert earshot(labelled)[0] == 1


def test_bad_files_are_refused_before_anyone_is_asked(earshot, labelled, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    labelled.write_text("\n".join(json.dumps({"text": "canary", "sentiment": "canary"}) for _ in range(30)))
    code, out, err = earshot(labelled, "--yes")
    assert (code, out) == (2, "")
    assert "  line 7: `sentiment` must be positive, neutral or negative\n" in err
    assert err.count("line ") == 20 and "and 10 more" in err and "canary" not in err


def test_a_single_problem_is_the_whole_list(earshot, labelled):
    labelled.write_text("{}")
    code, _, err = earshot(labelled, "--analyzer", "lexicon")
    assert code == 2 and err.count("line 1: ") == 2 and "more" not in err


@pytest.mark.parametrize("make", [lambda path: path.unlink(), lambda path: (path.unlink(), path.mkdir())])
def test_what_cannot_be_read_is_wrong_use(earshot, labelled, make):
    make(labelled)
    code, _, err = earshot(labelled, "--analyzer", "lexicon")
    assert code == 2 and "cannot be read" in err


def test_a_huge_file_is_not_read(earshot, labelled, monkeypatch):
    monkeypatch.setattr(eval_command, "MAX_FILE_BYTES", 10)
    assert earshot(labelled, "--analyzer", "lexicon")[0] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--limit", "0"], ["--limit", "x"], ["--concurrency", "65"], ["--region", "D1"], ["--industry", "none"],
        ["--analyzer", "gpt"],
    ],
)  # fmt: skip
def test_wrong_options_are_wrong_use(earshot, labelled, wrong):
    assert earshot(labelled, *wrong)[0] == 2


def test_two_runs_are_compared(earshot, labelled, standin, monkeypatch, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(earshot(labelled, "--analyzer", "lexicon", "--json")[1])
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin)
    code, out, _ = earshot(labelled, "--compare", other)
    assert code == 0 and "COMPARED with local-lexicon, local-lexicon" in out and "NO EVIDENCE" in out
    result = json.loads(earshot(labelled, "--compare", other, "--json")[1])
    assert result["comparison"]["same_file"] and result["comparison"]["fields"]["sentiment"]["n"] == 3


@pytest.mark.parametrize("content", ["{}", None])
def test_what_is_no_earlier_result_is_wrong_use(earshot, labelled, tmp_path, content):
    other = tmp_path / "other.json"
    if content:
        other.write_text(content)
    code, _, err = earshot(labelled, "--analyzer", "lexicon", "--compare", other)
    assert code == 2 and "other.json" in err


def test_results_of_other_messages_are_wrong_use(earshot, labelled, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(earshot(labelled, "--analyzer", "lexicon", "--json")[1])
    labelled.write_text(json.dumps({"id": "z", "text": "x", "intent": "other"}))
    code, _, err = earshot(labelled, "--analyzer", "lexicon", "--compare", other)
    assert code == 2 and "give both files the same `id`s" in err


def test_a_terminal_sees_how_far_it_is(earshot, labelled, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert earshot(labelled, "--analyzer", "lexicon")[0] == 0
    assert "3 of 3" in terminal.getvalue()
