"""The API's reference as a page: every call and shape stands there, public, without a script, in every language."""

import re

import pytest

from console.api_reference import describe_type, example, read_reference
from console.app import create_app
from tests.api_page import routes
from tests.integration.console_visitor import add_visitor, signed_in

DOCS = "/api/v1/docs"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


def test_every_call_stands_on_the_page_for_everybody(app):
    page = app.test_client().get(DOCS)
    assert page.status_code == 200 and page.mimetype == "text/html"
    for method, path, _ in routes():
        shown = path.replace("<", "{").replace(">", "}")
        assert path.endswith("/openapi.json") or f"{method} {shown}" in page.text
    # Each link within the page leads somewhere, and each place is there once.
    ids = re.findall(r'\bid="([^"]+)"', page.text)
    assert len(ids) == len(set(ids)) and set(re.findall(r'href="#([^"]+)"', page.text)) <= set(ids)
    assert "style=" not in page.text and "ProblemAnswer" not in page.text


@pytest.mark.parametrize("language", ["en", "de", "tr", "ar"])
def test_the_page_is_shown_in_each_language_and_keeps_the_menu(app, owner, tenant_ids, language):
    visitor = signed_in(app, add_visitor(owner, tenant_ids["acme"]))
    visitor.client.set_cookie("language", language)
    page = visitor.get(DOCS)
    assert f'lang="{language}"' in page.text and "/sign-out" in page.text
    assert f'href="{DOCS}"' in visitor.get("/inbox").text


def test_a_session_that_is_over_reads_the_page_all_the_same(app):
    client = app.test_client()
    with client.session_transaction() as session:
        session["earshot"] = "over"
    page = client.get(DOCS)
    assert page.status_code == 200 and "/sign-out" not in page.text


def test_each_call_says_who_may_what_it_takes_and_how_it_is_made(app):
    subjects = read_reference(app.extensions["api_description"]()).subjects
    (send,) = (one for one in subjects["replies"] if one.anchor == "replies_send")
    assert send.roles == ("agent", "supervisor", "admin") and (send.body, send.answer) == ("NewReply", "ReplyAnswer")
    assert [one.name for one in send.parameters] == ["conversation_id"]
    assert """-d '{"text": "We are looking for it now."}'""" in send.curl
    assert {"401", "403", "404", "409", "413", "415", "422", "429", "503"} == {status for status, _ in send.errors}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer", "minimum": 1, "maximum": 100, "default": 50}, "integer (from 1, to 100, else 50)"),
        ({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}, "string (uuid) or null"),
        ({"enum": ["a", "b"], "type": "string"}, 'one of "a", "b"'),
        ({"const": "a"}, 'one of "a"'),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Work"}}, "list of Work"),
        ({}, "anything"),
    ],
)
def test_a_type_is_told_in_words(schema, words):
    assert describe_type(schema).words == words


def test_an_example_holds_what_must_be_there_and_ends_in_a_circle():
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}, "required": ["next"]}
    assert example({"$ref": "#/components/schemas/Node"}, {"Node": node})["next"]["next"]
    body = {
        "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"type": "string", "format": "date"}}
    }
    assert example({**body, "required": ["a", "b"]}, {}) == {"a": [1], "b": "2026-11-25"}
    assert example(body, {}) == {"a": [1]} and example({"type": "object"}, {}) == {}
