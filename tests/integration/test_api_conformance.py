"""Calls made up from the API's own document: whatever is sent, the answer is one that the document describes, and never a 5xx."""

import pytest
from hypothesis import given, settings, strategies
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from console.api.paths import DOCUMENT
from console.app import create_app
from console.deeds import ACTS_FOR
from store.users import create_api_key
from tests.effort import examples
from tests.integration.trials_bench import add_trials
from tests.integration.two_tenants import RANDOM, ROLES, add_webhook, fill
from tests.integration.workplace import add_agent

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
KIND_OF = {
    "conversation_id": "conversation", "alert_id": "alert", "decision_id": "decision", "action_id": "action", "reply_id": "reply",
    "user_id": "agent", "customer_id": "customer", "message_id": "message", "egress_id": "egress",
    "sweep_id": "sweep", "key_id": "key", "account_id": "account", "errand_id": "errand", "webhook_id": "webhook",
    "delivery_id": "delivery", "trial_id": "trial",
}  # fmt: skip


@pytest.fixture
def world(settings, database, owner, tenant_ids, monkeypatch, keyring):
    """The application with two filled tenants; keys by role and ids of the first."""
    monkeypatch.setattr("console.replies.ring_action", lambda **_: None)
    ids = fill(owner, tenant_ids["acme"], "acme")
    ids |= add_webhook(database, tenant_ids["acme"], keyring=keyring)
    ids |= add_trials(owner, tenant_ids["acme"], ids["message"])
    fill(owner, tenant_ids["other"], "other")
    keys = {}
    with database.system_transaction() as conn:
        for role in ROLES:
            user_id = add_agent(owner, tenant_ids["acme"], role=role)
            keys[role] = create_api_key(conn, tenant_id=tenant_ids["acme"], name=role, role=role, user_id=user_id)[1]
    app = create_app({}, settings=settings.model_copy(update={"api_calls_per_min": 0}))
    yield app, keys, ids
    app.extensions["database"].close()


def _try(operation, keys, ids):
    """Send made-up calls to one route. Raises what the first wrong answer is."""

    @settings(max_examples=examples(100) // 4)
    @given(strategies.data())
    def run(data):
        mode = data.draw(strategies.sampled_from(GenerationMode))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        role = data.draw(strategies.sampled_from(ROLES))
        # Made-up ids are nobody's: mostly real ones are asked for, so that the routes have something to do.
        given_ids = data.draw(strategies.sampled_from([ids, ids, RANDOM, {}]))
        for name in case.path_parameters:
            if mode == GenerationMode.POSITIVE and (kind := KIND_OF.get(name)) in given_ids:
                case.path_parameters[name] = given_ids[
                    "check" if "/examples/" in operation.path and kind == "trial" else kind
                ]
        if "queue" in case.path_parameters and mode == GenerationMode.POSITIVE:
            case.path_parameters["queue"] = "support"
        case.headers.pop(ACTS_FOR, None)
        # Not packed: the client by which these calls are made does not unpack.
        answer = case.call(headers={"Authorization": f"Bearer {keys[role]}", "Accept-Encoding": "identity"})
        # Of an empty list nothing is left in an address, so nothing is wrong with the call that is sent.
        is_lost = any(value == [] for value in (case.query or {}).values())
        case.validate_response(
            answer, checks=[one for one in CHECKS if not (is_lost and one is negative_data_rejection)]
        )

    run()


def _wrong(app, keys, ids, *, only=""):
    """By route, what its first wrong answer is; and how many routes were tried."""
    operations = [found.ok() for found in openapi.from_wsgi(DOCUMENT, app).get_all_operations()]
    wrong = {}
    for operation in operations:
        if operation.label.endswith(only):
            try:
                _try(operation, keys, ids)
            except (Exception, FailureGroup) as error:
                wrong[operation.label] = str(error)
    return wrong, len(operations)


def test_every_answer_is_one_that_the_document_describes(world):
    wrong, tried = _wrong(*world)
    assert tried >= 60
    assert wrong == {}, "\n\n".join(f"{label}\n{told}" for label, told in wrong.items())


def test_a_document_that_is_wrong_about_an_answer_is_found(world):
    app, keys, ids = world
    described = app.extensions["api_description"]()["paths"]
    described["/api/v1/me"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {"type": "string"}
    del described["/api/v1/conversations/{conversation_id}/snooze"]["post"]["responses"]["422"]
    assert set(_wrong(app, keys, ids, only="/me")[0]) == {"GET /api/v1/me"}
    assert len(_wrong(app, keys, ids, only="/snooze")[0]) == 1
