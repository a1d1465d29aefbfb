"""The judge of CRM requests finds what is wrong, so that its silence elsewhere means something."""

import pytest

from tests.crm_specifications import FOLDER, violations

pytestmark = pytest.mark.skipif(not FOLDER, reason="CRM_SPECIFICATIONS names no folder with the vendors' documents")
JSON = {"content-type": "application/json"}
UPDATE = "/crm/objects/2026-09/contacts/batch/update"


def test_a_number_where_hubspot_wants_a_text_is_a_violation():
    body = '{"inputs": [{"id": "1", "properties": {"earshot_score": 4}}]}'
    [found] = violations("hubspot", [{"method": "POST", "path": UPDATE, "headers": JSON, "body": body}])
    assert found.startswith(f"POST {UPDATE}: ")


def test_the_same_as_a_text_is_none():
    body = '{"inputs": [{"id": "1", "properties": {"earshot_score": "4"}}]}'
    assert violations("hubspot", [{"method": "POST", "path": UPDATE, "headers": JSON, "body": body}]) == []


def test_a_retired_path_is_a_violation():
    entry = {"method": "PUT", "path": "/api/v2/persons/7", "headers": JSON, "body": '{"name": "x"}'}
    assert violations("pipedrive", [entry]) != []
