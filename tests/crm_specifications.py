"""Requests that a stand-in received, judged by the vendors' own API documents.

The documents' licences do not let us ship them: CRM_SPECIFICATIONS names the folder that holds them, `.ci/run` sets it where
a copy lies beside the project. Without it nothing is judged.
"""

import json
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import PathError
from werkzeug.datastructures import Headers, ImmutableMultiDict

FOLDER = os.environ.get("CRM_SPECIFICATIONS", "")
# Which document speaks of a path, the first that fits; and what stands before the document's own paths at our stand-ins.
DOCUMENTS: dict[str, list[tuple[str, str, str]]] = {
    "hubspot": [
        (r"^/crm/objects/2026-09/[^/]+/[^/]+/associations/default/", "hubspot_2026-09_associations.json", ""),
        (r"^/crm/associations/2026-09/.*/associate/default$", "hubspot_2026-09_associations.json", ""),
        (r"^/crm/objects/2026-09/contacts", "hubspot_2026-09_contacts.json", ""),
        (r"^/crm/objects/2026-09/companies", "hubspot_2026-09_companies.json", ""),
        (r"^/crm/objects/2026-09/notes", "hubspot_2026-09_notes.json", ""),
        (r"^/crm/objects/2026-09/tasks", "hubspot_2026-09_tasks.json", ""),
        (r"^/crm/properties/2026-09/", "hubspot_2026-09_properties.json", ""),
        (r"^/oauth/2026-09/", "hubspot_2026-09_oauth.json", ""),
    ],
    "salesforce": [
        (r"^/services/data/v64\.0/composite/sobjects", "salesforce_v64_collections.json", "/services"),
        (r"^/services/data/v64\.0/composite$", "salesforce_v64_composite.json", "/services"),
        (r"^/services/data/v64\.0/sobjects/[^/]+/describe$", "salesforce_v64_describe.json", "/services"),
        (r"^/services/data/v64\.0/sobjects/[^/]+$", "salesforce_v64_create.json", "/services"),
    ],
    "zoho": [
        (r"^/crm/v8/coql$", "zoho_v8_coql.json", ""),
        (r"^/crm/v8/settings/fields$", "zoho_v8_fields.json", ""),
        (r"^/crm/v8/Notes(/|$)", "zoho_v8_notes.json", ""),
        (r"^/crm/v8/[^/]+(/[^/]+)?/actions/(add|remove)_tags$", "zoho_v8_tags.json", ""),
        (r"^/crm/v8/(Contacts|Tasks)(/[^/]+)?$", "zoho_v8_record.json", ""),
    ],
    "pipedrive": [
        (r"^/api/v2/", "pipedrive_v2.json", "/api/v2"),
        (r"^/api/v1/", "pipedrive_v1.json", "/api/v1"),
    ],
}

# Zoho's documents describe what these requests send by what is answered, down to ids and times that do not exist yet. What a
# request must hold is said by its reference: by document and schema.
_REQUIRED_OF_REQUESTS = {
    "zoho_v8_fields.json": {
        "fields": ["field_label", "data_type"],
        "textarea": ["type"],
        "pick_list_values": ["display_value", "actual_value"],
    },
    "zoho_v8_notes.json": {"Note": ["Note_Content", "Parent_Id"], "modules__Minified_Module": ["api_name"]},
    "zoho_v8_tags.json": {"Tag": ["name"], "Existing_Tag": ["name"]},
}

# Needed for deleting, but Zoho's document wants it of a list too.
_OPTIONAL_PARAMETERS = {"zoho_v8_notes.json": ("ids",)}


class _Received:
    """A line of `/_received`, as openapi-core wants a request."""

    def __init__(self, entry: dict[str, Any], *, before: str) -> None:
        split = urlsplit(entry["path"])
        self.path = split.path.removeprefix(before)
        self.host_url = ""
        self.method = entry["method"].lower()
        self.body = entry["body"].encode() or None
        self.content_type = entry["headers"].get("content-type", "application/json").partition(";")[0]
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(split.query, keep_blank_values=True)),
            header=Headers(entry["headers"]),
        )


@cache
def _document(name: str) -> OpenAPI:
    document = json.loads((Path(FOLDER) / name).read_text(encoding="utf-8"))
    if name == "pipedrive_v2.json":
        _let_lists_be_asked_for(document)
    # Paths are compared from the first slash; credentials are redacted in what a stand-in shows.
    document["servers"] = [{"url": ""}]
    schemas = document.get("components", {}).get("schemas", {})
    for schema, parts in _REQUIRED_OF_REQUESTS.get(name, {}).items():
        schemas[schema]["required"] = parts
    for parameter in _OPTIONAL_PARAMETERS.get(name, ()):
        document["components"]["parameters"][parameter]["required"] = False
    for operations in document["paths"].values():
        # Of single paths in Salesforce's documents, with a host for each kind of org.
        operations.pop("servers", None)
        for operation in operations.values():
            if isinstance(operation, dict):
                operation.pop("servers", None)
                operation["parameters"] = [one for one in operation.get("parameters", []) if not _is_ignored(one)]
    return OpenAPI.from_dict(_without_security(document))


def _let_lists_be_asked_for(document: dict[str, Any]) -> None:
    """Pipedrive calls include_fields "comma separated", and lists as its values only the single ones."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "include_fields" and "omma" in parameter.get("description", ""):
                    one = "|".join(sorted({part for value in parameter["schema"]["enum"] for part in value.split(",")}))
                    parameter["schema"] = {"type": "string", "pattern": f"^({one})(,({one}))*$"}


def _is_ignored(parameter: dict[str, Any]) -> bool:
    """OpenAPI wants these passed over; Salesforce's documents, made from sample requests, demand them even of a GET."""
    return parameter.get("in") == "header" and parameter.get("name") in {"Accept", "Content-Type", "Authorization"}


def _without_security(document: dict[str, Any]) -> dict[str, Any]:
    document.pop("security", None)
    for operations in document["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return document


def violations(kind: str, received: Iterable[dict[str, Any]]) -> list[str]:
    """What the vendor's documents find wrong with these requests: "POST /path: why", each once.

    Paths that no document speaks of are passed over; `unspecified` lists them.
    """
    if not FOLDER:
        return []
    found: dict[str, None] = {}
    for entry in received:
        path = urlsplit(entry["path"]).path
        for pattern, name, before in DOCUMENTS[kind]:
            if re.search(pattern, path):
                why = _judge(_document(name), _Received(entry, before=before))
                if why:
                    found[f"{entry['method']} {path}: {why}"] = None
                break
    return list(found)


def unspecified(kind: str, received: Iterable[dict[str, Any]]) -> set[str]:
    """Paths that no document speaks of."""
    paths = {urlsplit(entry["path"]).path for entry in received}
    return {path for path in paths if not any(re.search(pattern, path) for pattern, _, _ in DOCUMENTS[kind])}


def _judge(document: OpenAPI, request: _Received) -> str | None:
    try:
        document.validate_request(request)
    except PathError as error:
        return f"{type(error).__name__}: {error}"
    except OpenAPIError as error:
        causes = getattr(error.__cause__, "schema_errors", None) or [error.__cause__ or error]
        return "; ".join(str(getattr(cause, "message", cause)) for cause in causes)
    return None
