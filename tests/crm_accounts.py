"""What stands in a whole CRM account, in few requests, and what should stand there."""

import time
from collections import Counter
from datetime import datetime

import httpx2

from crm_sync import pipedrive_events, zoho_fields
from crm_sync.labels import FIELDS, field_values
from store.crm_labels import compute_labels
from tests.crm_portals.portal import BY_THE_TEST
from tests.crm_portals.salesforce import DATA

NUMBERS = {"earshot_score", "earshot_negative_30d"}
# Labels that differ in the time alone look the same, and are not written again for it.
TIME = "earshot_last_analyzed_at"


class Account:
    """One account of a stand-in. contacts: our fields by record id; events: (note or task, mark of its key, record id)."""

    def __init__(self, kind, url, credentials):
        self.kind, self.credentials = kind, credentials
        self.http = httpx2.Client(base_url=url, headers=BY_THE_TEST, trust_env=False, timeout=30)
        self._log_in()

    def _log_in(self):
        headers = self.http.headers
        if self.kind == "hubspot":
            headers["Authorization"] = f"Bearer {self.credentials.get('token') or self.credentials['refresh_token']}"
        elif self.kind == "pipedrive":
            headers["x-api-token"] = self.credentials.get("token") or self.credentials["refresh_token"]
        else:
            grant = "client_credentials" if self.kind == "salesforce" else "refresh_token"
            form = {"grant_type": grant, **{name: one for name, one in self.credentials.items() if name != "dc"}}
            path = "/services/oauth2/token" if self.kind == "salesforce" else "/oauth/v2/token"
            token = self.http.post(path, data=form).raise_for_status().json()["access_token"]
            headers["Authorization"] = f"{'Bearer' if self.kind == 'salesforce' else 'Zoho-oauthtoken'} {token}"

    def ask(self, method, path, **more):
        """The decoded answer; a short limit that our own questions met is waited out."""
        for _ in range(30):
            answer = self.http.request(method, path, **more)
            if answer.status_code != 429:
                break
            time.sleep(0.5)
        return answer.raise_for_status().json() if answer.content else {}

    def add_contact(self, *, phone=""):
        """Returns the record id."""
        match self.kind:
            case "hubspot":
                body = {"properties": {"firstname": "Ada", **({"phone": phone} if phone else {})}, "associations": []}
                return self.ask("POST", "/crm/objects/2026-09/contacts", json=body)["id"]
            case "salesforce":
                return self.ask("POST", f"{DATA}/sobjects/Contact", json={"LastName": "Ada", "Phone": phone or None})[
                    "id"
                ]
            case "zoho":
                body = {"data": [{"Last_Name": "Ada", "Phone": phone or None}], "trigger": []}
                return self.ask("POST", "/crm/v8/Contacts", json=body)["data"][0]["details"]["id"]
            case _:
                phones = [{"value": phone, "primary": True, "label": "work"}] if phone else []
                return str(self.ask("POST", "/api/v2/persons", json={"name": "Ada", "phones": phones})["data"]["id"])

    def delete_contact(self, record_id):
        match self.kind:
            case "hubspot":
                self.ask("DELETE", f"/crm/objects/2026-09/contacts/{record_id}")
            case "salesforce":
                self.ask("DELETE", f"{DATA}/sobjects/Contact/{record_id}")
            case "zoho":
                self.ask("DELETE", "/crm/v8/Contacts", params={"ids": record_id})
            case _:
                self.ask("DELETE", f"/api/v2/persons/{record_id}")

    def merge(self, loser, winner):
        names = ("client_id",) if self.kind == "salesforce" else ("token", "refresh_token")
        account = next(self.credentials[name] for name in names if name in self.credentials)
        self.ask("POST", "/_merge", json={"account": account, "loser": loser, "winner": winner})

    def contacts(self):
        match self.kind:
            case "hubspot":
                listed = self.ask("GET", "/crm/objects/2026-09/contacts")["results"]
                return {one["id"]: _ours(one["properties"]) for one in listed}
            case "salesforce":
                names = {"_".join(part.capitalize() for part in name.split("_")) + "__c": name for name in FIELDS}
                listed = self._query(f"SELECT Id,{','.join(names)} FROM Contact")
                return {one["Id"]: _ours({ours: one[name] for name, ours in names.items()}) for one in listed}
            case "zoho":
                listed = self._zoho_list("Contacts", ",".join(["id", *FIELDS]))
                return {one["id"]: _ours(one) for one in listed}
            case _:
                return self._persons()

    def stayed(self, record_id):
        """The contact that HubSpot shows for the id of one that was merged; elsewhere such an id leads nowhere."""
        if self.kind != "hubspot":
            return record_id
        shown = self.http.get(f"/crm/objects/2026-09/contacts/{record_id}")
        return shown.json()["id"] if shown.status_code == 200 else record_id

    def _persons(self):
        fields = self.ask("GET", "/api/v2/personFields", params={"limit": "500"})["data"]
        names = {one["field_code"]: one["field_name"] for one in fields}
        shown = {}
        for one in self._pipedrive_list("/api/v2/persons", include_option_labels="true"):
            values = {names[code]: value for code, value in one["custom_fields"].items() if code in names}
            named = {name: value["label"] if isinstance(value, dict) else value for name, value in values.items()}
            shown[str(one["id"])] = _ours(named)
        return shown

    def events(self):
        match self.kind:
            case "hubspot":
                return [one for kind in ("note", "task") for one in self._hubspot_events(kind)]
            case "salesforce":
                listed = self._query("SELECT WhoId,Status,Earshot_Event_Key__c FROM Task")
                kinds = {True: "note", False: "task"}
                return [
                    (kinds[one["Status"] == "Completed"], one["Earshot_Event_Key__c"], one["WhoId"]) for one in listed
                ]
            case "zoho":
                notes = self._zoho_list("Notes", "Note_Title,Parent_Id")
                tasks = self._zoho_list("Tasks", "Subject,Who_Id")
                return [("note", one["Note_Title"][-17:-1], one["Parent_Id"]["id"]) for one in notes] + [
                    ("task", one["Subject"][-17:-1], one["Who_Id"]["id"]) for one in tasks
                ]
            case _:
                notes = self._pipedrive_notes()
                tasks = self._pipedrive_list("/api/v2/activities")
                return [("note", one["content"][-28:], str(one["person_id"])) for one in notes] + [
                    ("task", one["note"][-28:], str(one["person_id"])) for one in tasks
                ]

    def mark(self, key):
        """What `events` shows of an event with this key."""
        marks = {"zoho": zoho_fields.reference, "pipedrive": pipedrive_events.event_reference}
        return marks.get(self.kind, str)(key)

    def _hubspot_events(self, kind):
        listed = self.ask("GET", f"/crm/objects/2026-09/{kind}s")["results"]
        if not listed:
            return []
        path = f"/crm/associations/2026-09/{kind}s/contacts/batch/read"
        links = self.ask("POST", path, json={"inputs": [{"id": one["id"]} for one in listed]})["results"]
        contacts = {one["from"]["id"]: [to["toObjectId"] for to in one["to"]] for one in links}
        return [
            (kind, one["properties"]["earshot_event_key"], record_id)
            for one in listed
            for record_id in contacts.get(one["id"], [None])
        ]

    def _query(self, soql):
        answer = self.ask("GET", f"{DATA}/query", params={"q": soql})
        records = answer["records"]
        while not answer["done"]:
            answer = self.ask("GET", answer["nextRecordsUrl"])
            records += answer["records"]
        return records

    def _zoho_list(self, module, fields):
        rows, page, more = [], 1, True
        while more:
            params = {"fields": fields, "page": str(page), "per_page": "200"}
            answer = self.ask("GET", f"/crm/v8/{module}", params=params)
            rows += answer.get("data", [])
            page, more = page + 1, answer.get("info", {}).get("more_records", False)
        return rows

    def _pipedrive_list(self, path, **params):
        rows, cursor = [], "c0"
        while cursor:
            answer = self.ask("GET", path, params={"limit": "500", "cursor": cursor, **params})
            rows += answer["data"]
            cursor = answer["additional_data"]["next_cursor"]
        return rows

    def _pipedrive_notes(self):
        rows, start = [], 0
        while start is not None:
            answer = self.ask("GET", "/api/v1/notes", params={"limit": "500", "start": str(start)})
            rows += answer["data"] or []
            start = answer["additional_data"]["pagination"].get("next_start")
        return rows


def _ours(values):
    """Our fields as texts; empty ones are left out."""
    shown = {name: values.get(name) for name in FIELDS}
    return {name: _text(name, value) for name, value in shown.items() if value not in (None, "")}


def _text(name, value):
    if name in NUMBERS:
        return f"{float(value):g}"
    return value if name != TIME else datetime.fromisoformat(value).isoformat(timespec="seconds")


def wanted_card(labels):
    """What `contacts` shows of a card with these labels; None: nothing is known of the customer."""
    return _ours(field_values(labels) if labels else {})


def differences(account, owner, database, tenant_id):
    """What is not as it should be in the account: cards, notes and tasks. Empty when all is right."""
    wrong = []
    links = dict(
        owner.execute("SELECT customer_id::text, record_id FROM crm_link WHERE tenant_id = %s", (tenant_id,)).fetchall()
    )
    with database.tenant_transaction(tenant_id) as conn:
        labels = compute_labels(conn, list(links), with_summary=True)
    contacts = account.contacts()
    # Merged after the last write: we shall hear of it with the next one, and HubSpot shows the contact that stayed meanwhile.
    links = {one: record_id if record_id in contacts else account.stayed(record_id) for one, record_id in links.items()}
    shared = Counter(links.values())
    for customer_id, record_id in links.items():
        there, wanted = contacts.get(record_id), wanted_card(labels.get(customer_id))
        if there is not None and TIME in wanted and there.get(TIME, "9") <= wanted[TIME]:
            there = there | {TIME: wanted[TIME]}
        if there != wanted and shared[record_id] == 1:
            wrong.append((account.kind, record_id, there, wanted))
    for record_id, there in contacts.items():
        if there and record_id not in shared:
            wrong.append((account.kind, "not linked", record_id, there))
    events = owner.execute(
        "SELECT key, kind, customer_id::text, state FROM crm_event WHERE tenant_id = %s", (tenant_id,)
    ).fetchall()
    seen = Counter(account.events())
    for key, kind, customer_id, state in events:
        found = seen.pop((kind, account.mark(key), links.get(customer_id)), 0)
        if found != (customer_id in links):
            wrong.append((account.kind, kind, key, state, links.get(customer_id), found))
    wrong += [(account.kind, "of nobody", one, number) for one, number in seen.items()]
    return wrong
