"""A Pipedrive company."""

from typing import Any

import httpx2

from tests.crm_portals.portal import BY_THE_TEST, SECRET, adapter_requests, numbers

NOTES = "/api/v1/notes"


class PipedrivePortal:
    """Notes are API v1, all else is v2. Custom fields are shown by name, options by label, all as texts."""

    writes = "/api/v2/persons/"
    emits = NOTES
    own_field = "lifecyclestage"
    credential_header = "x-api-token"
    blocked = "rate_limit_blocked"
    # The adapter looks for the note before it makes one, and again when no answer came.
    lost_after_the_effect = [  # noqa: RUF012
        {"method": "GET", "path": NOTES},
        {"method": "POST", "path": NOTES, "drop": "after"},
        {"method": "GET", "path": NOTES, "drop": "before", "times": 3},
    ]

    def __init__(self, url: str) -> None:
        self.url = url
        self.credentials = {"token": f"{SECRET}-{next(numbers)}"}
        headers = {"x-api-token": self.credentials["token"], **BY_THE_TEST}
        self.http = httpx2.Client(base_url=url, headers=headers, trust_env=False)

    def get(self, path: str, **params: str) -> Any:
        return self.http.get(path, params=params).raise_for_status().json()["data"]

    def post(self, path: str, body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()["data"]

    def fields(self) -> list[dict[str, Any]]:
        return self.get("/api/v2/personFields", limit="500")

    def code_of(self, name: str) -> str:
        """The key of a custom field, which is made if it is not there."""
        for one in self.fields():
            if one["is_custom_field"] and one["field_name"] == name:
                return one["field_code"]
        return self.post("/api/v2/personFields", {"field_name": name, "field_type": "varchar"})["field_code"]

    def add_contact(self, *, phone: str = "", email: str = "", **fields: str) -> str:
        custom = {self.code_of(name): value for name, value in fields.items() if name != "firstname"}
        body: dict[str, Any] = {"name": fields.get("firstname", "Somebody"), "custom_fields": custom}
        body["phones"] = [{"value": phone, "primary": True, "label": "work"}] if phone else []
        body["emails"] = [{"value": email, "primary": True, "label": "work"}] if email else []
        return str(self.post("/api/v2/persons", body)["id"])

    def card(self, record_id: str) -> dict[str, str]:
        person = self.get(f"/api/v2/persons/{record_id}", include_option_labels="true")
        names = {one["field_code"]: one["field_name"] for one in self.fields()}
        custom = {names[code]: _shown(value) for code, value in person["custom_fields"].items() if value is not None}
        phones = {"phone": person["phones"][0]["value"]} if person["phones"] else {}
        same = {name: str(person[name]) for name in ("name", "emails", "label_ids", "org_id", "owner_id")}
        return {**same, **phones, **custom}

    def events(self, record_id: str) -> list[str]:
        """Texts of the notes, then subjects of the activities."""
        notes = self.get(NOTES, person_id=record_id) or []
        activities = self.get("/api/v2/activities", person_id=record_id)
        return [one["content"] for one in notes] + [one["subject"] for one in activities]

    def contacts(self) -> int:
        return len(self.get("/api/v2/persons", limit="500"))

    def all_events(self) -> int:
        return len(self.get(NOTES) or []) + len(self.get("/api/v2/activities"))

    def script(self, **step: Any) -> None:
        self.http.post("/_script", json={"steps": [step]}).raise_for_status()

    def reset_script(self) -> None:
        """What another test file left behind."""
        for path in ("/_script", "/_conditions", "/_received"):
            self.http.delete(path)

    def labels(self, record_id: str) -> list[str]:
        names = {one["id"]: one["label"] for field in self.fields() for one in field["options"] or []}
        return [names[one] for one in self.get(f"/api/v2/persons/{record_id}")["label_ids"]]

    def merge(self, loser: str, winner: str) -> None:
        body = {"account": self.credentials["token"], "loser": loser, "winner": winner}
        self.http.post("/_merge", json=body).raise_for_status()

    def conditions(self, **wanted: Any) -> None:
        self.http.post("/_conditions", json=wanted).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        return adapter_requests(self.http.get("/_received").text)

    def reset(self) -> None:
        self.http.delete("/_script")
        self.http.delete("/_conditions")
        self.http.delete("/_received")
        self.http.close()


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return str(value["label"])
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
