"""A Zoho CRM account."""

from typing import Any

import httpx2

from tests.crm_portals.portal import BY_THE_TEST, SECRET, adapter_requests, numbers

_NAMES = {"firstname": "First_Name"}
_SYSTEM = {"id", "Created_Time", "Modified_Time", "Tag", "Last_Name"}


class ZohoPortal:
    """Notes and tasks point at their contact."""

    writes = "/crm/v8/Contacts"
    emits = "/crm/v8/Notes"
    own_field = "lifecyclestage"
    credential_header = "authorization"
    blocked = "answer_not_json"
    lost_after_the_effect = [{"method": "POST", "path": emits, "drop": "after", "times": 3}]  # noqa: RUF012

    def __init__(self, url: str) -> None:
        refresh_token = f"{SECRET}-{next(numbers)}"
        self.credentials = {
            "dc": "com",
            "client_id": "1000.CLIENT",
            "client_secret": SECRET,
            "refresh_token": refresh_token,
        }
        form = {name: value for name, value in self.credentials.items() if name != "dc"}
        self.http = httpx2.Client(base_url=url, headers=BY_THE_TEST, trust_env=False)
        answer = self.http.post("/oauth/v2/token", data={"grant_type": "refresh_token", **form}).raise_for_status()
        self.http.headers["Authorization"] = f"Zoho-oauthtoken {answer.json()['access_token']}"

    def get(self, path: str, **params: str) -> list[dict[str, Any]]:
        """The records of a list; none where Zoho says "no content"."""
        answer = self.http.get(f"/crm/v8/{path}", params=params).raise_for_status()
        return answer.json()["data"] if answer.status_code == 200 else []

    def post(self, path: str, body: Any, **params: str) -> Any:
        """The answer to a request that must work."""
        return self.http.post(f"/crm/v8/{path}", json=body, params=params).raise_for_status().json()

    def add_contact(self, *, phone: str = "", email: str = "", **fields: str) -> str:
        for name in fields:
            if name not in _NAMES and "_" not in name:
                # An administrator's own field.
                new = {"fields": [{"field_label": name, "data_type": "text"}]}
                self.http.post("/crm/v8/settings/fields", json=new, params={"module": "Contacts"})
        values: dict[str, Any] = {_NAMES.get(name, name): value for name, value in fields.items()}
        contact = {"Last_Name": "Kaya", "Phone": phone or None, "Email": email or None, **values}
        return self.post("Contacts", {"data": [contact], "trigger": []})["data"][0]["details"]["id"]

    def record(self, record_id: str) -> dict[str, Any]:
        """A contact as Zoho gives it."""
        [contact] = self.get(f"Contacts/{record_id}")
        return contact

    def card(self, record_id: str) -> dict[str, str]:
        contact = self.record(record_id)
        card = {name: str(value) for name, value in contact.items() if name not in _SYSTEM or name == "Last_Name"}
        phone = contact.get("Mobile") or contact.get("Phone")
        return card | ({"phone": phone} if phone else {})

    def tags(self, record_id: str) -> list[str]:
        """Names of a contact's tags."""
        return [tag["name"] for tag in self.record(record_id)["Tag"]]

    def events(self, record_id: str) -> list[str]:
        notes = self.get(f"Contacts/{record_id}/Notes", fields="Note_Title,Note_Content")
        tasks = self.get(f"Contacts/{record_id}/Tasks", fields="Subject")
        return [f"{one['Note_Title']} {one['Note_Content']}" for one in notes] + [one["Subject"] for one in tasks]

    def contacts(self) -> int:
        return len(self.get("Contacts", fields="id"))

    def all_events(self) -> int:
        return len(self.get("Notes", fields="id")) + len(self.get("Tasks", fields="id"))

    def conditions(self, **wanted: Any) -> None:
        """How the stand-in behaves from now on."""
        self.http.post("/_conditions", json=wanted).raise_for_status()

    def script(self, **step: Any) -> None:
        self.http.post("/_script", json={"steps": [step]}).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        return adapter_requests(self.http.get("/_received").text)

    def reset(self) -> None:
        for path in ("/_script", "/_received", "/_conditions"):
            self.http.delete(path)
        self.http.close()
