"""Making Earshot's fields in a Salesforce org: describe, create what is missing, let ourselves see it, report the rest.

A field that the API makes is seen by nobody until a permission set grants it: ours is called "Earshot".
"""

from typing import Any

from crm_sync.base import CrmError, ProvisionReport
from crm_sync.client import CrmClient, as_objects
from crm_sync.salesforce_answers import records, results
from crm_sync.salesforce_fields import DATA, PLANS, FieldPlan, reason_unfit
from crm_sync.salesforce_query import quoted, select

PERMISSION_SET = "Earshot"
_SEEN_ON = {"Contact": "Contact", "Activity": "Task"}
_WHERE = {"Contact": "Object Manager > Contact", "Activity": "Object Manager > Activity"}


def provision(client: CrmClient, *, dry_run: bool = False) -> ProvisionReport:
    """Names are "Contact.Earshot_Score__c"; a missing one says what to make, where, and why Earshot could not.

    Raises: CrmError when Salesforce can't be asked at all.
    """
    before = _look(client)
    absent = [plan for plan in PLANS if before[plan.name] == "is not there"]
    reasons: dict[str, str] = {}
    after = before
    if absent and not dry_run:
        reasons = _create(client, absent)
        after = _look(client)
    return ProvisionReport(
        created=tuple(_full_name(plan) for plan in PLANS if after[plan.name] is None and before[plan.name] is not None),
        present=tuple(_full_name(plan) for plan in PLANS if before[plan.name] is None),
        missing=tuple(
            _to_do(plan, reason, because=reasons.get(plan.name, "")) for plan in PLANS if (reason := after[plan.name])
        ),
    )


def usable_names(report: ProvisionReport) -> frozenset[str]:
    """Salesforce's names of our fields that can be written."""
    return frozenset(name.partition(".")[2] for name in (*report.present, *report.created))


def describe(client: CrmClient, kind: str) -> dict[str, Any]:
    """An object as the user sees it. Raises: CrmError."""
    answer = client.get(f"{DATA}/sobjects/{kind}/describe")
    if not isinstance(answer.get("fields"), list):
        # Fields that are not listed are not missing: nothing must be made for an answer that is none.
        raise CrmError("answer_incomplete", permanent=False)
    return answer


def _look(client: CrmClient) -> dict[str, str | None]:
    """Why each of our fields can't be used; None when it can."""
    seen = {
        (kind, str(one.get("name")).lower()): one
        for kind in sorted(set(_SEEN_ON.values()))
        for one in as_objects(describe(client, kind).get("fields"))
    }
    state: dict[str, str | None] = {}
    for plan in PLANS:
        described = seen.get((_SEEN_ON[plan.owner], plan.name.lower()))
        state[plan.name] = reason_unfit(plan, described) if described else "is not there"
    return state


def _create(client: CrmClient, absent: list[FieldPlan]) -> dict[str, str]:
    """Why fields could not be made, by name."""
    reasons: dict[str, str] = {}
    made: list[FieldPlan] = []
    for plan in absent:
        try:
            request = {"FullName": _full_name(plan), "Metadata": plan.metadata}
            client.post(f"{DATA}/tooling/sobjects/CustomField", request, idempotent=True)
        except CrmError as error:
            if not _is_refusal(error):
                raise
            if error.code == "duplicate_developer_name":
                # There, and we may not see it: also what a repeat after a lost answer finds.
                made.append(plan)
                continue
            reasons[plan.name] = error.code
            if not error.permanent or error.code.startswith("insufficient_access"):
                # Whoever may not make one field may make none.
                return dict.fromkeys((one.name for one in absent), error.code)
        else:
            made.append(plan)
    if made:
        reasons |= _grant(client, made)
    return reasons


def _grant(client: CrmClient, plans: list[FieldPlan]) -> dict[str, str]:
    """Let our own user read and write the fields. Why that failed, by name."""
    try:
        user_id = client.get("/services/oauth2/userinfo").get("user_id")
        if not isinstance(user_id, str):
            return dict.fromkeys((plan.name for plan in plans), "user_unknown")
        set_id = _permission_set(client)
        _insert(client, "PermissionSetAssignment", [{"AssigneeId": user_id, "PermissionSetId": set_id}])
        rows = [
            {
                "ParentId": set_id,
                "SobjectType": _SEEN_ON[plan.owner],
                "Field": f"{_SEEN_ON[plan.owner]}.{plan.name}",
                "PermissionsRead": True,
                "PermissionsEdit": True,
            }
            for plan in plans
        ]
        granted = _insert(client, "FieldPermissions", rows)
    except CrmError as error:
        if not _is_refusal(error):
            raise
        return dict.fromkeys((plan.name for plan in plans), error.code)
    return {plan.name: error.code for plan, error in zip(plans, granted, strict=True) if error}


def _permission_set(client: CrmClient) -> str:
    if there := _find_permission_set(client):
        return there
    record = {"attributes": {"type": "PermissionSet"}, "Name": PERMISSION_SET, "Label": PERMISSION_SET}
    answer = client.post(f"{DATA}/composite/sobjects", {"allOrNone": False, "records": [record]}, idempotent=True)
    [made] = results(answer, sent=1)
    if not isinstance(made, CrmError):
        return made["id"]
    # The name is unique: another worker may have been faster.
    if there := _find_permission_set(client):
        return there
    raise made


def _find_permission_set(client: CrmClient) -> str | None:
    query = select("PermissionSet", ["Id"], f"Name = {quoted(PERMISSION_SET)} LIMIT 1")
    there = records(client.get(f"{DATA}/query", params={"q": query}), "records")
    return there[0]["Id"] if there else None


def _insert(client: CrmClient, kind: str, rows: list[dict[str, Any]]) -> list[CrmError | None]:
    """One error or None per row; a row that is there already is no error."""
    body = {"allOrNone": False, "records": [{"attributes": {"type": kind}, **row} for row in rows]}
    made = results(client.post(f"{DATA}/composite/sobjects", body, idempotent=True), sent=len(rows))
    return [one if isinstance(one, CrmError) and not one.code.startswith("duplicate_value") else None for one in made]


def _is_refusal(error: CrmError) -> bool:
    """Salesforce's word on this request, and not trouble that passes or a login that is broken."""
    return error.permanent or (error.connection_broken and not error.token_refused)


def _full_name(plan: FieldPlan) -> str:
    return f"{plan.owner}.{plan.name}"


def _to_do(plan: FieldPlan, reason: str, *, because: str) -> str:
    """One line of an administrator's checklist."""
    why = f"{reason}; {because}" if because else reason
    return f"{_full_name(plan)}: {plan.wording} [Setup > {_WHERE[plan.owner]} > Fields & Relationships] ({why})"
