"""What the Salesforce adapter does beyond what all adapters do, against the stand-in and the vendor's documents."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from config.settings import load_settings
from crm_sync.base import CrmError, CrmEvent, CustomerRef, EmittedEvent, StateWrite
from crm_sync.labels import CustomerLabels
from crm_sync.metering import Usage
from crm_sync.registry import build_crm
from crm_sync.salesforce_fields import PLANS
from tests.crm_portals import SECRET
from tests.crm_portals.salesforce import DATA, SalesforcePortal
from tests.crm_specifications import violations

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PHONE = "905551112233"
LABELS = CustomerLabels(
    sentiment="negative",
    score=0.91,
    intent="refund_request",
    topics=("shipping",),
    summary="Late <b>parcel</b>",
    negative_30d=4,
    last_analyzed_at=AT,
)
NOTE = CrmEvent(key="m1:note", record_id="", kind="note", subject="Escalated", body="now", due_at=AT)
COLLECTION = f"{DATA}/composite/sobjects"
numbers = itertools.count(1)


@pytest.fixture
def portal(standins):
    portal = SalesforcePortal(standins["salesforce"])
    yield portal
    received = portal.requests()
    portal.reset()
    assert violations("salesforce", received) == []


@pytest.fixture
def waits():
    return []


class Watched:
    """A meter that keeps what it is told."""

    def __init__(self):
        self.taken, self.learned, self.rests = [], [], []

    def take(self, cost, *, lane):
        self.taken.append((cost, lane))

    def learn(self, usage):
        self.learned.append(usage)

    def rest(self, seconds):
        self.rests.append(seconds)


@pytest.fixture
def meter():
    return Watched()


def built(portal, standins, *, waits=None, meter=None, **credentials):
    environ = {"DATABASE_URL": "postgresql://-", "REDIS_URL": "redis://-", "EARSHOT_KEYS": "-"}
    settings = load_settings({**environ, "SALESFORCE_LOGIN_URL": standins["salesforce"]})
    given = {name: value for name, value in {**portal.credentials, **credentials}.items() if value is not None}
    sleep = [].append if waits is None else waits.append
    return build_crm("salesforce", given, settings=settings, default_region="TR", meter=meter, sleep=sleep)


@pytest.fixture
def crm(portal, standins, waits, meter):
    return built(portal, standins, waits=waits, meter=meter)


@pytest.fixture
def contact(portal, crm):
    """A contact in an org that has our fields."""
    crm.provision()
    return portal.add_contact(phone=f"+{PHONE}")


def write_of(record_id, number=1, **changed):
    return StateWrite(f"customer-{number}", record_id, replace(LABELS, **changed))


def asked(portal, path, method=None):
    entries = [one for one in portal.requests() if one["path"].split("?")[0] == path]
    return [one for one in entries if method in {None, one["method"]}]


def codes(outcomes):
    return [one.error and one.error.code for one in outcomes]


def linked(found):
    return found.match.record_id if found.match else None


# Signing in


def key_pair():
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_an_assertion_signed_with_the_apps_key_opens_the_org(portal, standins):
    pem, public = key_pair()
    portal.tell("/_certificate", public_key=public)
    signed = {"client_secret": None, "username": "earshot@lab.example", "private_key": pem.replace("\n", "\\n")}
    assert built(portal, standins, **signed).check().account_id.startswith("00D")
    portal.tell("/_certificate", public_key=key_pair()[1])
    with pytest.raises(CrmError, match="^token_refused:invalid_grant$") as caught:
        built(portal, standins, **signed).check()
    assert caught.value.connection_broken


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"client_secret": "guessed"}, "token_refused:invalid_client"),
        ({"client_secret": None, "username": "a@b.example", "private_key": "no key"}, "private_key_unusable"),
    ],
)
def test_wrong_credentials_break_the_connection(portal, standins, wrong, code):
    with pytest.raises(CrmError, match=f"^{code}$") as caught:
        built(portal, standins, **wrong).check()
    assert caught.value.connection_broken


@pytest.mark.parametrize(
    "domain",
    [
        "evil.example",
        "login.salesforce.com",
        "acme.lightning.force.com",
        "169.254.169.254",
        "acme.my.salesforce.com.evil.example",
        "a b",
    ],
)
def test_a_domain_that_is_not_salesforces_is_never_asked(portal, standins, domain):
    with pytest.raises(CrmError, match="^domain_is_no_my_domain$") as caught:
        built(portal, standins, domain=domain)
    assert caught.value.connection_broken


def test_a_domain_may_be_pasted_as_an_address(portal, standins):
    built(portal, standins, domain=" https://Acme--uat.sandbox.my.salesforce.com/ ").check()


@pytest.mark.parametrize("missing", ["domain", "client_id", "client_secret"])
def test_a_missing_credential_is_named(portal, standins, missing):
    with pytest.raises(CrmError, match=f"^credential_missing:{missing}$"):
        built(portal, standins, **{missing: None})


def test_a_session_that_ended_is_renewed_once_and_the_work_is_done(portal, crm, contact):
    ended = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    portal.script(path=COLLECTION, status=401, body=ended)
    before = len(asked(portal, "/services/oauth2/token"))
    assert codes(crm.write([write_of(contact)])) == [None]
    assert len(asked(portal, "/services/oauth2/token")) == before + 1


def test_tokens_that_end_at_once_are_asked_for_once_more_and_no_further(portal, crm):
    portal.conditions(token_life_s=0.0)
    with pytest.raises(CrmError, match="^invalid_session_id$") as caught:
        crm.check()
    assert caught.value.connection_broken
    assert len(asked(portal, "/services/oauth2/token")) == 2


def test_an_app_whose_user_was_taken_away_breaks_the_connection(portal, crm):
    portal.conditions(refresh_tokens_work=False)
    with pytest.raises(CrmError, match="^token_refused:invalid_grant$") as caught:
        crm.check()
    assert caught.value.connection_broken


def test_what_the_stand_in_shows_has_no_secret(portal, crm):
    crm.check()
    assert SECRET not in json.dumps(portal.requests())


# What a check tells


def test_a_check_tells_the_org_and_what_is_left(portal, crm):
    portal.conditions(day_limit=100)
    account = crm.check()
    assert account.account_id == portal.query("SELECT Id FROM Organization")[0]["Id"]
    assert account.facts == ("Enterprise Edition", "requests left of any 24 hours: 96 of 100")


def test_a_right_that_the_user_lacks_is_named(portal, crm):
    body = {"name": "Contact", "createable": True, "updateable": False, "fields": []}
    portal.script(path=f"{DATA}/sobjects/Contact/describe", status=200, body=body)
    unseen = [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]
    portal.script(path=f"{DATA}/sobjects/Task/describe", status=404, body=unseen)
    with pytest.raises(CrmError) as caught:
        crm.check()
    assert caught.value.code == "missing_permission:contact_updateable,task_createable,task_updateable"
    assert caught.value.connection_broken


@pytest.mark.parametrize(
    ("status", "code", "broken"),
    [
        (403, "API_DISABLED_FOR_ORG", True),
        (404, "NOT_FOUND", True),
        (400, "INVALID_TYPE", True),
        (500, "UNKNOWN_EXCEPTION", False),
        (403, "API_CURRENTLY_DISABLED", False),
        (400, "UNABLE_TO_LOCK_ROW", False),
        (400, "QUERY_TIMEOUT", False),
    ],
)
def test_what_concerns_the_org_is_raised_and_not_tried_in_halves(portal, crm, contact, status, code, broken):
    portal.script(path=COLLECTION, status=status, body=[{"message": f"+{PHONE}", "errorCode": code}], times=9)
    before = len(asked(portal, COLLECTION))
    with pytest.raises(CrmError) as caught:
        crm.write([write_of(contact), write_of(portal.add_contact(), 2)])
    assert (caught.value.permanent, caught.value.connection_broken) == (False, broken)
    assert PHONE not in str(caught.value)
    assert len(asked(portal, COLLECTION)) == before + 1


# Limits


def test_ten_thousand_customers_take_fifty_calls(portal, crm):
    crm.provision()
    ids = []
    for _ in range(50):
        people = [{"attributes": {"type": "Contact"}, "LastName": "A"}] * 200
        made = portal.http.post(COLLECTION, json={"allOrNone": False, "records": people}).json()
        ids += [one["id"] for one in made]
    portal.http.delete("/_received")
    outcomes = crm.write([write_of(one, number) for number, one in enumerate(ids)])
    assert codes(outcomes) == [None] * 10_000
    assert len(portal.requests()) == 50
    # The other tests have such calls judged; fifty of two hundred records would take seconds.
    portal.http.delete("/_received")


def test_an_exhausted_day_is_left_to_the_worker_and_nobody_asks_on(portal, crm, contact, waits, meter):
    used = 1 + meter.learned[-1].day_limit - meter.learned[-1].day_left
    portal.conditions(day_limit=used + 1)
    assert codes(crm.write([write_of(contact)])) == [None]
    with pytest.raises(CrmError, match="^rate_limit_daily$") as caught:
        crm.write([write_of(contact)])
    assert (caught.value.permanent, caught.value.connection_broken) == (False, False)
    assert caught.value.retry_after_s == 3600.0
    assert meter.learned[-1] == Usage(day_limit=used + 1, day_left=0)
    assert meter.rests == [3600.0]
    assert waits == []


def test_too_many_requests_at_once_is_a_short_wait(portal, crm, contact, meter):
    body = [{"message": "ConcurrentRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    portal.script(path=COLLECTION, status=403, body=body)
    with pytest.raises(CrmError, match="^rate_limit_concurrent$"):
        crm.write([write_of(contact)])
    assert meter.rests == [5.0]


def test_the_scarcer_of_two_allowances_counts(portal, crm, meter):
    headers = {"Sforce-Limit-Info": "api-usage=25/15000; per-app-api-usage=17/20(appName=Earshot)"}
    portal.script(path=f"{DATA}/query", status=200, headers=headers, body={"records": []})
    portal.script(path=f"{DATA}/search", status=200, headers=headers, body={"searchRecords": []})
    crm.find([CustomerRef("customer-1", phones=(PHONE,))])
    assert meter.learned == [Usage(day_limit=20, day_left=3)] * 2
    assert meter.taken == [(1, "general"), (1, "search")]


# Fields


def make_field(portal, name, *, edit=True, **metadata):
    body = {"FullName": f"Contact.{name}", "Metadata": {"label": "By hand", **metadata}}
    portal.http.post(f"{DATA}/tooling/sobjects/CustomField", json=body).raise_for_status()
    user = portal.query("SELECT Id FROM User")[0]["Id"]
    set_id = portal.add("PermissionSet", Name=f"Hand{next(numbers)}", Label="By hand")
    portal.add("PermissionSetAssignment", AssigneeId=user, PermissionSetId=set_id)
    rights = {"PermissionsRead": True, "PermissionsEdit": edit}
    portal.add("FieldPermissions", ParentId=set_id, SobjectType="Contact", Field=f"Contact.{name}", **rights)


def test_a_dry_run_makes_nothing_and_lists_what_is_to_be_made(portal, crm):
    report = crm.provision(dry_run=True)
    assert (report.created, report.present, len(report.missing)) == ((), (), len(PLANS))
    assert asked(portal, f"{DATA}/tooling/sobjects/CustomField") == []


def test_without_the_right_to_make_fields_the_report_is_a_checklist(portal, crm):
    portal.conditions(may_provision=False)
    report = crm.provision()
    assert (report.created, report.present, len(report.missing)) == ((), (), len(PLANS))
    assert report.missing[0] == (
        "Contact.Earshot_Sentiment__c: Picklist of positive, neutral, negative, restricted "
        "[Setup > Object Manager > Contact > Fields & Relationships] (is not there; insufficient_access_or_readonly)"
    )
    assert "Contact.Earshot_Score__c: Number(1, 2)" in report.missing[1]
    assert "Activity.Earshot_Event_Key__c: Text(255), External ID, Unique (case sensitive)" in report.missing[-1]
    assert len(asked(portal, f"{DATA}/tooling/sobjects/CustomField")) == 1


def test_a_field_that_nobody_was_allowed_to_see_is_granted(portal, crm):
    body = {"FullName": "Contact.Earshot_Label__c", "Metadata": {"type": "Text", "label": "x", "length": 80}}
    portal.http.post(f"{DATA}/tooling/sobjects/CustomField", json=body).raise_for_status()
    report = crm.provision()
    assert "Contact.Earshot_Label__c" in report.created
    assert report.missing == ()


def test_a_permission_set_that_another_worker_made_meanwhile_is_used(portal, crm):
    portal.script(path=f"{DATA}/query", status=200, body={"records": []})
    portal.add("PermissionSet", Name="Earshot", Label="Earshot")
    assert crm.provision().missing == ()


def test_provisioning_that_was_cut_off_is_finished_by_the_next(portal, crm):
    portal.script(method="POST", path=COLLECTION, drop="before", times=3)
    with pytest.raises(CrmError, match="^connection_lost$"):
        crm.provision()
    assert crm.provision().missing == ()


def test_a_field_that_was_deleted_is_made_again(portal, crm, contact):
    portal.tell("/_remove_field", object="Contact", field="Earshot_Topics__c")
    assert codes(crm.write([write_of(contact)])) == [None]
    assert portal.card(contact)["earshot_topics"] == "shipping"


def test_without_one_field_the_others_are_written(portal, crm, contact):
    portal.tell("/_remove_field", object="Contact", field="Earshot_Topics__c")
    portal.tell("/_remove_field", object="Contact", field="Earshot_Customer_Id__c")
    portal.conditions(may_provision=False)
    assert codes(crm.write([write_of(contact)])) == [None]
    card = portal.card(contact)
    assert card["earshot_label"] == "4 negative messages in last 30 days"
    assert not {"earshot_topics", "earshot_customer_id"} & set(card)


def test_without_any_field_labels_wait_and_notes_are_written(portal, crm):
    portal.conditions(may_provision=False)
    record_id = portal.add_contact(phone=f"+{PHONE}")
    with pytest.raises(CrmError, match="^field_missing:earshot_"):
        crm.write([write_of(record_id)])
    assert codes(crm.emit([replace(NOTE, record_id=record_id)])) == [None]
    assert linked(crm.find([CustomerRef("customer-1", phones=(PHONE,))])[0]) == record_id
    [refused] = crm.create([CustomerRef("customer-2", phones=("905550000000",))])
    assert refused.error.code == "field_missing:earshot_customer_id"
    assert portal.contacts() == 1


def test_a_field_of_another_type_is_left_out_and_reported(portal, crm):
    make_field(portal, "Earshot_Last_Analyzed_At__c", type="Number", precision=9, scale=0)
    crm.provision()
    record_id = portal.add_contact(phone=f"+{PHONE}")
    outcomes = crm.write([write_of(record_id), write_of(portal.add_contact(), 2)])
    assert codes(outcomes) == [None, None]
    assert portal.card(record_id)["earshot_sentiment"] == "negative"
    assert "earshot_last_analyzed_at" not in portal.card(record_id)
    [todo] = crm.provision().missing
    assert todo.startswith("Contact.Earshot_Last_Analyzed_At__c: DateTime ")
    assert todo.endswith("(has another type)")


def test_a_field_that_we_may_only_read_is_left_out_and_reported(portal, crm):
    make_field(portal, "Earshot_Topics__c", type="Text", length=255, edit=False)
    crm.provision()
    record_id = portal.add_contact()
    assert codes(crm.write([write_of(record_id)])) == [None]
    assert "earshot_topics" not in portal.card(record_id)
    [todo] = crm.provision().missing
    assert todo.endswith("(may not be edited)")


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        (f"{DATA}/tooling/sobjects/CustomField", (400, [{"errorCode": "LIMIT_EXCEEDED"}]), "limit_exceeded"),
        ("/services/oauth2/userinfo", (200, {}), "user_unknown"),
        ("/services/oauth2/userinfo", (403, [{"errorCode": "INSUFFICIENT_ACCESS"}]), "insufficient_access"),
    ],
)
def test_fields_that_salesforce_will_not_make_or_show_are_reported_with_its_reason(portal, crm, path, answer, reason):
    portal.script(path=path, status=answer[0], body=answer[1], times=len(PLANS))
    missing = crm.provision().missing
    assert len(missing) == len(PLANS)
    assert all(one.endswith(f"(is not there; {reason})") for one in missing)


def test_a_permission_set_that_may_not_be_made_is_the_reason(portal, crm):
    refused = {"success": False, "errors": [{"statusCode": "LIMIT_EXCEEDED", "message": "", "fields": []}]}
    portal.script(method="POST", path=COLLECTION, status=200, body=[refused])
    with pytest.raises(CrmError, match="^rate_limit_limit_exceeded$"):
        crm.provision()
    refused["errors"][0]["statusCode"] = "INSUFFICIENT_ACCESS_OR_READONLY"
    portal.script(method="POST", path=COLLECTION, status=200, body=[refused])
    assert all(one.endswith("insufficient_access_or_readonly)") for one in crm.provision().missing)


@pytest.mark.parametrize("path", [f"{DATA}/tooling/sobjects/CustomField", "/services/oauth2/userinfo"])
def test_trouble_while_fields_are_made_is_passing(portal, crm, path):
    portal.script(path=path, status=500, body=[{"errorCode": "UNKNOWN_EXCEPTION", "message": ""}])
    with pytest.raises(CrmError, match="^http_500$") as caught:
        crm.provision()
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("name", "metadata", "reason"),
    [
        ("Earshot_Label__c", {"type": "Text", "length": 20}, "is too short"),
        ("Earshot_Score__c", {"type": "Number", "precision": 3, "scale": 0}, "has too few digits"),
        ("Earshot_Customer_Id__c", {"type": "Text", "length": 64}, "is not External ID and Unique"),
    ],
)
def test_a_field_that_can_not_hold_our_values_is_reported(portal, crm, name, metadata, reason):
    make_field(portal, name, **metadata)
    [todo] = crm.provision().missing
    assert todo.startswith(f"Contact.{name}: ")
    assert todo.endswith(f"({reason})")


def test_a_picklist_without_our_option_refuses_only_those_records(portal, crm):
    values = [{"fullName": one, "label": one, "default": False} for one in ("positive", "neutral")]
    listed = {"restricted": True, "valueSetDefinition": {"sorted": False, "value": values}}
    make_field(portal, "Earshot_Sentiment__c", type="Picklist", valueSet=listed)
    crm.provision()
    bad, good = portal.add_contact(), portal.add_contact()
    outcomes = crm.write([write_of(bad), write_of(good, 2, sentiment="neutral")])
    assert codes(outcomes) == ["invalid_or_null_for_restricted_picklist:earshot_sentiment", None]
    assert outcomes[0].error.permanent


# Labels


def test_a_validation_rule_refuses_one_record_and_its_neighbours_are_written(portal, crm, contact):
    portal.tell("/_validation_rule", object="Contact", field="Earshot_Last_Intent__c", value="complaint")
    others = [portal.add_contact() for _ in range(2)]
    writes = [write_of(others[0]), write_of(contact, 2, intent="complaint"), write_of(others[1], 3)]
    outcomes = crm.write(writes)
    assert codes(outcomes) == [None, "field_custom_validation_exception:earshot_last_intent", None]
    assert outcomes[1].error.permanent
    assert [portal.card(one).get("earshot_score") for one in (others[0], contact, others[1])] == ["0.91", None, "0.91"]


def test_our_key_is_written_and_cleared_with_the_labels(portal, crm, contact):
    crm.write([write_of(contact)])
    assert portal.card(contact)["earshot_customer_id"] == "customer-1"
    crm.write([StateWrite("customer-1", contact, None)])
    assert not [name for name in portal.card(contact) if name.startswith("earshot_")]


def test_where_our_key_stands_on_another_contact_the_labels_are_written(portal, crm, contact):
    other, third = portal.add_contact(), portal.add_contact()
    crm.write([write_of(other)])
    assert codes(crm.write([write_of(contact), write_of(third, 3)])) == [None, None]
    assert portal.card(contact)["earshot_sentiment"] == "negative"
    assert "earshot_customer_id" not in portal.card(contact)
    assert portal.card(third)["earshot_customer_id"] == "customer-3"


def test_ids_that_are_none_and_records_that_never_were_fail_alone(portal, crm, contact):
    wrong = ["", "51", "x" * 18 + "'", "003000000000000AAA", portal.add("Account", Name="Acme")]
    outcomes = crm.write([write_of(one, number) for number, one in enumerate([*wrong, contact])])
    assert codes(outcomes) == ["record_not_found"] * 5 + [None]


def test_labels_follow_a_contact_that_was_merged_again_and_again(portal, crm, contact):
    second, third = portal.add_contact(), portal.add_contact()
    account = portal.credentials["client_id"]
    for loser, winner in ((contact, second), (second, third)):
        portal.http.post("/_merge", json={"account": account, "loser": loser, "winner": winner}).raise_for_status()
    [outcome] = crm.write([write_of(contact)])
    assert (outcome.error, outcome.record_id) == (None, third)
    assert portal.card(third)["earshot_sentiment"] == "negative"


def test_of_two_customers_whose_contacts_were_merged_the_newer_labels_stand(portal, crm, contact):
    winner = portal.add_contact()
    account = portal.credentials["client_id"]
    portal.http.post("/_merge", json={"account": account, "loser": contact, "winner": winner}).raise_for_status()
    newer = write_of(winner, 2, sentiment="positive", last_analyzed_at=AT.replace(hour=13))
    outcomes = crm.write([write_of(contact), newer])
    assert (codes(outcomes), [one.record_id for one in outcomes]) == ([None, None], [winner, None])
    assert portal.card(winner)["earshot_sentiment"] == "positive"


def test_a_deleted_contact_that_was_not_merged_is_gone(portal, crm, contact):
    portal.delete("Contact", contact)
    assert codes(crm.write([write_of(contact)])) == ["record_not_found"]


def test_long_and_unwritable_texts_are_cut_to_what_the_fields_hold(portal, crm, contact):
    long = write_of(contact, topics=("ş" * 300,), summary="\x00👋" * 9_000 + "\ud83d")
    assert codes(crm.write([long])) == [None]
    card = portal.card(contact)
    assert card["earshot_topics"] == "ş" * 255
    assert card["earshot_last_summary"] == "👋" * 2_500


def test_a_record_that_somebody_locks_is_tried_again_and_one_without_answer_too(portal, crm, contact):
    locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "", "fields": []}]}
    portal.script(path=COLLECTION, status=200, body=[locked])
    outcomes = crm.write([write_of(contact), write_of(portal.add_contact(), 2)])
    assert codes(outcomes) == ["unable_to_lock_row", "no_result"]
    assert not any(one.error.permanent for one in outcomes)


def test_trouble_inside_salesforce_leaves_a_note_uncertain_where_no_key_guards_it(portal, crm, unkeyed):
    crm.emit([replace(NOTE, key="m0:note", record_id=unkeyed)])
    body = [{"message": "An unexpected error occurred", "errorCode": "UNKNOWN_EXCEPTION"}]
    portal.script(method="POST", path=COLLECTION, status=500, body=body)
    with pytest.raises(CrmError, match="^http_500$") as caught:
        crm.emit([replace(NOTE, record_id=unkeyed)])
    assert caught.value.uncertain


@pytest.mark.parametrize(
    "item", [{"success": False, "errors": []}, {"success": True}, "x", {"errors": [{"fields": 4}]}]
)
def test_a_result_that_says_nothing_is_tried_again(portal, crm, contact, item):
    portal.script(path=COLLECTION, status=200, body=[item])
    [outcome] = crm.write([write_of(contact)])
    assert (outcome.error.code, outcome.error.permanent) == ("no_result", False)


def test_full_storage_is_a_limit(portal, crm, contact):
    full = {"success": False, "errors": [{"statusCode": "STORAGE_LIMIT_EXCEEDED", "message": "", "fields": []}]}
    portal.script(path=COLLECTION, status=200, body=[full])
    [outcome] = crm.write([write_of(contact)])
    assert (outcome.error.code, outcome.error.permanent) == ("rate_limit_storage_limit_exceeded", False)


# Who is who


def test_ours_by_key_is_the_one_even_beside_others_with_the_number(portal, crm, contact):
    crm.write([write_of(contact)])
    twin = portal.add_contact(phone=f"+{PHONE}")
    [found] = crm.find([CustomerRef("customer-1", phones=(PHONE,))])
    assert linked(found) == contact
    assert [(one.record_id, one.matched_on) for one in found.candidates] == [(contact, "external_id"), (twin, "phone")]
    assert linked(crm.find([CustomerRef("customer-1")])[0]) == contact


@pytest.mark.parametrize(
    ("phone", "written", "matched_on"),
    [
        (PHONE, "0 555 111 22 33", "phone"),
        ("5215512345678", "+52 55 1234 5678", "phone_variant"),
        ("5215512345678", "+521 55 1234 5678", "phone"),
        ("558299448232", "+55 82 99944-8232", "phone_variant"),
    ],
)
def test_a_match_says_how_sure_it_is(portal, crm, phone, written, matched_on):
    record_id = portal.add_contact(MobilePhone=written)
    [found] = crm.find([CustomerRef("customer-1", phones=(phone,))])
    assert [(one.record_id, one.matched_on) for one in found.candidates] == [(record_id, matched_on)]


def test_a_number_as_written_is_found_at_once_though_search_lags(portal, crm):
    portal.conditions(search_lag_s=60.0)
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.add_contact(phone="0555 000 00 00")
    found = crm.find([CustomerRef("customer-1", phones=(PHONE,)), CustomerRef("customer-2", phones=("905550000000",))])
    assert [linked(one) for one in found] == [record_id, None]


def test_a_field_that_is_hidden_from_us_is_searched_without(portal, crm):
    record_id = portal.add_contact(phone="0555 111 22 33")
    hidden = [{"message": "No such column 'HomePhone' on entity 'Contact'.", "errorCode": "INVALID_FIELD"}]
    portal.script(path=f"{DATA}/query", status=400, body=hidden)
    assert linked(crm.find([CustomerRef("customer-1", phones=(PHONE,))])[0]) == record_id


def test_without_number_and_key_field_there_is_nobody_to_ask_for(portal, crm):
    assert crm.find([CustomerRef("customer-1")])[0].candidates == ()


def test_marks_with_quotes_do_not_break_the_query(portal, crm):
    record_id = portal.add_contact(email="o'brien@example.com")
    found = crm.find([CustomerRef("c'1\\", emails=("o'brien@example.com",)), CustomerRef("x' OR Id != '")])
    assert [linked(one) for one in found] == [record_id, None]


def test_a_fuller_page_than_one_may_read_is_searched_in_halves(portal, crm):
    row = {"Id": "003000000000001AAA", "Phone": "+1"}
    portal.script(path=f"{DATA}/query", status=200, body={"records": [row] * 2_000})
    record_id = portal.add_contact(phone=f"+{PHONE}")
    found = crm.find([CustomerRef("customer-1", phones=(PHONE,)), CustomerRef("customer-2", phones=("905550000000",))])
    assert [linked(one) for one in found] == [record_id, None]


def test_customers_with_very_many_numbers_are_searched_in_halves(portal, crm):
    record_id = portal.add_contact(phone=f"+{PHONE}")
    many = [tuple(f"90555{number:07}" for number in range(one * 20, one * 20 + 20)) for one in range(6)]
    customers = [CustomerRef(f"customer-{one}", phones=phones) for one, phones in enumerate(many)]
    found = crm.find([*customers, CustomerRef("customer-9", phones=(PHONE,))])
    assert [linked(one) for one in found] == [None] * 6 + [record_id]
    assert not any(one.error for one in found)


def test_creating_again_leaves_what_people_changed(portal, crm):
    [made] = crm.create([CustomerRef("customer-1", phones=(PHONE,), display_name="Ayşe")])
    record = {"attributes": {"type": "Contact"}, "id": linked(made), "LastName": "Yılmaz"}
    portal.http.patch(COLLECTION, json={"allOrNone": False, "records": [record]}).raise_for_status()
    assert crm.create([CustomerRef("customer-1", phones=(PHONE,), display_name="Ayşe")]) == [made]
    assert portal.card(linked(made))["LastName"] == "Yılmaz"


def test_a_contact_without_name_is_called_by_its_number(portal, crm):
    [made] = crm.create([CustomerRef("customer-1", phones=(PHONE,))])
    assert portal.card(linked(made))["LastName"] == f"+{PHONE}"


def test_a_duplicate_rule_of_the_administrator_refuses_one_contact(portal, crm):
    crm.provision()
    error = {"statusCode": "DUPLICATES_DETECTED", "message": f"Use one of these: {PHONE}", "fields": []}
    path = f"{COLLECTION}/Contact/Earshot_Customer_Id__c"
    portal.script(path=path, status=200, body=[{"success": False, "errors": [error]}])
    [refused] = crm.create([CustomerRef("customer-1", phones=(PHONE,))])
    assert (refused.error.code, refused.error.permanent) == ("duplicates_detected", True)


# Notes and tasks


def test_a_note_is_a_completed_task_and_a_task_is_its_contacts_owners(portal, crm, contact):
    seller = portal.add("User", Username="seller@lab.example", IsActive=True)
    record = {"attributes": {"type": "Contact"}, "id": contact, "OwnerId": seller}
    portal.http.patch(COLLECTION, json={"allOrNone": False, "records": [record]}).raise_for_status()
    task = replace(NOTE, key="m1:task", record_id=contact, kind="task", high_priority=True)
    outcomes = crm.emit([replace(NOTE, record_id=contact), task])
    made = {one["Id"]: one for one in portal.tasks(contact)}
    note, call = (made[outcome.event_id] for outcome in outcomes)
    assert (note["Status"], note["Priority"], note["ActivityDate"]) == ("Completed", "Normal", "2026-11-23")
    assert (call["Status"], call["Priority"], call["OwnerId"]) == ("Not Started", "High", seller)


def test_a_task_whose_contacts_owner_may_not_be_seen_is_ours(portal, crm, contact):
    hidden = [{"message": "Didn't understand relationship 'Owner' in field path.", "errorCode": "INVALID_FIELD"}]
    portal.script(path=f"{DATA}/query", status=400, body=hidden)
    assert codes(crm.emit([replace(NOTE, kind="task", record_id=contact, may_exist=False)])) == [None]
    locked = [{"message": "", "errorCode": "QUERY_TIMEOUT"}]
    portal.script(path=f"{DATA}/query", status=400, body=locked)
    with pytest.raises(CrmError, match="^query_timeout$"):
        crm.emit([replace(NOTE, key="m2", kind="task", record_id=contact, may_exist=False)])
    assert portal.all_events() == 1


def test_what_was_written_is_looked_for_on_all_pages_and_in_several_questions(portal, crm, contact):
    events = [replace(NOTE, key=f"{number}:" + "k" * 300, record_id=contact) for number in range(250)]
    first = crm.emit(events)
    following = f"{DATA}/query/01g-1"
    portal.script(path=f"{DATA}/query", status=200, body={"records": [], "nextRecordsUrl": following})
    portal.script(path=following, status=200, body={"records": []})
    assert crm.emit(events) == first
    assert asked(portal, following)
    assert portal.all_events() == 250


def test_a_task_that_somebody_worked_on_is_left_as_it_is(portal, crm, contact):
    task = replace(NOTE, kind="task", record_id=contact)
    [made] = crm.emit([task])
    record = {"attributes": {"type": "Task"}, "id": made.event_id, "Status": "Completed", "Subject": "Called"}
    portal.http.patch(COLLECTION, json={"allOrNone": False, "records": [record]}).raise_for_status()
    assert crm.emit([task]) == [made]
    assert [(one["Status"], one["Subject"]) for one in portal.tasks(contact)] == [("Completed", "Called")]


def test_a_first_try_needs_no_look(portal, crm, contact):
    before = len(portal.requests())
    crm.emit([replace(NOTE, record_id=contact, may_exist=False)])
    assert len(portal.requests()) == before + 1


def test_a_very_long_note_is_cut_and_its_markup_stays_text(portal, crm, contact):
    body = "<script>x</script>" + "é" * 65_000
    assert codes(crm.emit([replace(NOTE, record_id=contact, subject="s" * 300, body=body)])) == [None]
    [task] = portal.tasks(contact)
    assert (task["Subject"], task["Description"]) == ("s" * 255, body[:32_000])


def test_a_note_for_a_contact_that_is_gone_fails_alone(portal, crm, contact):
    deleted = portal.add_contact()
    portal.delete("Contact", deleted)
    targets = ["51", "003000000000000AAA", deleted, contact]
    outcomes = crm.emit([replace(NOTE, key=f"m{number}", record_id=one) for number, one in enumerate(targets)])
    assert codes(outcomes) == ["record_not_found"] * 3 + [None]


@pytest.fixture
def unkeyed(portal, crm):
    """A contact in an org whose administrator allowed no key on activities."""
    crm.provision()
    portal.tell("/_remove_field", object="Task", field="Earshot_Event_Key__c")
    portal.conditions(may_provision=False)
    return portal.add_contact(phone=f"+{PHONE}")


def test_without_our_key_field_a_reference_in_the_subject_keeps_notes_single(portal, standins, unkeyed):
    events = [replace(NOTE, record_id=unkeyed), replace(NOTE, key="m2:note", record_id=unkeyed)]
    first = built(portal, standins).emit(events)
    assert built(portal, standins).emit(events) == first
    assert [one["Subject"][:12] for one in portal.tasks(unkeyed)] == ["Escalated [e"] * 2


def test_a_first_try_without_our_key_field_needs_no_look_either(portal, crm, unkeyed):
    assert codes(crm.emit([replace(NOTE, record_id=unkeyed, may_exist=False)])) == [None]
    assert portal.all_events() == 1


def test_without_our_key_field_a_lost_answer_makes_no_second_note(portal, crm, unkeyed):
    crm.emit([replace(NOTE, key="m0:note", record_id=unkeyed)])
    portal.script(method="POST", path=COLLECTION, drop="after")
    with pytest.raises(CrmError, match="^connection_lost$") as caught:
        crm.emit([replace(NOTE, record_id=unkeyed, may_exist=False)])
    assert caught.value.uncertain
    assert codes(crm.emit([replace(NOTE, record_id=unkeyed)])) == [None]
    assert portal.all_events() == 2


@pytest.mark.parametrize("told", [True, False])
def test_notes_are_taken_away_and_nothing_else(portal, crm, contact, told):
    portal.add("Task", WhoId=contact, Subject="Somebody's own")
    [made] = crm.emit([replace(NOTE, record_id=contact)])
    ours = EmittedEvent(NOTE.key, contact, "note", made.event_id if told else None)
    never = EmittedEvent("m9:note", contact, "note", None)
    assert codes(crm.retract([never, ours])) == [None, None]
    assert [one["Subject"] for one in portal.tasks(contact)] == ["Somebody's own"]
    assert codes(crm.retract([ours])) == [None]


def test_a_note_is_taken_away_by_its_reference(portal, crm, unkeyed):
    crm.emit([replace(NOTE, record_id=unkeyed)])
    assert codes(crm.retract([EmittedEvent(NOTE.key, unkeyed, "note", None)])) == [None]
    assert portal.all_events() == 0


# The tenant's own fields


def test_fields_of_the_company_and_of_all_types_are_read_as_text(portal, crm):
    account = portal.add("Account", Name="Acme", Rating="Hot", AnnualRevenue=1_500_000)
    rich, poor = portal.add_contact(AccountId=account), portal.add_contact()
    fields = ("Account.Rating", "account.annualrevenue", "HasOptedOutOfEmail")
    record = {"attributes": {"type": "Contact"}, "id": rich, "HasOptedOutOfEmail": False}
    portal.http.patch(COLLECTION, json={"allOrNone": False, "records": [record]}).raise_for_status()
    assert crm.read_fields([rich, poor, "003000000000000AAA"], fields) == {
        rich: dict(zip(fields, ("Hot", "1500000", "false"), strict=True)),
        poor: dict.fromkeys(fields),
    }


@pytest.mark.parametrize("name", ["Nothing__c", "Account.Nothing__c", "Company.Rating", "Id FROM User --", ""])
def test_a_field_that_the_org_lacks_is_named_as_the_tenant_wrote_it(portal, crm, name):
    record_id = portal.add_contact()
    with pytest.raises(CrmError) as caught:
        crm.read_fields([record_id], ("Department", name))
    assert (caught.value.code, caught.value.permanent) == (f"field_missing:{name}", True)


# Answers that are none


CALLS = {
    f"{DATA}/sobjects/Contact/describe": lambda crm, _: crm.provision(),
    f"{DATA}/query": lambda crm, _: crm.find([CustomerRef("customer-1", emails=("a@example.com",))]),
    f"{DATA}/search": lambda crm, _: crm.find([CustomerRef("customer-1", phones=(PHONE,))]),
    COLLECTION: lambda crm, contact: crm.write([write_of(contact)]),
    f"{COLLECTION}/Task/Earshot_Event_Key__c": lambda crm, contact: crm.emit([replace(NOTE, record_id=contact)]),
    f"{COLLECTION}/Contact/Earshot_Customer_Id__c": lambda crm, _: crm.create([CustomerRef("c1", phones=(PHONE,))]),
}


def test_an_org_that_does_not_say_who_it_is_is_asked_again_later(portal, crm):
    portal.script(path=f"{DATA}/query", status=200, body={"records": []})
    with pytest.raises(CrmError, match="^answer_incomplete$"):
        crm.check()


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    "body", ["<html>Maintenance</html>", None, '[{"success": true, "id": "003', {"unexpected": True}, {"status": "ok"}]
)
def test_an_answer_that_is_none_is_raised_as_passing(portal, crm, contact, path, body):
    portal.script(path=path, status=200, body=body)
    with pytest.raises(CrmError) as caught:
        CALLS[path](crm, contact)
    assert caught.value.code in {"answer_not_json", "answer_incomplete"}
    assert (caught.value.permanent, caught.value.connection_broken) == (False, False)
