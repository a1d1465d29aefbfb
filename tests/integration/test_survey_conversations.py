"""From praise to a score that counts: invitations, taps and numbers, and where the answers go."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from store.crm_labels import compute_labels
from store.merging import merge_customers
from store.runs import RunRef
from store.survey_invitations import plan_csat_invite
from tests.integration.passes import now, run_all
from tests.integration.surveying import PRAISE, QUESTION, Shop, configure, deliver, seconds
from tests.webhooks import (
    whatsapp_body,
    whatsapp_echo,
    whatsapp_edit,
    whatsapp_message,
    whatsapp_revocation,
    whatsapp_value,
)
from worker import reconcile, steps


@pytest.fixture
def shop(deps, receive, owner):
    return Shop(deps, receive, owner)


@pytest.fixture
def with_csat(owner, deps):
    configure(owner, deps, "{actions,send_csat_invite}", '{"enabled": true}')


@pytest.fixture
def sent(standins):
    url = f"{standins['graph']}/_sends"
    before = len(httpx2.get(url).json())
    return lambda: [send["body"] for send in httpx2.get(url).json()[before:]]


def conversation(owner):
    return owner.execute("SELECT state, queue, priority FROM conversation").fetchone()


def test_a_typed_number_answers_the_invitation_and_needs_nobody(shop, owner):
    shop.write(PRAISE)
    assert shop.actions("send_nps_invite") == ["sent"]
    ref = shop.write("9", at=1)
    assert shop.answers() == [("nps", 9, False)]
    assert shop.decision(ref) == ("P4", "auto", "survey_score")
    assert conversation(owner)[0] == "resolved"
    assert owner.execute("SELECT count(*) FROM action WHERE message_id = %s", (ref.message_id,)).fetchone() == (0,)
    counted = owner.execute(
        "SELECT count(*) FROM message_analysis WHERE message_id = %s AND run_kind = 'initial' AND NOT provisional",
        (ref.message_id,),
    ).fetchone()
    assert counted == (1,)


def test_a_quick_reply_on_instagram_is_read_by_its_payload(shop):
    shop.write_on_instagram(PRAISE, mid="m1")
    shop.write_on_instagram("Ten!!", mid="m2", payload="nps:10", at=1)
    assert shop.answers() == [("nps", 10, False)]


def test_csat_is_a_list_of_five_on_whatsapp_and_its_row_is_the_answer(shop, with_csat, sent):
    ref = shop.write(QUESTION)
    shop.resolve(ref)
    rows = sent()[-1]["interactive"]["action"]["sections"][0]["rows"]
    assert [row["id"] for row in rows] == [f"csat:{score}" for score in range(1, 6)]
    answer = shop.tap("csat:4", "4", at=1)
    assert shop.answers() == [("csat", 4, False)]
    assert shop.decision(answer) == ("P4", "auto", "survey_score")


def test_a_button_reply_is_read_like_a_row(shop, with_csat):
    shop.resolve(shop.write(QUESTION))
    shop.tap("csat:5", "5", kind="button_reply", at=1)
    assert shop.answers() == [("csat", 5, False)]


@pytest.mark.parametrize(("reply", "rule"), [("3", "survey_detractor"), ("6", "survey_detractor")])
def test_an_unhappy_score_goes_to_customer_success(shop, owner, reply, rule):
    shop.write(PRAISE)
    ref = shop.write(reply, at=1)
    assert shop.decision(ref) == ("P3", "customer_success", rule)
    assert conversation(owner) == ("open", "customer_success", "P3")
    (reasons,) = owner.execute(
        "SELECT reasons FROM routing_decision WHERE message_id = %s", (ref.message_id,)
    ).fetchone()
    assert reasons[0].startswith(f"The customer answers our NPS question with {reply} of 10")


def test_an_unhappy_score_with_words_goes_to_customer_success_too(shop):
    shop.write(PRAISE)
    ref = shop.write("4, the parcel came late", at=1)
    assert shop.answers() == [("nps", 4, True)]
    priority, queue, _ = shop.decision(ref)
    assert queue == "customer_success" and priority <= "P3"


def test_words_of_danger_beside_a_score_still_raise_it(shop):
    shop.write(PRAISE)
    ref = shop.write("9, but my lawyer will sue you", at=1)
    assert shop.answers() == [("nps", 9, True)]
    assert shop.decision(ref)[:2] == ("P1", "senior")


def test_the_answer_brings_no_second_thanks_and_no_second_invitation(shop):
    shop.write(PRAISE)
    shop.write("10, thank you so much, this is wonderful", at=1)
    assert shop.answers() == [("nps", 10, False)] or shop.answers() == [("nps", 10, True)]
    assert shop.actions("send_nps_invite") == ["sent"]
    assert shop.actions("close_with_thanks") == ["sent"]


def test_a_low_score_alone_is_no_negative_message(shop, owner, deps):
    ref = shop.write(PRAISE)
    bare = shop.write("0", at=1)
    owner.execute(
        "UPDATE message_analysis SET sentiment = 'negative', score = 0.99 WHERE message_id = %s", (bare.message_id,)
    )
    (customer_id,) = owner.execute("SELECT id::text FROM customer").fetchone()
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        labels = compute_labels(conn, [customer_id], with_summary=False)[customer_id]
    assert (labels.sentiment, labels.negative_30d) == ("positive", 0)


def test_a_number_that_means_something_else_stays_an_ordinary_message(shop):
    shop.write(PRAISE)
    ref = shop.write("I waited 9 days", at=1)
    assert shop.answers() == []
    assert not shop.decision(ref)[2].startswith("survey")


def test_a_number_after_a_persons_question_answers_that_question(shop, receive, deps):
    shop.write(PRAISE, at=-2)
    receive(whatsapp_echo("How many do you need?", timestamp=seconds(1)))
    reconcile.place_waiting(deps)
    shop.write("9", at=2)
    assert shop.answers() == []
    shop.write("9/10", at=3)
    assert shop.answers() == [("nps", 9, False)]


def test_a_number_that_quotes_another_message_is_no_score(shop, owner):
    shop.write(PRAISE)
    shop.write("9", at=1, context={"id": "wamid.SOMETHING"})
    assert shop.answers() == []
    (provider_id,) = owner.execute("SELECT provider_message_id FROM action WHERE kind = 'send_nps_invite'").fetchone()
    shop.write("8", at=2, context={"id": provider_id})
    assert shop.answers() == [("nps", 8, False)]


def test_without_an_invitation_a_number_is_a_number(shop):
    shop.write("9")
    assert shop.answers() == []


def test_an_answer_that_comes_too_late_is_an_ordinary_message(shop, owner):
    shop.write(PRAISE)
    owner.execute("UPDATE action SET sent_at = sent_at - interval '73 hours' WHERE kind = 'send_nps_invite'")
    ref = shop.write("9", at=1)
    assert shop.answers() == []
    assert not shop.decision(ref)[2].startswith("survey")


def test_an_invitation_that_may_have_arrived_can_be_answered(shop, owner):
    shop.write(PRAISE)
    owner.execute("UPDATE action SET state = 'uncertain', provider_message_id = NULL WHERE kind = 'send_nps_invite'")
    shop.write("9", at=1)
    assert shop.answers() == [("nps", 9, False)]


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired", "shadow"])
def test_an_invitation_that_never_arrived_can_not_be_answered(shop, owner, state):
    shop.write(PRAISE)
    owner.execute("UPDATE action SET state = %s WHERE kind = 'send_nps_invite'", (state,))
    shop.write("9", at=1)
    assert shop.answers() == []


def standing(owner):
    return owner.execute("SELECT score FROM survey_answer ORDER BY sent_at DESC, message_id DESC LIMIT 1").fetchone()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_score_by_the_providers_time_stands_in_any_order_of_arrival(shop, deps, receive, owner, order):
    shop.write(PRAISE)
    bodies = [
        whatsapp_body(whatsapp_message(text, timestamp=seconds(at), message_id=f"wamid.S{at}"))
        for text, at in (("3", 10), ("9", 20))
    ]
    for number in order:
        (ref,) = receive(bodies[number])
        run_all(deps, ref)
        assert receive(bodies[number]) == []  # again
    assert standing(owner) == (9,)
    assert len(shop.answers()) == 2


def test_of_two_open_questions_a_tap_answers_its_own_and_a_number_the_newest(shop, owner, with_csat):
    shop.write(PRAISE)
    ref = shop.write(QUESTION, at=1)
    shop.resolve(ref)
    owner.execute("UPDATE action SET sent_at = sent_at - interval '3 seconds' WHERE kind = 'send_nps_invite'")
    shop.tap("nps:9", "9", at=2)
    shop.write("4", at=3)
    shop.write("9", at=4)  # no score of CSAT
    assert shop.answers() == [("nps", 9, False), ("csat", 4, False)]


def test_the_reason_is_asked_once_and_its_answer_is_the_comment(shop, owner, deps, sent):
    configure(owner, deps, "{surveys}", '{"nps": {"ask_reason": true}}')
    shop.write(PRAISE)
    shop.write("9", at=1)
    assert shop.actions("ask_survey_reason") == ["sent"]
    assert sent()[-1]["text"]["body"] == "Thank you. What is the main reason for your score?"
    shop.write("8", at=2)
    assert shop.actions("ask_survey_reason") == ["sent"]
    ref = shop.write("Your courier is always friendly", at=3)
    assert shop.answers() == [("nps", 9, False), ("nps", 8, False), ("nps", None, True)]
    assert owner.execute("SELECT is_survey_answer FROM message WHERE id = %s", (ref.message_id,)).fetchone() == (False,)
    shop.write("Another thing: do you open on Sunday?", at=4)
    assert len(shop.answers()) == 3


def test_nobody_is_asked_for_a_reason_that_stands_beside_the_score(shop, owner, deps):
    configure(owner, deps, "{surveys}", '{"nps": {"ask_reason": true}}')
    shop.write(PRAISE)
    shop.write("9, the courier is friendly", at=1)
    assert shop.actions("ask_survey_reason") == []


def test_a_message_taken_back_takes_its_answer_back(shop, receive, owner):
    shop.write(PRAISE)
    shop.write("9", at=1)
    shop.write("2, all wrong", at=2, message_id="wamid.BACK")
    receive(whatsapp_body(whatsapp_revocation("wamid.BACK", timestamp=seconds(3))))
    assert shop.answers() == [("nps", 9, False)]


def test_one_customer_is_invited_once_however_many_messages_come_at_once(shop, deps, receive, owner):
    refs = []
    for number in range(8):  # eight accounts of the shop, one customer
        account = f"33300033{number}"
        owner.execute(
            """
            INSERT INTO channel_account (tenant_id, kind, account_id, app_secrets, verify_token, access_token)
            SELECT tenant_id, kind, %s, app_secrets, verify_token, access_token
            FROM channel_account WHERE account_id = '111000111'
            """,
            (account,),
        )
        item = whatsapp_message(PRAISE, timestamp=seconds(number))
        (ref,) = receive(whatsapp_body(item, account=account))
        steps.minimize(deps, ref)
        refs.append(ref)
    from worker import analyze_step

    for ref in refs:
        analyze_step.analyze(deps, ref)
        steps.persist(deps, ref)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda ref: steps.route(deps, ref, now=now()), refs))
    assert owner.execute("SELECT count(DISTINCT conversation_id) FROM message").fetchone() == (8,)
    assert owner.execute("SELECT count(*) FROM routing_decision").fetchone() == (8,)
    assert shop.actions("send_nps_invite") == ["pending"]


def test_a_customer_is_asked_again_after_the_tenants_days(shop, owner, deps):
    configure(owner, deps, "{surveys}", '{"nps": {"min_days_between": 10}}')
    configure(owner, deps, "{actions,send_nps_invite,per_customer_per_day}", "5")
    shop.write(PRAISE)
    shop.write(PRAISE, at=1)
    assert shop.actions("send_nps_invite") == ["sent"]
    owner.execute("UPDATE action SET created_at = created_at - interval '11 days'")
    shop.write(PRAISE, at=2)
    assert len(shop.actions("send_nps_invite")) == 2


def decline(deps, ref, owner):
    owner.execute("UPDATE customer SET marketing_accepted = false, marketing_chosen_at = now()")


def test_who_declined_such_messages_is_never_invited(shop, deps, owner, with_csat):
    ref = shop.write(QUESTION)
    decline(deps, ref, owner)
    shop.write(PRAISE, at=1)
    assert shop.resolve(ref) is None
    assert shop.actions("send_nps_invite") == [] == shop.actions("send_csat_invite")


def test_who_declines_between_plan_and_send_is_not_asked(shop, deps, receive, owner, sent):
    (ref,) = receive(whatsapp_body(whatsapp_message(PRAISE, timestamp=seconds())))
    actions = run_all(deps, ref)
    decline(deps, ref, owner)
    deliver(deps, ref, actions)
    state = owner.execute("SELECT state, error_code FROM action WHERE kind = 'send_nps_invite'").fetchone()
    assert state == ("cancelled", "declined_marketing")


def test_csat_is_asked_although_a_person_has_the_conversation(shop, with_csat):
    ref = shop.write(QUESTION)
    assert shop.resolve(ref) is not None
    assert shop.actions("send_csat_invite") == ["sent"]


def test_csat_is_not_asked_of_an_unhappy_customer(shop, with_csat):
    ref = shop.write("The parcel is late for the third time, terrible")
    assert shop.resolve(ref) is None


def test_csat_is_recorded_only_until_the_tenant_asks_for_it(shop):
    assert shop.resolve(shop.write(QUESTION)) is None
    assert shop.actions("send_csat_invite") == ["shadow"]


def test_csat_is_not_asked_when_the_customer_is_back_before_it_leaves(shop, deps, owner, with_csat):
    ref = shop.write(QUESTION)
    tenant = deps.tenants.get(ref.tenant_id)
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        (conversation_id,) = conn.execute("UPDATE conversation SET state = 'resolved' RETURNING id::text").fetchone()
        action_id = plan_csat_invite(conn, ref.tenant_id, conversation_id, tenant=tenant)
    shop.write("One more question about Monday", at=1)
    deliver(deps, ref, [action_id])
    assert shop.actions("send_csat_invite") == ["cancelled"]


def test_csat_is_asked_once_in_thirty_days(shop, with_csat):
    ref = shop.write(QUESTION)
    assert shop.resolve(ref)
    again = shop.write("And on Monday?", at=5)
    assert shop.resolve(again) is None


def test_an_answer_after_a_merge_is_the_kept_customers(shop, deps, owner):
    other = shop.write(QUESTION, sender="905559998877")
    ref = shop.write(PRAISE)
    ids = [row[0] for row in owner.execute("SELECT id::text FROM customer ORDER BY id").fetchall()]
    shop.write("7", at=1)
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        kept = merge_customers(conn, ref.tenant_id, *ids)
    assert owner.execute("SELECT DISTINCT customer_id::text FROM survey_answer").fetchall() == [(kept,)]
    shop.write("9", at=2)
    assert shop.answers() == [("nps", 7, False), ("nps", 9, False)]
    # The throttle has moved too: the kept customer was asked today.
    shop.write(PRAISE, at=3, sender="905559998877")
    assert shop.actions("send_nps_invite") == ["sent"]
    assert other.tenant_id == ref.tenant_id


def test_the_channel_says_which_invitations_arrived(shop, receive, owner):
    shop.write(PRAISE)
    (provider_id, action_id) = owner.execute(
        "SELECT provider_message_id, id::text FROM action WHERE kind = 'send_nps_invite'"
    ).fetchone()
    status = {"id": provider_id, "status": "delivered", "timestamp": seconds(1), "biz_opaque_callback_data": action_id}
    receive(whatsapp_value(statuses=[status]))
    rows = owner.execute("SELECT kind FROM action WHERE delivered_at IS NOT NULL").fetchall()
    assert rows == [("send_nps_invite",)]


def test_another_tenant_sees_no_answers(shop, deps, tenant_ids):
    shop.write(PRAISE)
    shop.write("9", at=1)
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        assert conn.execute("SELECT count(*) FROM survey_answer").fetchone() == (0,)


def test_a_friendly_reason_does_not_leave_the_conversation_open(shop, owner, deps):
    configure(owner, deps, "{surveys}", '{"nps": {"ask_reason": true}}')
    shop.write(PRAISE)
    shop.write("9", at=1)
    shop.write("Thank you so much, your courier is wonderful", at=2)
    assert shop.answers()[-1] == ("nps", None, True)
    assert conversation(owner)[:2] == ("resolved", "auto")


def test_a_score_leaves_a_conversation_open_that_waits_for_somebody(shop, owner):
    shop.write(PRAISE)
    shop.write(QUESTION, at=1)
    shop.write("9", at=2)
    assert conversation(owner)[0] == "open"


def test_recorded_invitations_count_until_the_tenant_asks_for_real_ones(shop, owner, deps):
    configure(owner, deps, "{actions}", '{"close_with_thanks": {"enabled": true}}')
    shop.write(PRAISE)
    shop.write(PRAISE, at=1)
    assert shop.actions("send_nps_invite") == ["shadow"]
    configure(owner, deps, "{actions,send_nps_invite}", '{"enabled": true}')
    shop.write(PRAISE, at=2)
    assert shop.actions("send_nps_invite")[0] == "shadow" and len(shop.actions("send_nps_invite")) == 2


def test_an_edited_score_replaces_what_the_message_said(shop, deps, receive, owner):
    shop.write(PRAISE)
    shop.write("9", at=1, message_id="wamid.EDITED")
    for ref in receive(whatsapp_body(whatsapp_edit("wamid.EDITED", "3", timestamp=seconds(2)))):
        run_all(deps, ref)
    assert shop.answers() == [("nps", 3, False)]
    for ref in receive(whatsapp_body(whatsapp_edit("wamid.EDITED", "I waited 3 days", timestamp=seconds(3)))):
        run_all(deps, ref)
    assert shop.answers() == []
    assert owner.execute("SELECT bool_or(is_survey_answer) FROM message").fetchone() == (False,)


def test_a_second_look_keeps_the_answer_and_reads_no_new_one(shop, deps, owner):
    ref = shop.write(PRAISE)
    bare = shop.write("9", at=1)
    plain = shop.write("hello", at=2)
    owner.execute("UPDATE message SET text = '8' WHERE id = %s", (plain.message_id,))
    for message in (bare, plain):
        (run_id,) = owner.execute(
            "INSERT INTO run (tenant_id, message_id, kind) VALUES (%s, %s, 'reanalyze') RETURNING id::text",
            (ref.tenant_id, message.message_id),
        ).fetchone()
        run_all(deps, RunRef(ref.tenant_id, message.message_id, run_id))
    assert shop.answers() == [("nps", 9, False)]
    assert shop.decision(bare) == ("P4", "auto", "survey_score")
    assert not shop.decision(plain)[2].startswith("survey")
