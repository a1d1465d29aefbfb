"""A HubSpot portal."""

from typing import Any

import httpx2

from tests.crm_portals.portal import BY_THE_TEST, SECRET, adapter_requests, numbers


class HubSpotPortal:
    """Notes and tasks stand beside the contact, linked to it."""

    writes = "/crm/objects/2026-09/contacts/batch/update"
    emits = "/crm/objects/2026-09/notes/batch/upsert"
    credential_header = "authorization"
    blocked = "answer_not_json"
    lost_after_the_effect = [{"method": "POST", "path": emits, "drop": "after", "times": 3}]  # noqa: RUF012
    own_field = "lifecyclestage"

    def __init__(self, url: str, *, as_app: bool = False) -> None:
        secret = f"{SECRET}-{next(numbers)}"
        app = {"client_id": "earshot-app", "client_secret": "app-secret", "refresh_token": secret}
        self.credentials = app if as_app else {"token": secret}
        # The stand-in knows the account of an app by its refresh token, too.
        headers = {"Authorization": f"Bearer {secret}", **BY_THE_TEST}
        self._http = httpx2.Client(base_url=url, headers=headers, trust_env=False)

    def _get(self, path: str) -> Any:
        return self._http.get(f"/crm/objects/2026-09/{path}").raise_for_status().json()

    def add_contact(self, *, phone: str = "", email: str = "", **fields: str) -> str:
        properties = {"phone": phone, "email": email, **fields}
        body = {"properties": {name: value for name, value in properties.items() if value}, "associations": []}
        return self._http.post("/crm/objects/2026-09/contacts", json=body).raise_for_status().json()["id"]

    def card(self, record_id: str) -> dict[str, str]:
        return self._get(f"contacts/{record_id}")["properties"]

    def events(self, record_id: str) -> list[str]:
        """Texts of the notes, then subjects of the tasks."""
        shown: list[str] = []
        for kind, text in (("notes", "hs_note_body"), ("tasks", "hs_task_subject")):
            links = self._get(f"contacts/{record_id}/associations/{kind}")["results"]
            shown += [self._get(f"{kind}/{link['toObjectId']}")["properties"][text] for link in links]
        return shown

    def contacts(self) -> int:
        return len(self._get("contacts")["results"])

    def all_events(self) -> int:
        return len(self._get("notes")["results"]) + len(self._get("tasks")["results"])

    def script(self, **step: Any) -> None:
        self._http.post("/_script", json={"steps": [step]}).raise_for_status()

    def add(self, object_type: str, **properties: str) -> str:
        body = {"properties": properties, "associations": []}
        return self.post(f"/crm/objects/2026-09/{object_type}", body)["id"]

    def post(self, path: str, body: Any) -> Any:
        answer = self._http.post(path, json=body).raise_for_status()
        return answer.json() if answer.content else {}

    def put(self, path: str) -> None:
        self._http.put(f"/crm/objects/2026-09/{path}").raise_for_status()

    def delete(self, path: str) -> None:
        self._http.delete(path).raise_for_status()

    def conditions(self, **conditions: Any) -> None:
        self.post("/_conditions", conditions)

    @property
    def account(self) -> str:
        """The credential that names the account."""
        return self.credentials.get("token") or self.credentials["refresh_token"]

    def requests(self) -> list[dict[str, Any]]:
        return adapter_requests(self._http.get("/_received").text)

    def reset(self) -> None:
        self._http.delete("/_conditions")
        self._http.delete("/_script")
        self._http.delete("/_received")
        self._http.close()
