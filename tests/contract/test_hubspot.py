"""What HubSpot says in ways of its own, answered word for word by a loopback server; bodies as its reference shows them."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from crm_sync.base import CrmError, CrmEvent, CustomerRef, StateWrite
from crm_sync.client import CrmClient
from crm_sync.hubspot import HubSpot
from crm_sync.hubspot_fields import FIELDS, MAX_TEXT_CHARS, as_html, event_properties
from crm_sync.hubspot_provision import LACKING
from crm_sync.labels import CustomerLabels
from crm_sync.tokens import ConstantToken

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = CustomerLabels(
    sentiment="neutral",
    score=0.8,
    intent="other",
    topics=(),
    summary="Asks for a price.",
    negative_30d=0,
    last_analyzed_at=AT,
)
NOTE = CrmEvent(key="k1", record_id="51", kind="note", subject="Escalated", body="now", due_at=AT)
EMPTY = {"status": "COMPLETE", "results": []}

Reply = tuple[int, Any]


class Server:
    """Answers each path with its next reply; keeps what it was sent."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.sent: list[tuple[str, Any]] = []

    def on(self, path: str, *replies: Reply) -> None:
        """The last reply is given again and again."""
        self.replies[path] = list(replies)

    def answer(self, path: str, body: bytes) -> Reply:
        self.sent.append((path, json.loads(body) if body else None))
        for known, replies in self.replies.items():
            if path.split("?", 1)[0].endswith(known):
                return replies.pop(0) if len(replies) > 1 else replies[0]
        return 404, {"category": "OBJECT_NOT_FOUND", "message": "no such path"}

    def bodies(self, path: str) -> list[Any]:
        return [body for sent_to, body in self.sent if sent_to.split("?", 1)[0].endswith(path)]


def _handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = server.answer(self.path, body)
            payload = b"" if status == 204 else json.dumps(answer).encode()
            head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
            self.wfile.write(head.encode() + payload)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None: ...

    return Handler


@pytest.fixture
def running() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], str]]:
    """Serves a handler on a free port; gives its base URL."""
    servers: list[ThreadingHTTPServer] = []

    def serve(handler: type[BaseHTTPRequestHandler]) -> str:
        http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(http)
        return f"http://127.0.0.1:{http.server_port}"

    yield serve
    for http in servers:
        http.shutdown()
        http.server_close()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def url(server: Server, running: Callable[[type[BaseHTTPRequestHandler]], str]) -> str:
    return running(_handler_of(server))


@pytest.fixture(autouse=True)
def nothing_is_known_of_any_portal() -> None:
    LACKING.clear()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def hubspot(url: str, waits: list[float]) -> HubSpot:
    return HubSpot(tokens=ConstantToken("token"), base_url=url, default_region="TR", timeout_s=2.0, sleep=waits.append)


def linked(found):
    return found.match.record_id if found.match else None


def seen(found):
    return [(one.customer_id, {other.record_id for other in one.candidates}, linked(one)) for one in found]


def writes_of(*record_ids: str) -> list[StateWrite]:
    return [StateWrite(f"customer-{record_id}", record_id, LABELS) for record_id in record_ids]


def test_a_missing_scope_is_named(server: Server, hubspot: HubSpot) -> None:
    scopes = {"requiredGranularScopes": ["crm.objects.contacts.read", "very secret +905551112233"]}
    errors = [{"message": "One or more of the following scopes are required.", "context": scopes}]
    server.on("/contacts", (403, {"category": "MISSING_SCOPES", "message": "…", "errors": errors}))
    with pytest.raises(CrmError, match=r"^missing_scopes:crm\.objects\.contacts\.read$") as caught:
        hubspot.check()
    assert caught.value.connection_broken


def test_a_revoked_token_is_named(server: Server, hubspot: HubSpot) -> None:
    server.on("/contacts", (401, {"category": "INVALID_AUTHENTICATION", "message": "token pat-1234 is wrong"}))
    with pytest.raises(CrmError, match="^invalid_authentication$") as caught:
        hubspot.check()
    assert caught.value.connection_broken


def test_without_the_schema_scope_fields_are_reported_and_the_rest_is_made(server: Server, hubspot: HubSpot) -> None:
    refusal = {
        "category": "MISSING_SCOPES",
        "errors": [{"context": {"requiredScopes": ["crm.schemas.contacts.write"]}}],
    }
    present = {"results": [{"name": "earshot_score"}, {"name": "email"}]}
    server.on("2026-09/contacts", (200, present))
    server.on("contacts/groups", (403, refusal))
    for kind in ("notes", "tasks"):
        server.on(f"2026-09/{kind}", (200, EMPTY), (200, {"results": [{"name": "earshot_event_key"}]}))
        server.on(f"{kind}/groups", (409, {"category": "CONFLICT"}))
        server.on(f"{kind}/batch/create", (201, EMPTY))
    report = hubspot.provision()
    assert report.present == ("contacts.earshot_score",)
    assert report.created == ("notes.earshot_event_key", "tasks.earshot_event_key")
    assert len(report.missing) == len(FIELDS["contacts"]) - 1
    [label] = [one for one in report.missing if one.startswith("contacts.earshot_label: ")]
    assert "Contact properties > Create property" in label
    assert label.endswith("(missing_scopes:crm.schemas.contacts.write)")


def test_one_property_too_many_does_not_stop_the_others(server: Server, hubspot: HubSpot) -> None:
    made = [{"name": one["name"]} for one in FIELDS["contacts"][:-1]]
    server.on("2026-09/contacts", (200, EMPTY), (200, {"results": made}))
    server.on("contacts/groups", (201, {}))
    server.on(
        "contacts/batch/create",
        *[(400, {"category": "VALIDATION_ERROR", "message": "limit of custom properties"})] * 2,
        (201, EMPTY),
    )
    for kind in ("notes", "tasks"):
        server.on(f"2026-09/{kind}", (200, {"results": [{"name": "earshot_event_key"}]}))
    report = hubspot.provision()
    assert len(report.created) == len(FIELDS["contacts"]) - 1
    assert len(report.missing) == 1


@pytest.mark.parametrize(
    ("policy", "retry_after_s", "waited"),
    [
        ("SECONDLY", None, [1.0]),
        ("TEN_SECONDLY_ROLLING", 10.0, []),
        ("DAILY", 3600.0, []),
        ("SOMETHING NEW", 10.0, []),
    ],
)
def test_the_limit_that_was_hit_says_how_long_to_wait(
    server: Server, hubspot: HubSpot, waits: list[float], policy: str, retry_after_s: float | None, waited: list[float]
) -> None:
    limited = {
        "status": "error",
        "message": "You have reached your limit.",
        "errorType": "RATE_LIMIT",
        "policyName": policy,
    }
    server.on("/contacts", (429, limited), (200, EMPTY))
    if retry_after_s is None:
        hubspot.check()
    else:
        with pytest.raises(CrmError, match="^rate_limit") as caught:
            hubspot.check()
        assert caught.value.retry_after_s == retry_after_s
    assert waits == waited


@pytest.mark.parametrize("status", [408, 423, 425, 477])
def test_a_locked_record_or_a_migration_is_passing(server: Server, hubspot: HubSpot, status: int) -> None:
    server.on("/batch/update", (status, {"category": "LOCKED"}))
    with pytest.raises(CrmError) as caught:
        hubspot.write(writes_of("51"))
    assert not caught.value.permanent


def test_part_of_a_batch_may_fail_in_any_order(server: Server, hubspot: HubSpot) -> None:
    gone = {"category": "OBJECT_NOT_FOUND", "message": "…", "context": {"ids": ["53"]}}
    rule = {"category": "VALIDATION_ERROR", "message": "…", "context": {"ids": ["51"]}}
    busy = {"category": "INTERNAL_ERROR", "message": "…", "context": {"ids": ["54"]}}
    body = {"status": "COMPLETE", "results": [{"id": "52"}], "numErrors": 3, "errors": [gone, busy, rule]}
    server.on("/batch/update", (207, body))
    outcomes = hubspot.write(writes_of("51", "52", "53", "54", "55"))
    shown = [(one.ref, one.error and (one.error.code, one.error.permanent)) for one in outcomes]
    assert shown == [
        ("customer-51", ("validation_error", True)),
        ("customer-52", None),
        ("customer-53", ("record_not_found", True)),
        ("customer-54", ("internal_error", False)),
        ("customer-55", ("no_result", False)),
    ]


def test_an_error_that_names_nobody_is_everybodys_who_has_no_result(server: Server, hubspot: HubSpot) -> None:
    errors = [{"category": "VALIDATION_ERROR", "message": "a rule of the administrator"}]
    server.on("/batch/update", (207, {"status": "COMPLETE", "results": [{"id": "52"}], "errors": errors}))
    bad, good = hubspot.write(writes_of("51", "52"))
    assert bad.error is not None
    assert bad.error.code == "validation_error"
    assert good.error is None


@pytest.mark.parametrize(
    "message",
    [
        'Property values were not valid: [{"isValid":false,"error":"PROPERTY_DOESNT_EXIST","name":"earshot_label"}]',
        'Property "earshot_label" does not exist',
        "Unable to perform update/upsert by non-unique 0-1 property earshot_label in portal ID 1",
    ],
)
def test_a_missing_property_is_provisioned_once_and_then_named(server: Server, hubspot: HubSpot, message: str) -> None:
    server.on("/batch/update", (400, {"category": "VALIDATION_ERROR", "message": message}))
    for kind in FIELDS:
        server.on(f"2026-09/{kind}", (200, {"results": [{"name": one["name"]} for one in FIELDS[kind]]}))
    outcomes = hubspot.write(writes_of("51", "52"))
    assert [one.error and (one.error.code, one.error.permanent) for one in outcomes] == [
        ("field_missing:earshot_label", True)
    ] * 2
    assert len(server.bodies("/batch/update")) == 2


def test_labels_are_sent_as_texts_and_only_in_our_fields(server: Server, hubspot: HubSpot) -> None:
    server.on("/batch/update", (200, {"status": "COMPLETE", "results": [{"id": "51"}]}))
    hubspot.write(writes_of("51"))
    [body] = server.bodies("/crm/objects/2026-09/contacts/batch/update")
    [sent] = body["inputs"]
    assert sent["id"] == "51"
    assert "idProperty" not in sent
    assert all(name.startswith("earshot_") and isinstance(value, str) for name, value in sent["properties"].items())
    assert sent["properties"]["earshot_customer_id"] == "customer-51"
    assert set(sent["properties"]) <= {one["name"] for one in FIELDS["contacts"]}


def test_a_tenant_that_sends_no_summaries_sends_none(server: Server, url: str) -> None:
    server.on("/batch/update", (200, {"status": "COMPLETE", "results": [{"id": "51"}]}))
    HubSpot(tokens=ConstantToken("token"), base_url=url, send_summary=False).write(writes_of("51"))
    [body] = server.bodies("/batch/update")
    assert "earshot_last_summary" not in body["inputs"][0]["properties"]


def test_search_asks_for_all_spellings_within_hubspots_limits(server: Server, hubspot: HubSpot) -> None:
    server.on("/contacts/search", (200, {"total": 0, "results": []}))
    phones = [f"521551234{number:04}" for number in range(20)]
    hubspot.find([CustomerRef(f"c{number}", phones=(phone,)) for number, phone in enumerate(phones)])
    searches = server.bodies("/crm/objects/2026-09/contacts/search")
    asked = {name: set[str]() for name in ("hs_searchable_calculated_phone_number", "phone", "mobilephone")}
    for search in searches:
        assert set(search) == {"filterGroups", "properties", "limit", "after", "sorts"}
        assert len(search["filterGroups"]) <= 5
        assert len(json.dumps(search)) <= 3000
        for group in search["filterGroups"]:
            for one in group["filters"]:
                asked.setdefault(one["propertyName"], set()).update(one["values"])
    assert len(searches) == 3
    assert {"5512340000", "15512340000"} <= asked["hs_searchable_calculated_phone_number"]
    assert {"+525512340000", "+5215512340000"} <= asked["phone"] & asked["mobilephone"]


def test_a_hit_that_does_not_bear_the_number_is_no_match(server: Server, hubspot: HubSpot) -> None:
    hits = [
        {"id": "51", "properties": {"phone": "+1 555 111 2233", "mobilephone": None}},
        {"id": "52", "properties": {"phone": "0555 111 22 33"}},
        {"id": "53", "properties": {}},
    ]
    server.on("/contacts/search", (200, {"total": 3, "results": hits}))
    assert seen(hubspot.find([CustomerRef("c1", phones=("905551112233",))])) == [("c1", {"52"}, "52")]


def test_a_second_address_of_a_contact_counts(server: Server, hubspot: HubSpot) -> None:
    hit = {"id": "51", "properties": {"email": "a@example.com", "hs_additional_emails": "b@example.com;c@example.com"}}
    server.on("/contacts/search", (200, {"total": 1, "results": [hit]}))
    assert seen(hubspot.find([CustomerRef("c1", emails=("c@example.com",))])) == [("c1", {"51"}, "51")]


def test_a_flood_of_duplicates_hides_nobody(server: Server, hubspot: HubSpot) -> None:
    flood = [{"id": str(number), "properties": {"phone": "+905550000000"}} for number in range(200)]
    mine = {"id": "777", "properties": {"phone": "+905551112233"}}
    server.on("/contacts/search", (200, {"results": flood}), (200, {"results": flood}), (200, {"results": [mine]}))
    found = hubspot.find([CustomerRef("c1", phones=("905550000000",)), CustomerRef("c2", phones=("905551112233",))])
    assert [len(one.candidates) for one in found] == [200, 1] and linked(found[1]) == "777"


@pytest.mark.parametrize("answer", [{}, [], {"total": 0}, "ok", None])
def test_an_answer_without_results_is_not_taken_for_nobody(server: Server, hubspot: HubSpot, answer: Any) -> None:
    server.on("/contacts/search", (200, answer))
    with pytest.raises(CrmError, match="^answer_incomplete$") as caught:
        hubspot.find([CustomerRef("c1", phones=("905551112233",))])
    assert not caught.value.permanent


def test_a_contact_made_meanwhile_is_left_for_the_next_search(server: Server, hubspot: HubSpot) -> None:
    conflict = {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 51"}
    made = {"id": "52", "objectWriteTraceId": "earshot-c2", "properties": {}}
    server.on("/contacts/batch/upsert", (409, conflict), (409, conflict), (200, {"results": [made]}))
    first, second = hubspot.create(
        [CustomerRef("c1", emails=("a@example.com",)), CustomerRef("c2", phones=("905551112233",))]
    )
    assert (first.match, first.candidates) == (None, ())
    assert first.error is not None
    assert linked(second) == "52"


def test_a_portal_without_our_key_gets_no_contacts_but_no_error_either(server: Server, hubspot: HubSpot) -> None:
    unknown = {"category": "VALIDATION_ERROR", "message": 'Property "earshot_customer_id" does not exist'}
    server.on("/contacts/batch/upsert", (400, unknown))
    for kind in FIELDS:
        server.on(f"2026-09/{kind}", (200, {"results": [{"name": one["name"]} for one in FIELDS[kind]]}))
    [found] = hubspot.create([CustomerRef("c1", phones=("905551112233",))])
    assert linked(found) is None
    assert found.error is not None
    assert found.error.code == "field_missing:earshot_customer_id"


def test_new_events_are_upserted_by_key_and_linked(server: Server, hubspot: HubSpot) -> None:
    server.on("/notes/batch/read", (404, {"category": "OBJECT_NOT_FOUND", "message": "…"}))
    results = [
        {"id": "902", "objectWriteTraceId": "earshot-k2"},
        {"id": "901", "properties": {"earshot_event_key": "k1"}},
    ]
    server.on("/notes/batch/upsert", (200, {"status": "COMPLETE", "results": results}))
    server.on("/associations/default/contacts/51", (200, EMPTY))
    server.on(
        "/associations/default/contacts/52", (404, {"category": "OBJECT_NOT_FOUND", "message": "no such contact"})
    )
    first, second = hubspot.emit([NOTE, replace(NOTE, key="k2", record_id="52")])
    assert first.error is None
    assert second.error is not None
    assert second.error.code == "record_not_found"
    [body] = server.bodies("/crm/objects/2026-09/notes/batch/upsert")
    assert [(one["id"], one["idProperty"]) for one in body["inputs"]] == [
        ("k1", "earshot_event_key"),
        ("k2", "earshot_event_key"),
    ]
    [read] = server.bodies("/crm/objects/2026-09/notes/batch/read")
    assert read["idProperty"] == "earshot_event_key"
    assert ("/crm/objects/2026-09/notes/901/associations/default/contacts/51", None) in server.sent


def test_an_event_that_is_there_is_linked_but_never_rewritten(server: Server, hubspot: HubSpot) -> None:
    there = [{"id": "901", "properties": {"earshot_event_key": "k1"}}]
    absent = [{"category": "OBJECT_NOT_FOUND", "message": "…", "context": {"ids": ["k2"]}}]
    made = [{"id": "902", "properties": {"earshot_event_key": "k2"}}]
    server.on("/notes/batch/read", (207, {"status": "COMPLETE", "results": there, "errors": absent}))
    server.on("/notes/batch/upsert", (200, {"status": "COMPLETE", "results": made}))
    server.on("/associations/default/contacts/51", (200, EMPTY))
    assert [one.error for one in hubspot.emit([NOTE, replace(NOTE, key="k2")])] == [None, None]
    [body] = server.bodies("/notes/batch/upsert")
    assert [one["id"] for one in body["inputs"]] == ["k2"]


def test_a_refused_event_does_not_take_the_others_with_it(server: Server, hubspot: HubSpot) -> None:
    refused = [{"category": "VALIDATION_ERROR", "message": "…", "context": {"objectWriteTraceId": ["earshot-k1"]}}]
    made = [{"id": "902", "objectWriteTraceId": "earshot-k2"}]
    server.on("/notes/batch/read", (200, EMPTY))
    server.on("/notes/batch/upsert", (207, {"status": "COMPLETE", "results": made, "errors": refused}))
    server.on("/associations/default/contacts/51", (200, EMPTY))
    first, second = hubspot.emit([NOTE, replace(NOTE, key="k2")])
    assert first.error is not None
    assert first.error.permanent
    assert second.error is None


EVERY_CALL: dict[str, Callable[[HubSpot], object]] = {
    "2026-09/contacts": lambda hubspot: hubspot.provision(),
    "contacts/groups": lambda hubspot: hubspot.provision(),
    "/contacts/search": lambda hubspot: hubspot.find([CustomerRef("c1", phones=("905551112233",))]),
    "/contacts/batch/upsert": lambda hubspot: hubspot.create([CustomerRef("c1", phones=("905551112233",))]),
    "/contacts/batch/update": lambda hubspot: hubspot.write(writes_of("51")),
    "/contacts/batch/read": lambda hubspot: hubspot.read_fields(["51"], ("lifecyclestage",)),
    "/notes/batch/upsert": lambda hubspot: hubspot.emit([NOTE]),
    "/contacts/51": lambda hubspot: hubspot.emit([NOTE]),
}


@pytest.mark.parametrize("path", EVERY_CALL)
def test_trouble_at_any_step_is_raised_and_never_an_outcome(server: Server, hubspot: HubSpot, path: str) -> None:
    server.on("2026-09/contacts", (200, EMPTY))
    server.on("/notes/batch/read", (200, EMPTY))
    server.on("/notes/batch/upsert", (200, {"results": [{"id": "901", "properties": {"earshot_event_key": "k1"}}]}))
    server.on(path, (500, {"status": "error", "message": "internal error"}))
    with pytest.raises(CrmError, match="^http_500$"):
        EVERY_CALL[path](hubspot)


def test_a_property_that_one_input_lacks_is_provisioned_too(server: Server, hubspot: HubSpot) -> None:
    lacking = [{"category": "VALIDATION_ERROR", "errors": [{"code": "PROPERTY_DOESNT_EXIST", "in": "earshot_topics"}]}]
    server.on("/batch/update", (207, {"results": [], "errors": lacking}), (200, {"results": [{"id": "51"}]}))
    for kind in FIELDS:
        server.on(f"2026-09/{kind}", (200, {"results": [{"name": one["name"]} for one in FIELDS[kind]]}))
    assert hubspot.write(writes_of("51"))[0].error is None


def test_a_long_text_is_cut_where_html_allows_it() -> None:
    assert as_html("a < b & c\nd") == "a &lt; b &amp; c<br>d"
    for padding in range(6):
        text = as_html("x" * padding + "&\n" * MAX_TEXT_CHARS)
        assert MAX_TEXT_CHARS - 6 < len(text) <= MAX_TEXT_CHARS
        assert text.endswith((";", ">"))


def test_an_urgent_task_is_due_in_time_and_of_high_priority() -> None:
    task = event_properties(replace(NOTE, kind="task", high_priority=True, body="a <b> c"))
    assert task == {
        "earshot_event_key": "k1",
        "hs_timestamp": "2026-11-23T12:00:00.000Z",
        "hs_task_subject": "Escalated",
        "hs_task_body": "a &lt;b&gt; c",
        "hs_task_type": "TODO",
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "HIGH",
    }


def test_a_name_that_is_no_valid_unicode_can_be_sent(server: Server, hubspot: HubSpot) -> None:
    server.on("/contacts/batch/upsert", (200, {"results": [{"id": "51", "properties": {"earshot_customer_id": "c1"}}]}))
    assert hubspot.create([CustomerRef("c1", display_name="\ud83d broken")])[0].match.record_id == "51"


def test_ten_thousand_customers_are_written_with_a_hundred_requests(
    running: Callable[[type[BaseHTTPRequestHandler]], str],
) -> None:
    written: list[int] = []

    class Updating(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            written.append(len(inputs))
            results = [{"id": one["id"], "objectWriteTraceId": one["objectWriteTraceId"]} for one in inputs]
            body = json.dumps({"status": "COMPLETE", "results": results}).encode()
            self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

        def log_message(self, format: str, *args: Any) -> None: ...

    hubspot = HubSpot(tokens=ConstantToken("t"), base_url=running(Updating))
    outcomes = hubspot.write(writes_of(*(str(number) for number in range(10_000))))
    assert [one.ref for one in outcomes] == [f"customer-{number}" for number in range(10_000)]
    assert not any(one.error for one in outcomes)
    assert written == [100] * 100


@pytest.mark.parametrize(("idempotent", "uncertain"), [(True, False), (False, True)])
def test_a_request_without_answer_is_uncertain_unless_it_may_be_repeated(
    running: Callable[[type[BaseHTTPRequestHandler]], str], idempotent: bool, uncertain: bool
) -> None:
    asked: list[str] = []

    class Silent(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            threading.Event().wait(1.0)

        def log_message(self, format: str, *args: Any) -> None: ...

    client = CrmClient(running(Silent), tokens=ConstantToken("t"), authorization=lambda _: {}, timeout_s=0.2)
    with pytest.raises(CrmError, match="^no_answer$") as caught:
        client.post("/x", {}, idempotent=idempotent)
    assert (caught.value.uncertain, caught.value.permanent) == (uncertain, False)
    assert len(asked) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_request_that_may_not_be_repeated_is_sent_once(server: Server, url: str, status: int) -> None:
    server.on("/x", (status, {}))
    client = CrmClient(url, tokens=ConstantToken("t"), authorization=lambda _: {}, timeout_s=2.0, sleep=lambda _: None)
    with pytest.raises(CrmError) as caught:
        client.post("/x", {}, idempotent=False)
    assert caught.value.uncertain
    assert len(server.sent) == 1


def test_an_answer_that_drips_in_is_given_up(running: Callable[[type[BaseHTTPRequestHandler]], str]) -> None:
    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            pause = threading.Event()
            for _ in range(100):
                self.wfile.write(b" ")
                pause.wait(0.02)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None: ...

    ticks = iter(range(0, 1000, 2))
    client = CrmClient(
        running(Dripping),
        tokens=ConstantToken("t"),
        authorization=lambda _: {},
        timeout_s=5.0,
        clock=lambda: float(next(ticks)),
    )
    with pytest.raises(CrmError, match="^no_answer$"):
        client.get("/x")


def test_no_connection_is_passing_and_certain() -> None:
    waits: list[float] = []
    client = CrmClient(
        "http://127.0.0.1:1", tokens=ConstantToken("t"), authorization=lambda _: {}, timeout_s=1.0, sleep=waits.append
    )
    with pytest.raises(CrmError, match="^no_connection$") as caught:
        client.post("/x", {}, idempotent=False)
    assert not caught.value.uncertain
    assert len(waits) == 2


def test_an_array_comes_as_items_and_no_content_as_nothing(server: Server, url: str) -> None:
    server.on("/x", (200, [{"id": "1"}]), (204, None))
    client = CrmClient(url, tokens=ConstantToken("t"), authorization=lambda _: {}, timeout_s=2.0)
    assert client.get("/x") == {"items": [{"id": "1"}]}
    assert client.get("/x") == {}
