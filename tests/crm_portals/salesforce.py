"""A Salesforce org."""

import html
from typing import Any

import httpx2

from tests.crm_portals.portal import BY_THE_TEST, SECRET, adapter_requests, numbers

DATA = "/services/data/v64.0"
# What changes by itself.
_SYSTEM_FIELDS = {"LastModifiedDate", "SystemModstamp"}
_OURS = {"phone": "Phone", "email": "Email", "firstname": "FirstName"}


class SalesforcePortal:
    """Notes and tasks are both tasks; a note is one that is completed."""

    writes = f"{DATA}/composite/sobjects"
    emits = f"{DATA}/composite/sobjects/Task/Earshot_Event_Key__c"
    credential_header = "authorization"
    blocked = "answer_not_json"
    lost_after_the_effect = [{"path": emits, "drop": "after", "times": 3}]  # noqa: RUF012
    own_field = "Department"

    def __init__(self, url: str) -> None:
        self.credentials = {
            "domain": "lab.my.salesforce.com",
            "client_id": f"lab-{next(numbers)}",
            "client_secret": SECRET,
        }
        # Without certificates, which take a tenth of a second to load.
        self.http = httpx2.Client(base_url=url, headers=BY_THE_TEST, trust_env=False, verify=False)
        form = {"grant_type": "client_credentials", **self.credentials}
        token = self.http.post("/services/oauth2/token", data=form).raise_for_status().json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def query(self, soql: str) -> list[dict[str, Any]]:
        return self.http.get(f"{DATA}/query", params={"q": soql}).raise_for_status().json()["records"]

    def add(self, kind: str, **values: Any) -> str:
        return self.http.post(f"{DATA}/sobjects/{kind}", json=values).raise_for_status().json()["id"]

    def delete(self, kind: str, record_id: str) -> None:
        self.http.delete(f"{DATA}/sobjects/{kind}/{record_id}").raise_for_status()

    def tell(self, route: str, **values: Any) -> None:
        """What an administrator does, in this org."""
        body = {"account": self.credentials["client_id"], **values}
        self.http.post(route, json=body).raise_for_status()

    def conditions(self, **conditions: Any) -> None:
        self.http.post("/_conditions", json=conditions).raise_for_status()

    def add_contact(self, *, phone: str = "", email: str = "", **fields: str) -> str:
        values = {"LastName": "Somebody", "Phone": phone, "Email": email}
        return self.add("Contact", **values, **{_OURS.get(name, name): value for name, value in fields.items()})

    def card(self, record_id: str) -> dict[str, str]:
        """Our fields by our names, telephone and address in small letters, and all values as text."""
        values = self.http.get(f"{DATA}/sobjects/Contact/{record_id}").raise_for_status().json()
        names = {"Phone": "phone", "Email": "email"}
        shown: dict[str, str] = {}
        for name, value in values.items():
            if value is None or name in _SYSTEM_FIELDS | {"attributes"}:
                continue
            known = name.removesuffix("__c").lower() if name.startswith("Earshot_") else names.get(name, name)
            shown[known] = f"{value:g}" if isinstance(value, float) else str(value)
        return shown

    def tasks(self, record_id: str) -> list[dict[str, Any]]:
        fields = "Id,Subject,Description,Status,Priority,ActivityDate,OwnerId"
        return self.query(f"SELECT {fields} FROM Task WHERE WhoId = '{record_id}'")

    def events(self, record_id: str) -> list[str]:
        """Texts of the notes, as Salesforce's pages show plain text; then subjects of the tasks."""
        tasks = self.tasks(record_id)
        notes = [f"{one['Subject']}\n{one['Description']}" for one in tasks if one["Status"] == "Completed"]
        return [html.escape(note) for note in notes] + [one["Subject"] for one in tasks if one["Status"] != "Completed"]

    def contacts(self) -> int:
        return len(self.query("SELECT Id FROM Contact"))

    def all_events(self) -> int:
        return len(self.query("SELECT Id FROM Task"))

    def script(self, **step: Any) -> None:
        self.http.post("/_script", json={"steps": [step]}).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        return adapter_requests(self.http.get("/_received").text)

    def reset(self) -> None:
        for route in ("/_script", "/_conditions", "/_received"):
            self.http.delete(route)
        self.http.close()
