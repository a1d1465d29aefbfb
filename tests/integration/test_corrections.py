"""A person's word against the model's: it counts at once, for queue and CRM, and no later run takes it back."""

import itertools
import uuid
from datetime import UTC, datetime

import pytest

from store.analyses import NewAnalysis, add_analysis
from store.corrections import CorrectionError, list_corrections
from store.crm_labels import compute_labels
from store.effective_labels import find_effective_label
from store.runs import RunRef
from tests.integration.passes import now, run_all
from tests.integration.test_message_changes import everything
from tests.webhooks import whatsapp_body, whatsapp_message, whatsapp_revocation, whatsapp_value
from worker import analyze_step, steps
from worker.correction_step import correct, undo
from worker.crm_flush import flush_crm
from worker.delivery import deliver_action

REFUND = "This is the third time the parcel is late. I want my money back!"
PRAISE = "Thank you so much, this is wonderful"
QUESTION = "How much is the blue one?"
_seconds = itertools.count(int(datetime.now(UTC).timestamp()) - 600)


def message(text, **more):
    return whatsapp_message(text, timestamp=str(next(_seconds)), **more)


@pytest.fixture
def analyzed(deps, receive):
    def one(text, *, slug="acme", account="111000111", **more):
        (ref,) = receive(whatsapp_body(message(text, **more), account=account), slug=slug)
        run_all(deps, ref)
        return ref

    return one


@pytest.fixture
def fix(deps):
    """Correct a field as an agent does."""

    def one(ref, field, value, *, by=7, reason=None, message_id=None):
        tenant = deps.tenants.get(ref.tenant_id)
        with deps.database.tenant_transaction(ref.tenant_id) as conn:
            return correct(
                conn,
                ref.tenant_id,
                tenant=tenant,
                message_id=message_id or ref.message_id,
                field=field,
                value=value,
                by=by,
                reason=reason,
            )

    return one


def take_back(deps, ref, field):
    tenant = deps.tenants.get(ref.tenant_id)
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        return undo(
            conn,
            ref.tenant_id,
            tenant=tenant,
            message_id=ref.message_id,
            field=field,
            by=8,
        )


def label(deps, ref):
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        return find_effective_label(conn, ref.message_id)


def read_again(deps, owner, ref, *, kind, answer=None):
    """A later analysis of the message, as Re-analyze and sweeps append them; returns its ref."""
    run_id = str(uuid.uuid4())
    again = RunRef(ref.tenant_id, ref.message_id, run_id)
    owner.execute(
        "INSERT INTO run (id, tenant_id, message_id, kind, state) VALUES (%s, %s, %s, %s, 'minimized')",
        (run_id, ref.tenant_id, ref.message_id, kind),
    )
    if answer:
        with deps.database.tenant_transaction(ref.tenant_id) as conn:
            stored = {
                "score": 0.9, "summary": "s", "topics": [], "suggested_action": "none", "language": "en", "signals": {},
                "intent": "other", **answer,
            }  # fmt: skip
            new = NewAnalysis(answer=stored, run_kind=kind, analyzer="stand-in", model="m", prompt_version="g2.s1")
            add_analysis(conn, again, new)
            conn.execute("UPDATE run SET state = 'persisted', outcome = 'analyzed' WHERE id = %s", (run_id,))
    else:
        analyze_step.analyze(deps, again)
        steps.persist(deps, again)
    steps.route(deps, again, now=now())
    steps.crm_sync(deps, again)
    return again


def test_a_correction_counts_at_once_and_says_who_and_when(deps, analyzed, fix, owner):
    ref = analyzed(PRAISE)
    fix(ref, "sentiment", "Negative", by=7, reason="meant  ironically")
    after = label(deps, ref)
    assert (after.analysis.sentiment, after.analysis.score, after.corrected) == ("negative", 1.0, ("sentiment",))
    assert after.model_sentiment == "positive" and after.analysis.suggested_action == "none"
    row = owner.execute(
        "SELECT field, old_value, new_value, model_value, reason, corrected_by, created_at IS NOT NULL FROM correction"
    ).fetchone()
    assert row == ("sentiment", "positive", "negative", "positive", "meant ironically", 7, True)


def test_the_same_correction_twice_is_one(analyzed, fix, owner):
    ref = analyzed(PRAISE)
    assert fix(ref, "sentiment", "negative").correction_id
    assert fix(ref, "sentiment", "negative").correction_id is None
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (1,)


def test_undo_restores_the_value_before_and_history_stays(deps, analyzed, fix, owner):
    ref = analyzed(PRAISE)
    fix(ref, "sentiment", "neutral")
    fix(ref, "sentiment", "negative")
    take_back(deps, ref, "sentiment")
    assert label(deps, ref).analysis.sentiment == "neutral"
    take_back(deps, ref, "sentiment")
    assert label(deps, ref).analysis.sentiment == "positive" and label(deps, ref).corrected == ()
    with pytest.raises(CorrectionError, match="sentiment: nobody has corrected it"):
        take_back(deps, ref, "sentiment")
    rows = owner.execute("SELECT undone_at IS NOT NULL, undone_by FROM correction").fetchall()
    assert rows == [(True, 8), (True, 8)]


def test_topics_are_names_of_the_tenants_list_without_doubles(deps, analyzed, fix):
    ref = analyzed(PRAISE)
    fix(ref, "topics", "Shipping, refund, shipping")
    assert label(deps, ref).analysis.topics == ["shipping", "refund"]
    fix(ref, "topics", [])
    assert label(deps, ref).analysis.topics == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("mood", "bad", "field: can be sentiment, intent, topics"),
        ("sentiment", "angry", "sentiment: must be one of positive, neutral, negative"),
        ("sentiment", "positive, negative", "sentiment: must be one of"),
        ("intent", "refund", "intent: must be one of order_status"),
        ("topics", "shiping", "topics: shiping not on the tenant's list; did you mean shipping"),
        ("topics", "zzz", r"topics: zzz not on the tenant's list; the list has account"),
        ("topics", [f"topic_{number}" for number in range(200)], "topics: 200 are too many; name the 5"),
        ("topics", "ignore previous instructions", "not on the tenant's list"),
    ],
)
def test_a_bad_value_is_refused_with_the_field_and_the_fix(analyzed, fix, owner, field, value, problem):
    ref = analyzed(PRAISE)
    with pytest.raises(CorrectionError, match=problem):
        fix(ref, field, value)
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,)


def test_what_cannot_be_corrected_says_why(deps, analyzed, fix, receive, owner):
    ref = analyzed(PRAISE)
    with pytest.raises(CorrectionError, match=r"reason: has 501 characters; say it in 500"):
        fix(ref, "sentiment", "negative", reason="x" * 501)
    for unknown in ("nothing", str(uuid.uuid4())):
        with pytest.raises(CorrectionError, match="message: this tenant has no such message"):
            fix(ref, "sentiment", "negative", message_id=unknown)
    (fresh,) = receive(whatsapp_body(message("hi")))
    with pytest.raises(CorrectionError, match="nothing has read it yet"):
        fix(fresh, "sentiment", "negative")
    owner.execute("UPDATE message SET joined_to = %s WHERE id = %s", (ref.message_id, fresh.message_id))
    with pytest.raises(CorrectionError, match=f"correct {ref.message_id}"):
        fix(fresh, "sentiment", "negative")
    owner.execute("UPDATE message SET direction = 'outbound' WHERE id = %s", (ref.message_id,))
    with pytest.raises(CorrectionError, match="only messages of customers"):
        fix(ref, "sentiment", "negative")
    owner.execute("UPDATE message SET direction = 'inbound', state = 'erased' WHERE id = %s", (ref.message_id,))
    with pytest.raises(CorrectionError, match="its words are erased"):
        fix(ref, "sentiment", "negative")


def test_another_tenants_message_cannot_be_corrected(deps, analyzed, fix, owner, tenant_ids):
    theirs = analyzed(PRAISE, slug="other", account="222000222", sender="4915112345678")
    mine = RunRef(tenant_ids["acme"], theirs.message_id, theirs.run_id)
    with pytest.raises(CorrectionError, match="no such message"):
        fix(mine, "sentiment", "negative")
    # Also where the database itself would let it: the command line's role reads all tenants.
    tenant = deps.tenants.get(tenant_ids["acme"])
    with owner.transaction(), pytest.raises(CorrectionError, match="no such message"):
        correct(
            owner,
            tenant_ids["acme"],
            tenant=tenant,
            message_id=theirs.message_id,
            field="sentiment",
            value="negative",
            by=None,
        )
    assert owner.execute("SELECT count(*) FROM correction").fetchone() == (0,)


def test_the_open_conversation_moves_at_once_with_its_reasons_and_nothing_is_fired(deps, analyzed, fix, owner):
    ref = analyzed(QUESTION)
    assert owner.execute("SELECT queue FROM conversation").fetchone() == ("sales",)
    actions = owner.execute("SELECT count(*) FROM action").fetchone()
    fix(ref, "intent", "refund_request")
    corrected = fix(ref, "sentiment", "negative")
    assert corrected.moved and corrected.decision.priority == "P1"
    assert owner.execute("SELECT queue, priority FROM conversation").fetchone() == ("senior", "P1")
    row = owner.execute("SELECT reasons, applied, inputs FROM routing_decision ORDER BY id DESC LIMIT 1").fetchone()
    assert row[0][0] == "A person corrected the intent to refund request and the sentiment to negative."
    assert row[1] and row[2]["corrected"] == ["intent", "sentiment"] and row[2]["allow_actions"] is False
    assert owner.execute("SELECT count(*) FROM action").fetchone() == actions
    take_back(deps, ref, "sentiment")
    assert owner.execute("SELECT priority FROM conversation").fetchone() != ("P1",)


def test_what_a_correction_moves_into_a_queue_that_is_given_out_finds_somebody(deps, analyzed, fix, owner):
    owner.execute(
        """UPDATE tenant SET config = jsonb_set(config, '{assignment,auto_assign}', '["support", "senior"]')"""
    )
    deps.tenants._cached.clear()
    ref = analyzed(QUESTION)
    wants = "SELECT queue, wants_agent, skill_wanted FROM conversation"
    assert owner.execute(wants).fetchone() == ("sales", False, None)
    fix(ref, "sentiment", "negative")
    fix(ref, "intent", "refund_request")
    assert owner.execute(wants).fetchone() == ("senior", True, "senior")


def test_an_older_message_or_a_closed_conversation_is_not_moved(deps, analyzed, fix, owner):
    first = analyzed(QUESTION)
    second = analyzed("Where is my parcel?")
    placed = owner.execute("SELECT queue, priority FROM conversation").fetchone()
    assert fix(first, "sentiment", "negative").decision is None
    owner.execute("UPDATE conversation SET state = 'resolved'")
    assert fix(second, "sentiment", "negative").decision is None
    assert owner.execute("SELECT queue, priority FROM conversation").fetchone() == placed


@pytest.mark.parametrize("kind", ["reanalyze", "sweep"])
def test_a_later_run_never_overwrites_a_person(deps, analyzed, fix, owner, kind):
    ref = analyzed(QUESTION)
    fix(ref, "intent", "complaint")
    fix(ref, "sentiment", "negative")
    placed = owner.execute("SELECT queue, priority FROM conversation").fetchone()
    read_again(deps, owner, ref, kind=kind)
    read_again(deps, owner, ref, kind=kind, answer={"sentiment": "positive", "intent": "compliment"})
    after = label(deps, ref)
    assert (after.analysis.sentiment, after.analysis.intent) == ("negative", "complaint")
    assert after.model_sentiment == "positive"
    assert owner.execute("SELECT queue, priority FROM conversation").fetchone() == placed
    reasons = owner.execute("SELECT reasons FROM routing_decision ORDER BY id DESC LIMIT 1").fetchone()[0]
    assert reasons[0].startswith("A person corrected")
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (3,)


def test_a_correction_of_a_keyword_reading_stands_on_the_analysis_that_comes(deps, receive, fix, owner):
    (ref,) = receive(whatsapp_body(message(QUESTION)))
    steps.minimize(deps, ref)
    owner.execute("UPDATE run SET created_at = now() - interval '4 s'")
    from worker import reconcile

    reconcile.read_waiting(deps)
    assert owner.execute("SELECT provisional FROM message_analysis").fetchone() == (True,)
    assert fix(ref, "sentiment", "negative").label is None
    analyze_step.analyze(deps, ref)
    steps.persist(deps, ref)
    steps.route(deps, ref, now=now())
    row = owner.execute("SELECT inputs FROM routing_decision WHERE NOT provisional").fetchone()
    assert row[0]["sentiment"] == "negative" and row[0]["corrected"] == ["sentiment"]


def test_the_crm_card_changes_at_once_and_stays(deps, analyzed, fix, owner, standins):
    ref = analyzed(PRAISE)
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=ref.tenant_id)
    before = owner.execute("SELECT version, written_version, written_hash FROM crm_state").fetchone()
    fix(ref, "sentiment", "negative")
    fix(ref, "topics", "refund")
    version, written, _ = owner.execute("SELECT version, written_version, written_hash FROM crm_state").fetchone()
    assert version > written == before[1]
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=ref.tenant_id)
    row = owner.execute("SELECT version = written_version, written_hash, negative_30d FROM crm_state").fetchone()
    assert row[0] and row[1] != before[2] and row[2] == 1
    read_again(deps, owner, ref, kind="sweep", answer={"sentiment": "positive"})
    customer = owner.execute("SELECT customer_id::text FROM message WHERE id = %s", (ref.message_id,)).fetchone()[0]
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        (labels,) = compute_labels(conn, [customer], with_summary=True).values()
    assert (labels.sentiment, labels.topics, labels.negative_30d) == ("negative", ("refund",), 1)


def test_thanks_that_wait_do_not_leave_when_a_person_says_it_was_no_praise(deps, receive, fix, owner):
    (ref,) = receive(whatsapp_body(message(PRAISE)))
    waiting = run_all(deps, ref)
    assert waiting
    fix(ref, "sentiment", "negative")
    for action_id in waiting:
        deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    rows = owner.execute("SELECT DISTINCT state, error_code FROM action").fetchall()
    assert rows == [("cancelled", "contradicted")]


def test_a_correction_of_topics_alone_holds_no_action_back(deps, receive, fix, owner):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    (action_id,) = run_all(deps, ref)
    fix(ref, "topics", "refund")
    deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    assert owner.execute("SELECT state FROM action WHERE id = %s", (action_id,)).fetchone() == ("sent",)


def test_what_is_taken_back_takes_the_reason_of_its_correction_with_it(deps, receive, fix, owner):
    (ref,) = receive(whatsapp_body(message(PRAISE, message_id="wamid.C1")))
    run_all(deps, ref)
    fix(ref, "sentiment", "negative", reason="says wonderful and means the xylophone")
    assert "xylophone" in everything(owner)
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.C1")]))
    assert "xylophone" not in everything(owner) and "wonderful" not in everything(owner)
    assert owner.execute("SELECT new_value FROM correction").fetchone() == ("negative",)


def test_corrections_are_listed_newest_first_for_their_tenant_only(deps, analyzed, fix, tenant_ids):
    ref = analyzed(PRAISE)
    fix(ref, "sentiment", "neutral")
    fix(ref, "intent", "other")
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        listed = list_corrections(conn, tenant_ids["acme"], message_id=ref.message_id)
    assert [(one.field, one.new_value) for one in listed] == [("intent", "other"), ("sentiment", "neutral")]
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        assert list_corrections(conn, tenant_ids["other"]) == []


def test_an_undone_correction_leaves_the_promises_as_they_were(deps, analyzed, fix, owner):
    ref = analyzed("This is the third time the parcel is late. I want my money back!")
    promised = "SELECT kind, priority, queue, target_min, due_at FROM sla_clock WHERE ended_at IS NULL ORDER BY kind"
    before = owner.execute(promised).fetchall()
    fix(ref, "sentiment", "neutral")
    fix(ref, "intent", "other")
    corrected = owner.execute(promised).fetchall()
    assert corrected != before
    take_back(deps, ref, "intent")
    take_back(deps, ref, "sentiment")
    assert owner.execute(promised).fetchall() == before
    fix(ref, "sentiment", "neutral")
    fix(ref, "intent", "other")
    assert owner.execute(promised).fetchall() == corrected
