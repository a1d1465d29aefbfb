"""Tenant files: what a typo gets told, and where."""

from pathlib import Path

import pytest

from config.industries import industry_names, load_industry
from config.tenant import TenantConfig
from config.tenant_file import TenantFileError, load_tenant_file, parse_tenant_file
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


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        ('client_secret = "hush"', None),
        ('username = "a@acme.example"\nprivate_key = "hush"', None),
        ('private_key = "hush"', "needs username"),
        ('username = "a@acme.example"', "needs private_key"),
        ("", "needs client_secret"),
    ],
)
def test_salesforce_wants_a_secret_or_a_user_with_a_key(given, needs):
    login = f'kind = "salesforce"\ndomain = "acme.my.salesforce.com"\nclient_id = "x"\n{given}'
    text = ACME.replace('kind = "hubspot"\ntoken = "acme-hubspot"', login)
    if needs is None:
        assert parse(text).crm.client_id == "x"
    else:
        assert needs in problem(text)


def test_broken_toml_is_told_with_its_line():
    assert "line 2" in problem('slug = "a"\nname = \n')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('slug = "a"\n[topics]\nsizing = "a"\ncolours = "b"\nsizing = "c"\n', "acme.toml:5: not valid TOML"),
        ('slug = "a"\n[topics]\nsizing = "a"\n[hours]\n[topics]\nsizing = "c"\n', "acme.toml:5: not valid TOML"),
        ('slug = "a"\n[topics]\nsizing = "a"\nsizing = "b"', "acme.toml:4: not valid TOML"),
    ],
)
def test_what_stands_there_twice_is_told_with_the_line_of_the_second(text, told):
    assert problem(text).startswith(told)
    assert "for the second time" in problem(text)


def topics(*lines):
    return 'slug = "acme"\nname = "Acme"\nindustry = "shop"\n[topics]\n' + "\n".join(lines)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('Sizing = "a"', 'topics.Sizing: a topic\'s name is 2 to 40 lower-case letters, digits and _, and begins with a letter; write "sizing"'),
        ('"half-sizes" = "a"', 'topics.half-sizes: a topic\'s name is 2 to 40 lower-case letters, digits and _, and begins with a letter; write "half_sizes"'),
        ('x = "a"', "topics.x: a topic's name is 2 to 40 lower-case letters"),
        ('"2nd_hand" = "a"', "topics.2nd_hand: a topic's name is 2 to 40 lower-case letters"),
        (f'{"x" * 41} = "a"', f"topics.{'x' * 41}: a topic's name is 2 to 40 lower-case letters"),
        ('sizing = ""', "topics.sizing: is empty; say in one line what customers write about"),
        ('sizing = "  "', "topics.sizing: is empty"),
        (f'sizing = "{"x" * 201}"', "topics.sizing: has 201 characters; shorten it to at most 200"),
        ('sizing = "a\\nb"', "topics.sizing: holds a line break or another control character; write it on one line"),
        ('sizing = "a\\u2028b"', "topics.sizing: holds a line break"),
        ("sizing = 7", "topics.sizing: "),
        ('productquality = "a"', 'topics.productquality: reads like the template\'s "product_quality"; use that name, or one that differs more'),
        ('re_fund = "a"', 'topics.re_fund: reads like the template\'s "refund"'),
    ],
)  # fmt: skip
def test_a_topic_that_cannot_be_used_is_told_with_key_line_and_fix(line, told):
    assert problem(topics('half_price = "a"', line)).startswith(f"acme.toml:6: {told}")


def test_two_topics_of_a_tenant_that_read_alike_are_told():
    told = problem(topics('half_size = "a"', 'halfsize = "b"', 'half__size = "c"'))

    assert 'acme.toml:6: topics.halfsize: reads like another of yours, "half_size"' in told
    assert 'acme.toml:7: topics.half__size: reads like another of yours, "half_size"' in told


def test_a_stored_tenant_is_not_locked_out_by_a_template_that_grows():
    stored = {"slug": "acme", "name": "Acme", "industry": "ecommerce", "topics": {"productquality": "a"}}

    assert TenantConfig.model_validate(stored).topics == {"productquality": "a"}


def test_a_tenant_may_have_sixty_topics_of_its_own_and_no_more():
    lines = [f'topic_{number:02d}x = "a"' for number in range(61)]

    assert len(parse(topics(*lines[:60])).topics) == 60
    assert problem(topics(*lines)) == "acme.toml:4: topics: are 61; at most 60 fit, so merge or drop some"


def test_a_tenant_may_define_a_topic_of_the_template_anew():
    assert parse(topics('warranty = "two years on heels"')).topics == {"warranty": "two years on heels"}
    assert parse(topics(f'sizing = "{"x" * 200}"')).topics["sizing"]


@pytest.mark.parametrize(
    ("written", "stored"),
    [("hotel", "hospitality"), ("clinic", "healthcare"), ("e-commerce", "ecommerce"), ("Travel agency", "travel")],
)
def test_an_industry_is_stored_under_its_templates_name(written, stored):
    assert parse(ACME.replace('"ecommerce"', f'"{written}"')).industry == stored


def test_an_unknown_industry_is_told_with_the_known_ones_and_the_nearest():
    told = problem(ACME.replace('"ecommerce"', '"restaurnt"'))

    assert told.startswith('acme.toml:4: industry: "restaurnt" is unknown; one of: banking, ecommerce, fitness, ')
    assert told.endswith('; the nearest is "restaurant"')


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


def rules(*lines):
    head = 'slug = "acme"\nname = "Acme"\nindustry = "shop"\n[queues.wholesale]\nabout = "Shops that buy from us."\n'
    return head + "[[rules]]\n" + 'name = "own"\nbecause = "We say so."\n' + "\n".join(lines)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("when = {}", 'then = { queue = "seniro", priority = "P2" }'), 'acme.toml:10: rules.0.then.queue: rule "own": there is no queue "seniro"; the nearest is "senior"'),
        (("when = {}", 'then = { queue = "wholsale", priority = "P2" }'), 'acme.toml:10: rules.0.then.queue: rule "own": there is no queue "wholsale"; the nearest is "wholesale"'),
        (('when = { topics = ["shiping"] }', 'then = { queue = "sales", priority = "P2" }'), 'acme.toml:9: rules.0.when.topics: rule "own": there is no topic "shiping"; the nearest is "shipping"'),
        (("when = {}", 'then = { queue = "sales", priority = "P2", actions = ["escalate"] }'), 'acme.toml:10: rules.0.then.actions.0: rule "own": is no action Earshot knows; the nearest is "escalate_to_human"'),
        (("when = {}", 'then = { queue = "not_yet_analysed", priority = "P2" }'), 'acme.toml:10: rules.0.then.queue: rule "own": "not_yet_analysed" holds what the model has not read yet'),
        (("when = { min_score = 1.2 }", 'then = { queue = "sales", priority = "P2" }'), 'acme.toml:9: rules.0.when.min_score: rule "own": Input should be less than or equal to 1'),
        (('when = { between = "22-7" }', 'then = { queue = "sales", priority = "P2" }'), 'acme.toml:9: rules.0.when.between: rule "own": is no span of a day'),
        (("when = {}", 'then = { queue = "sales", team = "sales", priority = "P2" }'), 'acme.toml:10: rules.0.then: rule "own": team and queue mean the same'),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_used_is_told_with_its_name_key_line_and_the_nearest(lines, told):
    assert problem(rules(*lines)).startswith(told)


def test_a_rule_may_send_to_a_queue_of_the_tenants_own():
    config = parse(rules("when = {}", 'then = { team = "wholesale", priority = "P2", skill = "b2b", tags = ["shop"] }'))

    assert (config.rules[0].then.queue, config.rules[0].then.skill) == ("wholesale", "b2b")


def test_a_queue_that_everybody_has_cannot_be_defined_again():
    told = problem(ACME + '[queues.senior]\nabout = "Mine."\n')

    assert "is a queue that every tenant has" in told


def test_a_floor_word_of_one_letter_would_be_in_every_message():
    assert "needs two letters" in problem(ACME + '[floor]\nurgent = ["a"]\n')


def test_two_rules_of_one_name_are_told():
    twice = rules(
        "when = {}",
        'then = { queue = "sales", priority = "P2" }',
        "[[rules]]",
        'name = "own"',
        'because = "Again."',
        "when = {}",
        'then = { queue = "sales", priority = "P2" }',
    )

    assert "is a name that another rule of yours has" in problem(twice)


@pytest.mark.parametrize(
    "more",
    [
        '[actions.follow_up]\nenabled = true\ntexts = { en = "env:LEAK" }\n',
        '[actions.follow_up]\nenabled = true\ntexts = { to = "env:LEAK" }\n',
        '[[rules]]\nname = "x"\nbecause = "env:LEAK"\n',
        '[topics]\nsecret = "env:LEAK"\n',
    ],
)
def test_nothing_of_the_environment_is_told_to_people(more):
    with pytest.raises(TenantFileError, match="may not be read from the environment") as told:
        parse(ACME + more, LEAK="https://LEAKED")
    assert "LEAKED" not in str(told.value)


@pytest.mark.parametrize(
    "name", ["EARSHOT_KEYS", "DATABASE_URL", "ANTHROPIC_API_KEY", "SECRET_KEY_FILE", "REDIS_PASSWORD"]
)
def test_no_file_asks_for_what_is_earshots_own(name):
    with pytest.raises(TenantFileError, match="Earshot's own") as told:
        parse(ACME.replace('"acme-secret"', f'"env:{name}"', 1), **{name: "LEAKED"})
    assert "LEAKED" not in str(told.value)


def test_every_secret_of_a_tenant_may_stand_in_the_environment():
    text = (
        ACME.replace('"acme-secret"', '["env:ONE", "env:TWO"]', 1).replace('"acme-verify"', '"env:THREE"', 1)
        + '[actions.webhook]\nsecret = "env:FOUR"\n[[alerts]]\nto = "env:HOOK"\n'
    )
    config = parse(text, ONE="a" * 30, TWO="b" * 30, THREE="c", FOUR="d" * 30, HOOK="jsons://hook.example/x")
    assert config.alerts[0].service == "jsons"


@pytest.mark.parametrize(
    "text",
    ["slug = " + "[" * 50_000 + "]" * 50_000, ".".join("a" * 3_000) + " = 1", ACME + "[automation]\nmax_per_customer_per_day = " + "9" * 5_000],
    ids=["brackets", "dots", "digits"],
)  # fmt: skip
def test_a_file_that_is_deep_or_endless_is_refused_in_words(text):
    with pytest.raises(TenantFileError, match="nested too deeply"):
        parse(text)


@pytest.mark.parametrize("key", ["daily_usd", "monthly_usd"])
@pytest.mark.parametrize("value", ["inf", "nan", "1e400"])
def test_a_budget_without_an_end_is_no_budget(key, value):
    with pytest.raises(TenantFileError, match=f"budget.{key}"):
        parse(f"{ACME}[budget]\n{key} = {value}\n")


OWN_QUEUE = ACME + '[queues.wholesale]\nabout = "Shops that buy from us."\n'


def test_a_queue_of_the_tenants_own_has_its_own_targets_and_may_be_given_out_by_itself():
    config = parse(
        OWN_QUEUE + '[assignment]\nauto_assign = ["wholesale"]\n[sla.queue.wholesale.P2]\nfirst_answer_min = 7\n'
    )

    assert config.assignment.auto_assign == ("wholesale",)
    assert config.sla.target_of("wholesale", "P2").first_answer_min == 7


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            '[assignment]\nauto_assign = ["support", "wholesail"]\n',
            'assignment.auto_assign: there is no queue "wholesail"',
        ),
        ("[sla.queue.wholesail.P1]\nfirst_answer_min = 5\n", 'sla.queue.wholesail: there is no queue "wholesail"'),
    ],
)
def test_a_queue_that_nobody_has_is_told_wherever_it_is_named(lines, told):
    line = len(OWN_QUEUE.splitlines()) + (2 if "auto_assign" in lines else 1)

    assert problem(OWN_QUEUE + lines) == f'acme.toml:{line}: {told}; the nearest is "wholesale"'


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ("[sla.P1]\nfirst_anser_min = 5\n", "acme.toml:6: sla.P1.first_anser_min"),
        ('[actions.follow_up]\nenabled = true\nurl = "https://10.0.0.5/x"\n', "acme.toml:7: actions.follow_up.url"),
        ('[actions.follow_up.texts]\nen = "Hello {custmer_name}"\n', "acme.toml:6: actions.follow_up.texts.en"),
    ],
)
def test_what_stands_in_a_table_of_a_table_is_told_with_its_line(lines, place):
    head = 'slug = "acme"\nname = "Acme"\n[hours]\ntime_zone = "UTC"\n'

    assert problem(head + lines).startswith(f"{place}: ")


def test_one_word_where_a_list_belongs_is_told_with_how_lists_are_written():
    told = problem(rules('when = { intent = "complaint" }', 'then = { queue = "sales", priority = "P2" }'))

    assert told.startswith('acme.toml:9: rules.0.when.intent: rule "own": takes a list; put the value in brackets')


def test_a_skill_has_one_word_and_the_old_ones_are_told_what_it_is():
    then = 'then = { queue = "sales", priority = "P2", skill_wanted = "b2b" }'

    assert 'rules.0.then: rule "own": skill_wanted is called skill; write skill = ' in problem(rules("when = {}", then))
    assert "actions.assign.assignee: is no e-mail of an agent; for anybody with a skill write skill = " in problem(
        ACME + '[actions.assign]\nassignee = "b2b"\n'
    )
    assert "actions.tag.skill: is for [actions.assign] only" in problem(ACME + '[actions.tag]\nskill = "b2b"\n')


def test_an_assignment_names_an_agent_or_a_skill():
    config = parse(ACME + '[actions.assign]\nassignee = "bo@acme.example"\nskill = "vip-sales"\n')

    assert (config.actions["assign"].assignee, config.actions["assign"].skill) == ("bo@acme.example", "vip-sales")
