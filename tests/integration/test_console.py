"""The console's pages as people use them, without scripts and with two tenants."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from console.api.failed_keys import PER_PREFIX
from console.app import create_app
from store.web_sessions import AGE_H, REST_H
from tests.integration.console_visitor import ConsoleVisitor, add_visitor, signed_in, words
from tests.integration.passes import run_all
from tests.integration.workplace import NOW, add_agent, add_clock, add_conversation, events, field
from tests.webhooks import whatsapp_body, whatsapp_message, whatsapp_revocation
from worker import steps

REFUND = "This is the third time the parcel is late. I want my money back!"
PRAISE = "Great shop, thank you so much!"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def other(tenant_ids):
    return tenant_ids["other"]


@pytest.fixture
def ann(owner, acme):
    return add_visitor(owner, acme, email=f"ann-{uuid4().hex[:8]}@example.com")


@pytest.fixture
def visit(app, owner, acme):
    """Somebody of a role, signed in: visit("auditor")."""

    def make(role="agent", *, tenant_id=None, user_id=None):
        return signed_in(app, user_id or add_visitor(owner, tenant_id or acme, role=role))

    return make


@pytest.fixture
def analyzed(deps, receive, times, owner):
    """A message that went the whole way; returns (conversation id, message id)."""

    def make(text=REFUND, **more):
        (ref,) = receive(whatsapp_body(whatsapp_message(text, timestamp=next(times), **more)))
        run_all(deps, ref)
        (conversation_id,) = owner.execute(
            "SELECT conversation_id::text FROM message WHERE id = %s", (ref.message_id,)
        ).fetchone()
        return conversation_id, ref.message_id

    return make


def email_of(owner, user_id):
    return owner.execute("SELECT email FROM app_user WHERE id = %s", (user_id,)).fetchone()[0]


def rows_of(page):
    """Ids of the conversations in a list, as they stand there."""
    return re.findall(r'href="/conversations/([0-9a-f-]+)"', page.text)


# Signing in


def test_a_person_signs_in_and_comes_to_where_they_wanted(app, owner, ann):
    stranger = ConsoleVisitor(app)
    asked = stranger.get("/inbox", queue="support")
    assert asked.status_code == 302 and parse_qs(urlsplit(asked.location).query) == {"next": ["/inbox?queue=support"]}
    answer = stranger.sign_in(email_of(owner, ann).upper(), back="/inbox?queue=support")
    assert (answer.status_code, answer.location) == (302, "/inbox?queue=support")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert stranger.get("/inbox").status_code == 200


@pytest.mark.parametrize("password", ["", "wrong", "x" * 5000, "correct horse battery staple ", "\x00", "ç🙂"])
def test_a_wrong_password_is_said_and_lets_nobody_in(app, owner, ann, password):
    stranger = ConsoleVisitor(app)
    answer = stranger.sign_in(email_of(owner, ann), password)
    assert answer.status_code == 401 and "E-mail or password is wrong." in answer.text
    assert stranger.get("/inbox").status_code == 302


@pytest.mark.parametrize(
    "email", ["nobody@example.com", "", "\x00", "'; DROP TABLE app_user; --", "\u202eevil@example.com", "x" * 5000]
)
def test_nobody_of_that_name_is_answered_like_a_wrong_password(app, owner, ann, email):
    answer = ConsoleVisitor(app).sign_in(email)
    assert answer.status_code == 401 and "E-mail or password is wrong." in answer.text


def test_too_many_tries_have_to_wait_and_colleagues_of_a_similar_name_do_not(app, owner, acme):
    name = f"reception-{uuid4().hex[:8]}"
    one, two = (add_visitor(owner, acme, email=f"{name}-{number}@example.com") for number in (1, 2))
    stranger = ConsoleVisitor(app)
    for _ in range(PER_PREFIX):
        assert stranger.sign_in(email_of(owner, one), "wrong").status_code == 401
    refused = stranger.sign_in(email_of(owner, one))
    assert refused.status_code == 429 and "Too many tries" in refused.text
    assert ConsoleVisitor(app).sign_in(email_of(owner, two)).location == "/inbox"


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t\\evil.example", "/\t/evil.example",
        "/\n/evil.example", "/\r\nSet-Cookie: a=b", "javascript:alert(1)", "https:evil.example", " //evil.example", "///evil.example",
        "inbox", "", "/\x00/evil.example",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere_by_signing_in_or_choosing_a_language(app, owner, ann, back):
    stranger = ConsoleVisitor(app)
    answer = stranger.sign_in(email_of(owner, ann), back=back)
    assert (answer.status_code, answer.location) == (302, "/inbox")
    stranger.get("/inbox")
    assert stranger.post("/look", follow=False, next=back, language="de").location == "/inbox"


def test_a_session_ends_by_signing_out_everywhere_it_was_copied_to(app, visit):
    person, copy = visit(), ConsoleVisitor(app)
    with person.client.session_transaction() as session, copy.client.session_transaction() as copied:
        copied.update(session)
    assert copy.get("/inbox").status_code == 200
    assert person.post("/sign-out", follow=False).location == "/sign-in"
    assert person.get("/inbox").status_code == copy.get("/inbox").status_code == 302


def test_a_session_ends_when_its_person_is_switched_off(visit, owner, ann):
    person = visit(user_id=ann)
    owner.execute("UPDATE app_user SET disabled_at = now() WHERE id = %s", (ann,))
    assert person.get("/inbox").status_code == 302
    assert person.sign_in(email_of(owner, ann)).status_code == 401


@pytest.mark.parametrize(("column", "hours"), [("seen_at", REST_H), ("created_at", AGE_H)])
def test_a_session_ends_by_age(visit, owner, ann, column, hours):
    person = visit(user_id=ann)
    owner.execute(f"UPDATE web_session SET {column} = now() - make_interval(hours => %s, secs => -60)", (hours,))
    assert person.get("/inbox").status_code == 200
    owner.execute(f"UPDATE web_session SET {column} = now() - make_interval(hours => %s, secs => 60)", (hours,))
    assert person.get("/inbox").status_code == 302


def test_signing_in_gives_a_new_token_against_forged_forms(app, owner, ann):
    stranger = ConsoleVisitor(app)
    stranger.get("/sign-in")
    planted = stranger.token
    stranger.sign_in(email_of(owner, ann))
    assert stranger.get("/inbox") and stranger.token != planted


def test_without_a_role_anywhere_a_person_is_told_what_to_ask_for(app, owner, ann, visit):
    person = visit(user_id=ann)
    owner.execute("DELETE FROM membership WHERE user_id = %s", (ann,))
    assert person.get("/inbox").location == "/nowhere"
    told = person.get("/nowhere")
    assert told.status_code == 403 and "earshot user add" in told.text


# Forged forms


@pytest.mark.parametrize("token", [None, "", "x", "ç", "\x00"])
@pytest.mark.parametrize(
    "path", ["/sign-in", "/sign-out", "/look", "/tenant", "/inbox", "/conversations/{id}/do", "/conversations/{id}/correct", "/conversations/{id}/reanalyze"]
)  # fmt: skip
def test_a_form_that_another_site_made_does_nothing(visit, owner, acme, path, token):
    person, one = visit("admin"), add_conversation(owner, acme)
    fields = {"deed": "resolve", "conversation": one} | ({} if token is None else {"csrf_token": token})
    refused = person.client.post(path.format(id=one), data=fields)
    assert refused.status_code == 400 and "The form is no longer valid." in refused.text
    assert field(owner, one, "state") == "open" and person.get("/inbox").status_code == 200


def test_pages_may_run_nothing_from_elsewhere_and_are_kept_nowhere(visit):
    answer = visit().get("/inbox")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|javascript:", answer.text)


# Tenants


def test_a_person_of_two_tenants_works_in_the_one_they_choose(visit, owner, acme, other, ann):
    owner.execute("INSERT INTO membership (tenant_id, user_id, role) VALUES (%s, %s, 'auditor')", (other, ann))
    here, there = add_conversation(owner, acme), add_conversation(owner, other)
    person = visit(user_id=ann)
    assert rows_of(person.get("/inbox")) == [here]
    assert rows_of(person.post("/tenant", tenant_id=other)) == [there]
    # Their role is that of the tenant they are in.
    person.post("/inbox", conversation=there, deed="claim")
    assert field(owner, there, "assignee_id") is None
    assert person.get(f"/conversations/{here}").status_code == 404


@pytest.mark.parametrize("tenant", ["other", "", "0", "x", "9" * 40, "-1"])
def test_a_tenant_that_is_not_theirs_stays_closed(visit, owner, acme, other, tenant):
    person, mine = visit(), add_conversation(owner, acme)
    add_conversation(owner, other)
    assert rows_of(person.post("/tenant", tenant_id=other if tenant == "other" else tenant)) == [mine]


def test_nothing_of_another_tenant_is_shown_or_done(visit, owner, other, analyzed):
    mine, message = analyzed()
    stranger = visit("admin", tenant_id=other)
    unknown = str(uuid4())
    for one in (mine, unknown):
        for path in (f"/conversations/{one}", f"/conversations/{one}/sent/{message}"):
            answer = stranger.get(path)
            assert answer.status_code == 404 and "There is no such page, or it was erased." in answer.text
            assert "parcel" not in answer.text and "Ada" not in answer.text
        stranger.post(f"/conversations/{one}/do", deed="resolve")
        stranger.post("/inbox", conversation=one, deed="resolve")
        correcting = stranger.post(
            f"/conversations/{one}/correct", message=message, field="sentiment", value="positive"
        )
        assert correcting.status_code == 404
        assert stranger.post(f"/conversations/{one}/reanalyze", message=message).status_code == 404
    assert field(owner, mine, "state") == "open"
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,)
    assert owner.execute("SELECT count(*) FROM conversation_access").fetchone() == (0,)
    assert rows_of(stranger.get("/inbox")) == []


# Roles


def test_an_auditor_reads_all_and_changes_nothing(visit, owner, analyzed):
    one, message = analyzed()
    auditor = visit("auditor")
    page = auditor.get(f"/conversations/{one}")
    assert page.status_code == 200 and "parcel" in page.text
    for offer in ("Take it</button>", "Resolve</button>", "Is this wrong?", "Read this message again", "Snooze"):
        assert offer not in page.text
    version = field(owner, one, "version")
    for deed in ("claim", "resolve", "unassign", "reopen", "snooze", "transfer", "assign"):
        auditor.post(f"/conversations/{one}/do", deed=deed, queue="sales", email="nobody@example.com")
        auditor.post("/inbox", conversation=one, deed=deed)
    assert (
        auditor.post(f"/conversations/{one}/correct", message=message, field="sentiment", value="positive").status_code
        == 403
    )
    assert auditor.post(f"/conversations/{one}/reanalyze", message=message).status_code == 403
    assert (field(owner, one, "version"), events(owner, one)) == (version, [])
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,)


def test_an_agent_leaves_a_colleagues_alone_and_a_supervisor_does_not(visit, owner, acme):
    bob = add_agent(owner, acme)
    one = add_conversation(owner, acme, assignee_id=bob, assigned_at=NOW)
    agent = visit()
    assert "Resolve</button>" not in agent.get(f"/conversations/{one}").text
    for deed in ("resolve", "unassign", "snooze", "transfer"):
        refused = agent.post(f"/conversations/{one}/do", deed=deed, queue="sales")
        assert "It is a colleague’s." in refused.text
    assert "A colleague has taken it meanwhile." in agent.post(f"/conversations/{one}/do", deed="claim").text
    assert (
        "It is a colleague’s." in agent.post(f"/conversations/{one}/do", deed="assign", email=email_of(owner, bob)).text
    )
    assert agent.post(f"/conversations/{one}/reanalyze").status_code == 403
    assert (field(owner, one, "assignee_id"), events(owner, one)) == (bob, [])
    visit("supervisor").post(f"/conversations/{one}/do", deed="resolve")
    assert field(owner, one, "state") == "resolved"


# The inbox


def test_filters_show_what_they_say_and_nonsense_in_them_is_left_out(visit, owner, acme, ann):
    urgent = add_conversation(owner, acme, priority="P1", queue="senior")
    mine = add_conversation(owner, acme, priority="P2", queue="sales", assignee_id=ann, assigned_at=NOW)
    done = add_conversation(owner, acme, state="resolved", resolved_at=NOW)
    person = visit(user_id=ann)
    assert rows_of(person.get("/inbox")) == [urgent, mine]
    assert rows_of(person.get("/inbox", queue="sales")) == [mine]
    assert rows_of(person.get("/inbox", priority="P1")) == [urgent]
    assert rows_of(person.get("/inbox", assignee="me")) == [mine]
    assert rows_of(person.get("/inbox", assignee="none")) == [urgent]
    assert rows_of(person.get("/inbox", state="resolved")) == [done]
    for nonsense in (
        {"priority": "P9"},
        {"queue": "<script>"},
        {"assignee": "0x1"},
        {"state": "\x00"},
        {"cursor": "%%"},
        {"tag": "\x00"},
    ):
        page = person.get("/inbox", **nonsense)
        assert page.status_code == 200 and rows_of(page) == [urgent, mine]
    empty = person.get("/inbox", queue="engineering")
    assert "Nothing waits here." in empty.text and "Messages stand here within seconds" in empty.text


def test_pages_hold_fifty_and_go_on_where_the_last_one_ended(visit, owner, acme):
    all_of_them = [add_conversation(owner, acme, minutes_ago=200 - number) for number in range(53)]
    person = visit()
    first = person.get("/inbox", priority="P3")
    (more,) = re.findall(r'<a href="([^"]*cursor=[^"]*)"', first.text)
    second = person.get(unescape(more))
    assert len(rows_of(first)) == 50 and rows_of(first) + rows_of(second) == all_of_them
    assert "priority=P3" in more and "To the top" in second.text
    assert not re.search(r'cursor=[^"]*">More<', second.text)


def test_counts_and_marks_say_how_it_stands_in_words(visit, owner, acme):
    late = add_conversation(owner, acme, priority="P1", queue="senior")
    add_clock(owner, acme, late, due_in_min=-5)
    text = words(visit().get("/inbox"))
    assert "senior 1 ! 1 urgent" in text and "overdue" in text and "not read yet" in text


def test_what_was_chosen_is_changed_together_and_what_may_not_be_is_counted(visit, owner, acme, ann):
    bob = add_agent(owner, acme)
    free = [add_conversation(owner, acme) for _ in range(2)]
    taken = add_conversation(owner, acme, assignee_id=bob, assigned_at=NOW)
    person = visit(user_id=ann)
    said = person.post(
        "/inbox?queue=support", conversation=[*free, taken, str(uuid4()), "x", "", free[0].upper()], deed="claim"
    )
    assert "2 conversations changed. 2 could not be." in said.text and said.request.full_path == "/inbox?queue=support"
    assert [field(owner, one, "assignee_id") for one in (*free, taken)] == [ann, ann, bob]
    assert "2 conversations changed." in person.post("/inbox", conversation=free, deed="resolve").text
    assert [field(owner, one, "state") for one in (*free, taken)] == ["resolved", "resolved", "open"]
    for nothing in ("", "delete", "assign"):
        person.post("/inbox", conversation=taken, deed=nothing)
    assert events(owner, taken) == []


# One conversation


def test_a_conversation_is_taken_put_away_handed_over_resolved_and_opened_again(visit, owner, acme, ann):
    one = add_conversation(owner, acme)
    person = visit(user_id=ann)
    path = f"/conversations/{one}"
    assert "It is yours." in person.post(f"{path}/do", deed="claim").text
    for deed, more in [("snooze", {"for": "4h"}), ("resolve", {}), ("reopen", {}), ("transfer", {"queue": "sales"})]:
        assert person.post(f"{path}/do", deed=deed, **more).status_code == 200
    assert events(owner, one) == ["claimed", "snoozed", "resolved", "reopened", "transferred"]
    assert "There is no such queue." in person.post(f"{path}/do", deed="transfer", queue="nowhere").text
    boss = visit("supervisor")
    assert "There is no such colleague." in boss.post(f"{path}/do", deed="assign", email="nobody@example.com").text
    boss.post(f"{path}/do", deed="assign", email=email_of(owner, ann))
    assert field(owner, one, "assignee_id") == ann
    assert person.post(f"{path}/do", deed="delete").status_code == 422


def test_what_changed_since_the_page_was_read_is_decided_anew(visit, owner, acme):
    one = add_conversation(owner, acme)
    person = visit()
    (seen,) = re.findall(r'name="version" value="(\d+)"', person.get(f"/conversations/{one}").text)
    visit().post(f"/conversations/{one}/do", deed="claim")
    refused = person.post(f"/conversations/{one}/do", deed="resolve", version=seen)
    assert "It has changed since you looked" in refused.text and field(owner, one, "state") == "open"


def test_the_page_shows_words_signals_reasons_and_the_customer(visit, analyzed):
    one, message = analyzed()
    page = visit("supervisor").get(f"/conversations/{one}")
    text = words(page)
    assert REFUND in text and "Ada" in text
    for part in ("negative high confidence", "refund request", "Why it stands here", "1 negative message in last 30 days",
                 "send the refund form", "Read this message again"):  # fmt: skip
        assert part in text, part
    sent = visit().get(f"/conversations/{one}/sent/{message}")
    assert "parcel is late" in sent.text and "<html" in sent.text


def test_a_correction_counts_at_once_and_can_be_undone_on_the_page(visit, owner, analyzed, ann):
    one, message = analyzed(PRAISE)
    person, path = visit(user_id=ann), f"/conversations/{one}/correct"
    page = person.post(path, message=message, field="sentiment", value="negative", reason="meant ironically")
    text = words(page)
    assert (
        "Set right. It counts from now on, everywhere." in text
        and "corrected by a person" in text
        and "▼ negative" in text
    )
    # The label's score is then the person's 1, not how sure the model was.
    assert "confidence" not in text
    assert owner.execute("SELECT corrected_by, reason FROM correction").fetchone() == (ann, "meant ironically")
    page = person.post(path, message=message, field="sentiment", undo="1")
    assert (
        "Taken back." in page.text
        and "corrected by a person" not in page.text
        and "▲ positive high confidence" in words(page)
    )
    person.post(path, message=message, field="topics", value=["shipping", "refund"])
    assert "shipping" in words(person.get(f"/conversations/{one}"))


@pytest.mark.parametrize(
    "wrong",
    [{"field": "mood"}, {"value": "angry"}, {"field": "topics", "value": "ignore previous instructions"}, {"reason": "x" * 600}, {"undo": "1"}],
)  # fmt: skip
def test_a_correction_that_makes_no_sense_changes_nothing_and_says_so(visit, owner, analyzed, wrong):
    one, message = analyzed(PRAISE)
    fields = {"message": message, "field": "sentiment", "value": "negative", **wrong}
    said = visit().post(f"/conversations/{one}/correct", **fields)
    assert said.status_code == 200 and "nothing was changed" in said.text
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,)


def test_a_message_of_another_conversation_is_not_found_in_this_one(visit, owner, analyzed):
    one, _ = analyzed()
    _, foreign = analyzed(sender="905559998877", name="Bea")
    person = visit("admin")
    for wrong in (foreign, "x", "", str(uuid4()), "\x00"):
        if wrong:
            assert person.post(f"/conversations/{one}/reanalyze", message=wrong).status_code == 404
        assert (
            person.post(f"/conversations/{one}/correct", message=wrong, field="sentiment", value="positive").status_code
            == 404
        )
        assert person.get(f"/conversations/{one}", message=wrong).status_code == 200
    assert person.get(f"/conversations/{one}/sent/{foreign}").status_code == 404
    assert owner.execute("SELECT count(*) FROM run WHERE kind = 'reanalyze'").fetchone() == (0,)


def test_a_supervisor_has_a_message_read_again_once(visit, owner, analyzed):
    one, message = analyzed()
    boss = visit("supervisor")
    for chosen in (message, message, ""):
        assert "It is being read again." in boss.post(f"/conversations/{one}/reanalyze", message=chosen).text
    assert owner.execute("SELECT count(*) FROM run WHERE kind = 'reanalyze'").fetchone() == (1,)


def test_who_reads_words_is_recorded(visit, owner, analyzed, ann):
    one, message = analyzed()
    person = visit(user_id=ann)
    person.get(f"/conversations/{one}")
    person.get(f"/conversations/{one}/sent/{message}")
    read = owner.execute(
        "SELECT conversation_id::text, by_user_id, messages FROM conversation_access ORDER BY id"
    ).fetchall()
    assert read == [(one, ann, 1), (one, ann, 1)]


def test_earlier_messages_are_a_page_away(visit, deps, owner, receive, times):
    for number in range(52):
        (ref,) = receive(whatsapp_body(whatsapp_message(f"message number {number}.", timestamp=next(times))))
        steps.minimize(deps, ref)
    (one,) = owner.execute("SELECT DISTINCT conversation_id::text FROM message").fetchone()
    person = visit()
    page = person.get(f"/conversations/{one}")
    assert "message number 2." in page.text and "message number 1." not in page.text
    (earlier,) = re.findall(r'<a href="([^"]*before=[^"]*)"', page.text)
    assert "message number 1." in person.get(unescape(earlier)).text
    assert person.get(f"/conversations/{one}", before="%%").status_code == 200


# Bad input


SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}"
BIDI = "\u202e\u2066evil\u202d"
LONG = "w" * 4096


@pytest.mark.parametrize(
    "hostile",
    [SCRIPT, BIDI, LONG, "</title></style><!--", "javascript:alert(1)"],
    ids=["script", "bidi", "long", "markup", "link"],
)
def test_hostile_words_are_inert_wherever_they_stand(visit, owner, acme, analyzed, hostile):
    one, message = analyzed()
    owner.execute("UPDATE message SET text = %s", (hostile,))
    owner.execute("UPDATE customer SET display_name = %s, tier = %s", (hostile, hostile[:60]))
    owner.execute("UPDATE message_analysis SET summary = %s", (hostile,))
    owner.execute("UPDATE tenant SET name = %s WHERE id = %s", (hostile[:100], acme))
    owner.execute("UPDATE egress SET minimized_text = %s", (hostile,))
    owner.execute(
        "INSERT INTO conversation_tag (tenant_id, conversation_id, tag, message_id) VALUES (%s, %s, %s, %s)",
        (acme, one, hostile[:60], message),
    )
    person = visit("supervisor")
    for path in ("/inbox", f"/conversations/{one}", f"/conversations/{one}/sent/{message}"):
        page = person.get(path)
        assert page.status_code == 200
        assert (
            page.text.count("<script") == page.text.count('<script src="/static/')
            and "<img" not in page.text
            and "<!--" not in page.text
            and "49" not in re.findall(r"`(\d+)", page.text)
        )
        assert page.text.count("</title>") == 1 and 'href="javascript' not in page.text
        # What turns direction stands alone in an element of its own, which ends it.
        for before, tag in re.findall(r"<(\w+[^>]*)>[^<]*(\u202e)", page.text):
            assert before.startswith(("bdi", "title", 'p class="message-text"', "pre")) or 'dir="auto"' in before, (
                before,
                tag,
            )


def test_what_its_author_took_back_is_gone_from_the_page(visit, receive, owner, times, analyzed):
    one, message = analyzed(message_id="wamid.GONE")
    receive(whatsapp_body(whatsapp_revocation("wamid.GONE", timestamp=next(times))))
    page = visit().get(f"/conversations/{one}")
    assert page.status_code == 200 and "taken back by its author" in page.text and "parcel" not in page.text
    assert "parcel" not in visit().get("/inbox").text


@pytest.mark.parametrize(
    "path",
    ["/no-such-page", "/conversations/x", "/conversations/{id}", "/conversations/{id}/sent/{id}", "/static/none.js"],
)
def test_what_is_not_there_is_said_on_a_page(visit, path):
    answer = visit().get(path.format(id=uuid4()))
    assert (
        answer.status_code == 404
        and "There is no such page, or it was erased." in answer.text
        and "To the inbox" in answer.text
    )


def test_an_erased_conversation_is_not_found(visit, owner, acme):
    one = add_conversation(owner, acme)
    owner.execute("DELETE FROM conversation WHERE id = %s", (one,))
    person = visit()
    assert person.get(f"/conversations/{one}").status_code == 404
    assert person.post(f"/conversations/{one}/do", deed="claim").status_code == 404


def test_without_the_database_people_see_a_page_and_programs_a_problem(app, visit):
    person = visit()
    app.extensions["database"].close()
    answer = person.get("/inbox")
    assert answer.status_code == 503 and "That did not work." in answer.text and answer.mimetype == "text/html"


# Languages


def test_the_console_speaks_the_browsers_language_until_another_is_chosen(app, visit):
    german = app.test_client().get("/sign-in", headers={"Accept-Language": "fr, de-AT;q=0.8, en;q=0.5"})
    assert '<html lang="de" dir="ltr"' in german.text and "Anmelden" in german.text
    person = visit()
    arabic = person.post("/look", language="ar", theme="dark", next="/inbox")
    assert '<html lang="ar" dir="rtl" data-theme="dark"' in arabic.text and "صندوق الوارد" in arabic.text
    for language, theme in (("xx", "neon"), ("../en", ""), ("", "\x00")):
        assert (
            '<html lang="ar" dir="rtl" data-theme="dark"' in person.post("/look", language=language, theme=theme).text
        )


def test_numbers_and_plurals_follow_the_language(visit, owner, acme):
    ones = [add_conversation(owner, acme) for _ in range(3)]
    person = visit()
    person.post("/look", language="ar")
    for count, said in (
        (0, "لم تتغير أي محادثة."),
        (1, "تغيّرت محادثة واحدة."),
        (2, "تغيّرت محادثتان."),
        (3, "تغيّرت 3 محادثات."),
    ):
        assert said in person.post("/inbox", conversation=ones[:count], deed="claim").text
