"""What a tenant file may say of its actions, and how wordings are filled in: never with a hole."""

import pytest

from config.tenant_file import TenantFileError, parse_tenant_file
from routing.wording import MissingValueError, fill, presentable_name

HEAD = 'slug = "acme"\nname = "Acme"\n'


def parse(text, **environ):
    return parse_tenant_file(HEAD + text, source="acme.toml", environ=environ)


def problem(text, **environ):
    with pytest.raises(TenantFileError) as caught:
        parse(text, **environ)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1/hook", "names an IP address"),
        ("https://8.8.8.8/hook", "names an IP address"),
        ("https://[::1]/hook", "names an IP address"),
        ("https://2130706433/hook", "names an IP address"),
        ("https://0x7f.1/hook", "names an IP address"),
        ("https://localhost/hook", "points inside a network"),
        ("https://localhost./hook", "points inside a network"),
        ("https://db.internal/hook", "points inside a network"),
        ("https://printer.LOCAL/hook", "points inside a network"),
        ("https://intranet/hook", "points inside a network"),
        ("https://svc.cluster.local/hook", "points inside a network"),
        ("https://user:hunter2@acme.example/hook", "must not hold a user name"),
        ("http://acme.example/hook", "must begin with https://"),
    ],
)
@pytest.mark.parametrize("kind", ["webhook", "send_refund_form"])
def test_a_url_that_points_inside_is_refused_with_its_key_and_without_its_words(url, says, kind):
    secret = 'secret = "0123456789012345678901234"\n' if kind == "webhook" else ""
    told = problem(f'[actions.{kind}]\nenabled = true\nurl = "{url}"\n{secret}')
    assert f"actions.{kind}.url: {says}" in told
    assert "hunter2" not in told and "0123456789" not in told


def test_a_public_url_is_fine_and_a_closed_network_may_use_its_own():
    webhook = '[actions.webhook]\nenabled = true\nurl = "%s"\nsecret = "env:HOOK"\n'
    parse(webhook % "https://hooks.acme.example/earshot?x=1", HOOK="s" * 24)
    parse(webhook % "http://10.0.0.1:8080/", HOOK="s" * 24, ALLOW_PRIVATE_URLS="true")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[actions.webhook]\nenabled = true\n", "actions.webhook: needs url while it is switched on"),
        ('[actions.webhook]\nenabled = true\nurl = "https://a.example/"\n', "actions.webhook: needs secret"),
        ('[actions.webhook]\nsecret = "short"\n', "actions.webhook.secret: is shorter than 24 characters"),
        ('[actions.tag]\nmode = "approve"\n', 'actions.tag.mode: can\'t be "approve"'),
        ('[actions.escalate_to_human]\nmode = "off"\n', "actions.escalate_to_human.mode: can't be switched off"),
        ('[actions.follow_up]\ntags = ["x"]\n', "actions.follow_up.tags: is for [actions.tag] only"),
        ('[actions.follow_up]\nmode = "auto"\nenabled = false\n', "mode and enabled contradict each other"),
        ("[actions.send_pizza]\nenabled = true\n", "actions.send_pizza"),
        ('[automation]\nquiet_hours = "00:00-24:00"\n', "covers the whole day"),
        ('[automation]\nquiet_hours = "9pm"\n', "automation.quiet_hours: "),
    ],
)
def test_what_an_action_lacks_or_may_not_have_is_named(text, says):
    assert says in problem(text)


@pytest.mark.parametrize(
    ("wording", "says"),
    [
        ("Dear {first_name}", "{first_name} is not a variable Earshot can fill; there are {customer_name}"),
        ("Dear {customer_name", "has a brace without its partner"),
        ("See {link}", "uses {link}, but the action has no url"),
    ],
)
def test_a_wrong_variable_is_named_with_the_ones_there_are(wording, says):
    assert f"actions.follow_up.texts.en: {says}" in problem(f'[actions.follow_up.texts]\nen = "{wording}"\n')
    template = f'[actions.follow_up.template]\nname = "x"\nlanguages = {{ en = "en_US" }}\nparameters = ["{wording}"]\n'
    assert f"actions.follow_up.template.parameters: {says}" in problem(template)


def test_a_secret_is_no_part_of_the_settings():
    config = parse(
        '[actions.webhook]\nmode = "auto"\nurl = "https://a.example/"\nsecret = "env:HOOK"\n', HOOK="s3cret" * 5
    )
    assert "s3cret" not in config.model_dump_json() and "s3cret" not in repr(config)
    assert config.actions["webhook"].enabled


def test_a_variable_without_a_value_is_an_error_and_never_a_hole():
    assert (
        fill("Dear {customer_name}, {business_name}", {"customer_name": "Ada", "business_name": "Acme"})
        == "Dear Ada, Acme"
    )
    with pytest.raises(MissingValueError, match="customer_name"):
        fill("Dear { customer_name }", {"customer_name": None})
    assert fill("Use {SUMMER} today", {}) == "Use {SUMMER} today"


def test_a_name_that_holds_a_variable_is_not_filled_in_again():
    assert fill("{customer_name}{link}", {"customer_name": "{link}", "link": "L"}) == "{link}L"


@pytest.mark.parametrize(
    ("shown", "name"),
    [("  Ada   Lovelace ", "Ada Lovelace"), ("Şule", "Şule"), ("🙂", None), ("", None), (None, None),
     ("win at www.evil.example", None), ("https://evil.example", None), ("@ada", None), ("+90 5551112233", None), ("A" * 61, None),
     ("evil.com", "evil. com"), ("M.Ali Yılmaz", "M. Ali Yılmaz"), ("J. R. Smith", "J. R. Smith"), ("evil\uff0ecom", "evil\uff0e com"),
     ("t\u200c.me", "t\u200c. me"), ("\uff20ada", None), ("\uff41\uff0f\uff42", None), ("Ada\u202egnp.moc", "Adagnp. moc"),
     ("a\u200bb", "ab"), ("علی\u200cرضا", "علی\u200cرضا")],
)  # fmt: skip
def test_what_is_no_name_is_not_used_as_one(shown, name):
    assert presentable_name(shown) == name
