"""The list of everything one can go to or do: what stands there for whom, and that nothing of another tenant does."""

import pytest

from console.app import create_app
from console.go_choices import Choice, fitting_choices
from console.pages.admin.subjects import SUBJECTS
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.workplace import add_conversation, field


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def visit(app, owner, acme):
    def make(role="agent", *, tenant_id=None):
        return signed_in(app, add_visitor(owner, tenant_id or acme, role=role))

    return make


def choices(visitor, **query):
    return {(one["group"], one["name"]): one for one in visitor.get("/go/choices", **query).json}


def deeds(found):
    return {name for group, name in found if group == "This conversation"}


def test_every_page_and_queue_can_be_gone_to_and_those_of_the_administration_only_by_whom_they_are_for(visit, app):
    agent, admin = choices(visit()), choices(visit("admin"))
    pages = {one["address"] for (group, _), one in admin.items() if group == "Go to"}
    assert {"/inbox", "/insights", "/insights/trend", "/insights/cost", "/admin", "/admin/settings"} <= pages
    assert not any(one["address"].startswith("/admin") for one in agent.values())
    assert ("Queue", "senior") in agent
    visitor = visit("admin")
    for address in pages:
        assert visitor.get(address).status_code == 200, address


def test_the_administrations_menu_names_each_of_its_subjects(app):
    subjects = {
        name.removeprefix("admin_")
        for name in app.blueprints
        if name.startswith("admin_") and f"{name}.show" in app.view_functions
    }
    # Pages of another subject's.
    assert subjects - {
        "errands",
        "crm_connection",
        "privacy_customers",
        "settings_actions",
        "settings_form",
        "settings_history",
        "sweep_flips",
    } == {name for name, _ in SUBJECTS}


def test_what_can_be_done_with_the_conversation_stands_first_by_the_visitors_rights(visit, owner, acme):
    conversation = add_conversation(owner, acme)
    add_visitor(owner, acme, email="ana@example.com")
    agent, supervisor, auditor = (
        choices(visit(role), conversation=conversation) for role in ("agent", "supervisor", "auditor")
    )
    assert {"Take it", "Resolve", "Answer", "Move to senior", "Put away for 4 hours"} <= deeds(agent)
    assert "Give to ana@example.com" in deeds(supervisor)
    assert deeds(auditor) == set()
    assert next(iter(agent)) == ("This conversation", "Take it")
    assert agent["This conversation", "Take it"]["fields"]["version"] == str(field(owner, conversation, "version"))
    assert deeds(choices(visit(), conversation="no-id")) == set()


def test_a_conversation_of_another_tenant_offers_nothing(visit, owner, tenant_ids):
    theirs = add_conversation(owner, tenant_ids["other"])
    assert deeds(choices(visit("admin"), conversation=theirs)) == set()


def test_without_scripts_it_is_a_page_whose_forms_do_the_same(visit, owner, acme):
    visitor, conversation = visit(), add_conversation(owner, acme)
    page = visitor.get("/go", conversation=conversation, q="take")
    assert "Take it" in words(page)
    assert "Move to" not in words(page)
    taken = visitor.post(
        f"/conversations/{conversation}/do", deed="claim", version=str(field(owner, conversation, "version"))
    )
    assert "It is yours." in words(taken)
    assert "Nothing fits." in words(visitor.get("/go", q="no such thing"))


def test_looks_lead_back_to_the_page_and_never_out_of_the_house(visit):
    visitor = visit()
    for given, back in (("/insights", "/insights"), ("//evil.example", ""), ("https://evil.example/", "")):
        assert choices(visitor, **{"from": given})["Theme", "Dark"]["fields"] == {"theme": "dark", "next": back}


def test_whoever_is_not_signed_in_is_sent_to_the_form(app):
    assert app.test_client().get("/go/choices").location.startswith("/sign-in")


def test_words_are_found_without_their_marks_and_in_any_order():
    names = ("Give to Çağla", "Straße", "Işık")
    found = [Choice("People", name, "/") for name in names]
    for wanted, name in (("cagla give", "Give to Çağla"), ("STRASSE", "Straße"), ("isik", "Işık")):
        assert [one.name for one in fitting_choices(found, wanted)] == [name]
    assert fitting_choices(found, "") == found
