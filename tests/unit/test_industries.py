"""Industry templates: what each must hold, what they are called, and what their rules may do."""

import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from config.actions import ActionConfig
from config.industries import (
    ALIASES,
    GENERIC_TOPICS,
    IndustryFileError,
    find_industry_name,
    industry_names,
    load_industry,
    nearest_industry_name,
    parse_industry,
)
from config.thresholds import Thresholds
from config.topics import find_twin
from config.words import ActionKind, Intent
from devstack.standins.claude_reader import read
from devstack.standins.claude_request import Conversation
from routing.actions import CUSTOMER_FACING
from routing.playbooks import _load, playbook_for
from routing.rules import RoutingFacts, RoutingPolicy, decide
from tests.industries_page import COMMAND, page

ROOT = Path(__file__).parents[2]
MAY_LEAVE_FOR_THE_UNHAPPY = {"request_screenshot", "send_refund_form"}
ALL_ON = {
    kind: ActionConfig(enabled=True, url="https://acme.example/x", per_customer_per_day=100)
    for kind in get_args(ActionKind)
}
GOOD = 'description = "A zoo."\ntone = "Gentle."\n[topics]\nanimals = "lions and their food"\n'


def own_topics(industry):
    return load_industry(industry).topics


def decision(industry, sentiment, intent, topics=(), **more):
    given = {
        "outcome": "analyzed",
        "surface": "dm",
        "sentiment": sentiment,
        "intent": intent,
        "topics": topics,
        "score": 0.93,
        **more,
    }
    return decide(
        RoutingFacts(**given), RoutingPolicy(thresholds=Thresholds(), rules=playbook_for(industry), actions=ALL_ON)
    )


def kinds(decided):
    return {action.kind for action in decided.actions}


each_industry = pytest.mark.parametrize("industry", industry_names())


@each_industry
def test_a_template_has_six_to_ten_topics_of_its_own(industry):
    assert 6 <= len(own_topics(industry)) <= 10
    assert not set(own_topics(industry)) & set(GENERIC_TOPICS)


@each_industry
def test_no_two_topics_read_alike(industry):
    topics = load_industry(industry).all_topics()

    assert not [name for name in topics if find_twin(name, topics)]
    assert len(set(topics.values())) == len(topics)


@each_industry
def test_definitions_are_short_lists_in_the_words_of_the_field(industry):
    for definition in own_topics(industry).values():
        assert 10 <= len(definition) <= 100
        assert re.fullmatch(r"[^A-Z].*[^.]|SIM .*[^.]|API.*[^.]", definition)


@each_industry
def test_topics_of_one_industry_share_hardly_any_words(industry):
    """Two definitions that name the same things leave the model to guess."""
    words = {name: set(re.findall(r"\w{5,}", text)) for name, text in load_industry(industry).all_topics().items()}

    for one, other in itertools.combinations(words, 2):
        assert len(words[one] & words[other]) <= 1, (one, other, words[one] & words[other])


@each_industry
def test_tone_and_description_are_one_sentence(industry):
    template = load_industry(industry)

    assert template.tone.count(".") == template.description.count(".") == 1


@each_industry
def test_an_industry_adds_three_to_eight_rules(industry):
    assert 3 <= len(_load(industry)) <= 8


@each_industry
def test_no_rule_writes_to_an_unhappy_customer_but_for_a_screenshot_or_the_refund_form(industry):
    for rule in _load(industry):
        if "negative" in (rule.when.sentiment or ("negative",)):
            assert set(rule.then.actions) & CUSTOMER_FACING <= MAY_LEAVE_FOR_THE_UNHAPPY, rule.name


@each_industry
def test_where_only_people_answer_nothing_is_written_even_on_the_models_advice(industry):
    own = {rule.name: rule for rule in _load(industry) if rule.people_only}
    reached = set()
    for sentiment, intent, topic, urgent in itertools.product(
        ("negative", "neutral"), get_args(Intent), own_topics(industry), (False, True)
    ):
        decided = decision(industry, sentiment, intent, (topic,), urgent=urgent, suggested_action="follow_up")
        if decided.rule in own:
            reached.add(decided.rule)
            assert not kinds(decided) & CUSTOMER_FACING

    assert reached == set(own)


@each_industry
def test_what_the_product_promises_for_every_business_holds(industry):
    for topics in ((), *((topic,) for topic in load_industry(industry).all_topics())):
        refund = decision(industry, "negative", "refund_request", topics)
        assert (refund.queue, refund.priority) == ("senior", "P1")
        assert kinds(refund) == {"escalate_to_human", "send_refund_form"}

        praise = decision(industry, "positive", "compliment", topics)
        assert (praise.queue, praise.priority) == ("auto", "P4")
        assert kinds(praise) == {"close_with_thanks", "send_nps_invite"}

        price = decision(industry, "neutral", "price_inquiry", topics)
        assert (price.queue, price.priority, kinds(price)) == ("sales", "P3", set())

        valued = decision(industry, "negative", "other", topics, high_value=True)
        assert (valued.queue, valued.priority) == ("senior", "P1")


@each_industry
def test_an_unhappy_technical_problem_goes_to_engineering_unless_it_is_about_no_software(industry):
    for topics in ((), *((topic,) for topic in GENERIC_TOPICS)):
        broken = decision(industry, "negative", "technical_support", topics)
        assert (broken.queue, broken.priority) == ("engineering", "P2")
        assert "request_screenshot" in kinds(broken)
    for topic in own_topics(industry):
        broken = decision(industry, "negative", "technical_support", (topic,))
        assert broken.queue == "engineering" or "escalate_to_human" in kinds(broken)


@pytest.mark.parametrize(
    ("industry", "topic", "rule", "queue"),
    [
        ("banking", "fraud", "fraud", "senior"),
        ("banking", "lost_card", "card_gone", "senior"),
        ("ecommerce", "product_safety", "product_hurts", "senior"),
        ("fitness", "injury", "injury", "senior"),
        ("healthcare", "symptoms", "symptoms_or_medication", "senior"),
        ("healthcare", "medication", "symptoms_or_medication", "senior"),
        ("hospitality", "guest_safety", "guest_in_danger", "senior"),
        ("restaurant", "allergens", "allergen_question", "senior"),
        ("restaurant", "food_safety", "guest_fell_ill", "senior"),
        ("saas", "security", "security_incident", "engineering"),
        ("telecom", "fraud", "line_misused", "senior"),
        ("travel", "emergency", "traveller_in_danger", "senior"),
    ],
)
@pytest.mark.parametrize("sentiment", ["negative", "neutral"])
@pytest.mark.parametrize("score", [0.5, 0.99])
def test_danger_is_p1_however_calm_the_words_and_however_sure_the_model(industry, topic, rule, queue, sentiment, score):
    decided = decision(industry, sentiment, "other", (topic,), score=score)

    assert (decided.rule, decided.queue, decided.priority) == (rule, queue, "P1")
    assert kinds(decided) == {"escalate_to_human"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("hotel", "hospitality"),
        ("clinic", "healthcare"),
        ("e-commerce", "ecommerce"),
        ("E_Commerce", "ecommerce"),
        ("Health care", "healthcare"),
        ("Travel agency", "travel"),
        ("bank", "banking"),
        ("telco", "telecom"),
        ("gym", "fitness"),
        ("SaaS", "saas"),
        ("general", "general"),
        ("piracy", None),
    ],
)
def test_an_industry_is_found_by_the_names_people_use(written, meant):
    assert find_industry_name(written) == meant


def test_aliases_lead_to_templates_and_hide_none():
    assert set(ALIASES.values()) <= set(industry_names())
    assert not set(ALIASES) & set(industry_names())
    assert all(find_industry_name(alias) == name for alias, name in ALIASES.items())


@pytest.mark.parametrize(
    ("written", "nearest"),
    [("restaurnt", "restaurant"), ("hotell", "hospitality"), ("e-comerce", "ecommerce"), ("xyzzy", None)],
)
def test_the_nearest_industry_is_named(written, nearest):
    assert nearest_industry_name(written) == nearest


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('tone = "Gentle."', ""), "zoo.toml: tone: Field required"),
        (('tone = "Gentle."', 'tone = "Gentle"'), "zoo.toml: tone: "),
        (('tone = "Gentle."', 'tonne = "Gentle."'), "zoo.toml: tonne: "),
        (("animals =", "Wild-Animals ="), "zoo.toml: topics.Wild-Animals: a topic's name is 2 to 40"),
        (('"lions and their food"', '""'), "zoo.toml: topics.animals: is empty"),
        (('"lions and their food"', "7"), "zoo.toml: topics.animals: "),
        (("[topics]", "[topics"), "zoo.toml: not valid TOML: "),
    ],
)
def test_a_template_that_cannot_be_used_names_file_and_field(change, told):
    with pytest.raises(IndustryFileError) as caught:
        parse_industry(GOOD.replace(*change), name="zoo", source="zoo.toml")

    assert told in str(caught.value)


def test_a_template_that_can_be_used_is_read():
    assert parse_industry(GOOD, name="zoo", source="zoo.toml").all_topics()["animals"] == "lions and their food"


def test_a_broken_template_stops_loading(tmp_path, monkeypatch):
    folder = tmp_path / "industries"
    folder.mkdir()
    (folder / "zoo.toml").write_text(GOOD.replace("tone", "tune"), encoding="utf-8")
    monkeypatch.setattr("config.industries.files", lambda _: tmp_path)
    industry_names.cache_clear()
    try:
        with pytest.raises(IndustryFileError, match=r"config/industries/zoo\.toml: tone: Field required"):
            load_industry("zoo")
    finally:
        industry_names.cache_clear()


def test_an_unknown_template_is_a_key_error():
    with pytest.raises(KeyError):
        load_industry("hotel")


def named_by_the_standin(industry, text):
    listed = "Topics: " + json.dumps(load_industry(industry).all_topics())
    return read(Conversation(text, []), system=listed, example={})["topics"]


@each_industry
def test_the_standin_knows_words_of_every_topic(industry):
    known = tomllib.loads((ROOT / "devstack" / "standins" / "words.toml").read_text(encoding="utf-8"))["topics"]

    for topic in own_topics(industry):
        assert len(known[topic]) >= 7, topic
        assert any("\u0600" <= word[0] <= "\u06ff" for word in known[topic]), topic


@pytest.mark.parametrize(
    ("industry", "text", "topic"),
    [
        ("banking", "There is a payment on my statement that I did not make", "fraud"),
        ("banking", "Kartım çalındı, hemen kapatın", "fraud"),
        ("banking", "Ich habe meine Karte verloren, bitte Karte sperren", "lost_card"),
        ("banking", "أريد قرض لشراء بيت", "loan"),
        ("saas", "All our records are gone since this morning", "data_loss"),
        ("saas", "Webhook bildirimleri gelmiyor, entegrasyon durdu", "integration"),
        ("saas", "Euer Dienst ist nicht erreichbar, Störung?", "outage"),
        ("saas", "تم اختراق حساب المدير", "security"),
        ("telecom", "We have had no internet since yesterday", "outage"),
        ("telecom", "Numaramı taşımak istiyorum", "number_porting"),
        ("telecom", "Der Techniker ist nicht gekommen", "technician"),
        ("telecom", "فاتورة التجوال غلط", "roaming"),
        ("travel", "My flight was cancelled and I am stranded in Rome", "disruption"),
        ("travel", "Bavulum kayboldu", "baggage"),
        ("travel", "Brauche ich ein Visum für Ägypten?", "documents"),
        ("travel", "أريد تغيير التاريخ", "booking_change"),
        ("restaurant", "Yemekten sonra zehirlendik", "food_safety"),
        ("hospitality", "A stranger is at my door", "guest_safety"),
        ("fitness", "Ich habe mich beim Kurs verletzt", "injury"),
        ("healthcare", "ابني عنده حرارة منذ أمس", "symptoms"),
    ],
)
def test_the_standin_names_the_topic_of_a_message(industry, text, topic):
    assert topic in named_by_the_standin(industry, text)


@pytest.mark.parametrize(
    ("industry", "text"),
    [
        ("banking", "How do I pay with my card abroad?"),
        ("ecommerce", "Good morning, which parcel service do you use?"),
        ("fitness", "Is the yoga class on Monday full?"),
        ("healthcare", "Can I move my appointment to Friday?"),
        ("hospitality", "Is breakfast included for our room?"),
        ("restaurant", "The food was good, what a nice dish"),
        ("saas", "Can I download my invoice and add a user?"),
        ("telecom", "How much is internet for my new home?"),
        ("travel", "Can I choose a seat with my ticket?"),
    ],
)
def test_the_standin_sees_no_danger_in_everyday_questions(industry, text):
    dangers = {topic for rule in _load(industry) if rule.then.priority == "P1" for topic in rule.when.topics}

    assert not dangers & set(named_by_the_standin(industry, text)) - {"tickets", "room"}


def test_the_page_for_admins_is_up_to_date():
    written = (ROOT / "docs" / "industries.md").read_text(encoding="utf-8")

    assert written == page(), f"docs/industries.md is out of date: {COMMAND}"
