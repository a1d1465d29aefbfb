"""Tenant files: what a typo gets told, and where."""

from pathlib import Path

import pytest

from config.industries import industry_names, load_industry
from config.tenant import TenantFileError, load_tenant_file, parse_tenant_file
from devstack.samples.traffic import SampleTraffic, tenant_files
from tests.conftest import ACME


def parse(text, **environ):
    return parse_tenant_file(text, source="acme.toml", environ=environ)


def problem(text, **environ) -> str:
    with pytest.raises(TenantFileError) as caught:
        parse(text, **environ)
    return str(caught.value)


def test_a_typo_is_told_with_key_and_line():
    text = 'slug = "acme"\nname = "Acme"\n[thresholds]\nescalat = 0.7\n'
    assert problem(text) == "acme.toml:4: thresholds.escalat: is not a key Earshot knows (a typo?)"


def test_a_typo_in_the_second_channel_is_told_there():
    text = (
        ACME
        + '[[channels]]\nkind = "whatsapp"\naccount_id = "333000333"\napp_secret = "hush"\nverify_tokn = "hush"\naccess_token = "hush"\n'
    )
    text = text.replace("[crm]", "[crm]")
    told = problem(text)
    assert "channels.2.verify_tokn" in told
    assert f"acme.toml:{text[: text.index('verify_tokn')].count(chr(10)) + 1}:" in told
    assert "hush" not in told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('slug = "acme"', 'slug = "No Spaces"'), "slug"),
        (('industry = "ecommerce"', 'industry = "piracy"'), "is unknown; one of:"),
        (("https://acme.example/refund", "http://plain.example"), "actions.send_refund_form.url"),
        (('token = "acme-hubspot"', ""), "needs token"),
        (('kind = "hubspot"', 'kind = "lotus"'), "crm.kind"),
        (('account_id = "111000111"', 'account_id = "+90 555"'), "channels.0.account_id"),
        (('app_secret = "acme-secret"', 'app_secret = ["a", "b", "c"]'), "channels.0.app_secret"),
        (('login = "instagram"', 'login = "facebook"'), "needs page_id"),
        (("default_region", "default_regoin"), "default_regoin"),
    ],
)
def test_what_is_wrong_is_named(change, words):
    assert words in problem(ACME.replace(*change, 1))


def test_broken_toml_is_told_with_its_line():
    assert "line 2" in problem('slug = "a"\nname = \n')


def test_a_variable_that_is_not_set_is_named():
    assert "channels[0].app_secret asks for the environment variable NOPE" in problem(
        ACME.replace('"acme-secret"', '"env:NOPE"', 1)
    )


def test_variables_are_read_and_secrets_do_not_show():
    config = parse(ACME.replace('"acme-secret"', '"env:S"', 1), S="from-env")
    assert config.channels[0].app_secret[0].get_secret_value() == "from-env"
    assert "from-env" not in repr(config) and "acme-token" not in repr(config)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TenantFileError, match="cannot be read"):
        load_tenant_file(tmp_path / "gone.toml", environ={})


@pytest.mark.parametrize("path", tenant_files(), ids=lambda path: path.stem)
def test_the_sample_tenants_are_valid(path: Path):
    assert load_tenant_file(path, environ={}).slug == path.stem


def test_the_sample_traffic_is_sixty_webhooks_and_the_same_every_time():
    first, again = (list(SampleTraffic(now_s=1_790_000_000, run="a").webhooks()) for _ in range(2))
    assert first == again
    assert len(first) == 60


@pytest.mark.parametrize("name", industry_names())
def test_every_industry_template_loads(name):
    assert load_industry(name).all_topics()["shipping"]
