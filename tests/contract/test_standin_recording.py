"""What every stand-in can do: record, be scripted, drop connections, hold many slow requests, start and stop."""

import asyncio
import json
import time

import httpx2
import pytest

from devstack.standins.exchange import Request
from devstack.standins.recording import ReceivedLog
from devstack.standins.running import start_standins

PROVIDERS = ("anthropic", "graph", "hubspot", "salesforce", "zoho", "pipedrive")


@pytest.fixture(params=PROVIDERS)
def url(request, standins):
    base = standins[request.param]
    httpx2.delete(f"{base}/_script")
    httpx2.delete(f"{base}/_received")
    yield base
    httpx2.delete(f"{base}/_script")


def script(url, *steps):
    return httpx2.post(f"{url}/_script", json={"steps": list(steps)})


def received(url):
    return [json.loads(line) for line in httpx2.get(f"{url}/_received").text.splitlines()]


def test_it_is_healthy(url):
    assert httpx2.get(f"{url}/_health").json() == {"ok": True}


def test_a_request_is_recorded_without_its_credentials(url):
    headers = {"Authorization": "Bearer very-secret", "x-api-key": "very-secret", "X-Custom": "kept"}
    httpx2.post(f"{url}/some/path?a=1&access_token=very-secret", content="grüße 👋".encode(), headers=headers)
    (entry,) = received(url)
    assert (entry["method"], entry["path"]) == ("POST", "/some/path?a=1&access_token=[redacted]")
    assert entry["body"] == "grüße 👋"
    assert entry["headers"]["x-custom"] == "kept"
    assert entry["headers"]["authorization"] == "[redacted]"
    assert "very-secret" not in json.dumps(entry)
    assert entry["at"].startswith("20")


def test_the_record_can_be_cleared_and_holds_no_control_requests(url):
    httpx2.get(f"{url}/x")
    httpx2.delete(f"{url}/_received")
    assert received(url) == []


def test_steps_are_used_up_first_in_first_out_and_then_the_default_is_back(url):
    script(url, {"status": 500, "body": {"n": 1}}, {"status": 502, "body": "two", "times": 2, "headers": {"X-A": "b"}})
    answers = [httpx2.get(f"{url}/x") for _ in range(4)]
    assert [answer.status_code for answer in answers[:3]] == [500, 502, 502]
    assert (answers[0].json(), answers[1].text, answers[1].headers["x-a"]) == ({"n": 1}, "two", "b")
    assert answers[3].status_code == 401


def test_a_step_waits_for_its_method_and_path(url):
    script(url, {"method": "put", "path": "/a/", "status": 418}, {"path": "/b/*/end", "status": 419})
    assert httpx2.get(f"{url}/a/x").status_code == 401
    assert httpx2.put(f"{url}/b/x").status_code == 401
    assert httpx2.put(f"{url}/a/x").status_code == 418
    assert httpx2.get(f"{url}/b/1/end").status_code == 419


def test_a_scripted_header_replaces_the_default_one(url):
    script(url, {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"})
    assert httpx2.get(f"{url}/x").headers.get_list("content-type") == ["text/html"]


def test_a_delay_alone_keeps_the_default_answer(url):
    script(url, {"delay_s": 0.3})
    started = time.monotonic()
    assert httpx2.get(f"{url}/x").status_code == 401
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_dropped_connection_gives_no_answer(url, drop):
    script(url, {"drop": drop})
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{url}/x")
    assert httpx2.get(f"{url}/x").status_code == 401


def test_a_script_can_be_cleared(url):
    script(url, {"status": 500, "times": 9})
    httpx2.delete(f"{url}/_script")
    assert httpx2.get(f"{url}/x").status_code == 401


@pytest.mark.parametrize(
    "body", [[], {"steps": {}}, {"steps": [{"stat": 1}]}, {"steps": [{"drop": "now"}]}, {"steps": [{"times": []}]}]
)
def test_a_script_that_makes_no_sense_is_refused(url, body):
    answer = httpx2.post(f"{url}/_script", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_oldest_requests_make_room():
    log = ReceivedLog(max_requests=3, max_bytes=10_000)
    for number in range(5):
        log.add(Request("GET", f"/{number}", {}, {}, b""))
    assert [json.loads(line)["path"] for line in log.text().splitlines()] == ["/2", "/3", "/4"]
    log.add(Request("GET", "/big", {}, {}, b"x" * 9_850))
    assert [json.loads(line)["path"] for line in log.text().splitlines()] == ["/big"]


def test_three_hundred_slow_requests_are_held_at_once_and_sigterm_ends_it():
    running = start_standins(["--anthropic-latency-s=1.5"])
    request = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "ok"}]}

    async def ask_all():
        limits = httpx2.Limits(max_connections=300)
        async with httpx2.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:
            asking = [
                client.post(f"{running.urls['anthropic']}/v1/messages", json=request, headers={"x-api-key": "k"})
                for _ in range(300)
            ]
            return [answer.status_code for answer in await asyncio.gather(*asking)]

    try:
        started = time.monotonic()
        assert set(asyncio.run(ask_all())) == {200}
        assert time.monotonic() - started < 20
        answer = httpx2.post(f"{running.urls['anthropic']}/_latency", json={"seconds": 0})
        assert answer.status_code == 200
    finally:
        assert running.stop() == 0
