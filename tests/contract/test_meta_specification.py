"""Our sends and the sample webhooks against Meta's own OpenAPI document of the WhatsApp Business messaging API.

Its terms do not let us ship it: META_OPENAPI names a copy (`.ci/run` does). Where the document contradicts itself or is older than
what Meta's pages of 2026 say, `_corrected` says so.
"""

import copy
import json
import os
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml

from channels.base import Choice, Identity, OutboundMessage, SendingAccount, Template
from channels.registry import build_channels
from tests.http_receiver import HttpReceiver

PATH = os.environ.get("META_OPENAPI", "")
pytestmark = pytest.mark.skipif(not PATH, reason="META_OPENAPI names no copy of Meta's document")
PAYLOADS = Path(__file__).parent.parent / "payloads" / "whatsapp"
PERSON = (Identity("phone", "15550001111"),)
LINK = ("Open the form", "https://acme.example/refund")
ACCOUNT = SendingAccount(account_id="106540352242922", access_token="token")
# Kinds that the document of 2025 knows.
KNOWN_SAMPLES = (
    *("text", "text_from_an_ad", "image", "video_without_caption", "document", "audio", "sticker", "location"),
    *("contacts", "button", "button_reply", "list_reply", "order", "reaction", "unsupported", "status_naming_both_ids"),
)


def _corrected(document):
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        if "allOf" in schema:
            # Each part forbids the properties of the other: read as a whole, what neither names is forbidden.
            for part in schema["allOf"]:
                part.pop("additionalProperties", None)
            schema["unevaluatedProperties"] = False
    sent = schemas["BaseMessageProperties"]
    # Documented since: the receipt's opaque value, and business-scoped ids in place of a phone.
    sent["properties"] |= {
        "biz_opaque_callback_data": {"type": "string", "maxLength": 512},
        "recipient": {"type": "string"},
    }
    sent["required"].remove("to")
    sent["anyOf"] = [{"required": ["to"]}, {"required": ["recipient"]}]
    schemas["InteractiveObject"]["properties"]["type"]["enum"].append("cta_url")
    parameters = {
        "type": "object",
        "required": ["display_text", "url"],
        "additionalProperties": False,
        "properties": {
            "display_text": {"type": "string", "maxLength": 20},
            "url": {"type": "string", "pattern": "^https://"},
        },
    }
    cta = {"required": ["name", "parameters"], "properties": {"name": {"enum": ["cta_url"]}, "parameters": parameters}}
    schemas["ActionObject"]["oneOf"].append(cta)
    schemas["MarkMessageRequestPayload"]["properties"]["typing_indicator"] = {"type": "object", "required": ["type"]}
    return document


def _with_received_kinds(document):
    """What comes in: the document's parts for webhooks name the parts for sends of the same name, an artefact of its merging."""
    schemas = document["components"]["schemas"]
    kinds = ["Text", "Reaction", "Audio", "Document", "Image", "Sticker", "Video", "Location", "ContactSharing"]
    kinds += ["Unsupported", "Button", "Order"]
    names = {
        f"{kind}Message": next(n for n in (f"{kind}Message_2", f"{kind}Message_1", f"{kind}Message") if n in schemas)
        for kind in kinds
    }
    names["InteractiveMessageReply"] = "InteractiveMessageReply"
    for name in names.values():
        schemas[name] = json.loads(
            json.dumps(schemas[name])
            .replace('BaseMessageProperties"', 'BaseMessageProperties_1"')
            .replace('ErrorObject"', 'ErrorObject_2"')
        )
        schemas[name].pop("unevaluatedProperties", None)
    references = [{"$ref": f"#/components/schemas/{name}"} for name in names.values()]
    schemas["IncomingMessage"] = {"anyOf": references}
    # A quote has no product in Meta's own examples.
    schemas["ContextObject"].pop("required", None)
    return document


@cache
def _document():
    return _corrected(yaml.safe_load(Path(PATH).read_text()))


def assert_is(name, body, document):
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(body)]
    assert errors == []


@pytest.fixture
def graph():
    server = HttpReceiver()
    server.answers(200, {"messages": [{"id": "wamid.1"}]})
    yield server
    server.stop()


@pytest.fixture
def whatsapp(graph):
    url = f"http://127.0.0.1:{graph.port}"
    return build_channels(graph_url=url, instagram_url=url, version="v26.0")["whatsapp"]


MESSAGES = {
    "TextMessage": [
        OutboundMessage(recipient=PERSON, text="Thank you!", callback="0199f2a0"),
        OutboundMessage(recipient=PERSON, text="x" * 5000, quotes_provider_id="wamid.Q"),
        OutboundMessage(recipient=(Identity("bsuid", "US.13491208655302741918"),), text="Thank you!"),
    ],
    "InteractiveMessage": [
        OutboundMessage(recipient=PERSON, text="x" * 5000, link=(LINK[0] * 5, LINK[1]), callback="0199f2a0"),
        *(
            OutboundMessage(
                recipient=PERSON,
                text="How was it?",
                choices=tuple(Choice(str(n), f"{n} " + "x" * 40) for n in range(count)),
            )
            for count in (1, 3, 4, 10)
        ),
    ],
    "TemplateMessage": [
        OutboundMessage(
            recipient=PERSON, text="", template=Template("sorry", "en_US", ("Ada", "42")), callback="0199f2a0"
        ),
        OutboundMessage(recipient=PERSON, text="", template=Template("sorry", "tr")),
    ],
}


@pytest.mark.parametrize(("name", "message"), [(name, one) for name, several in MESSAGES.items() for one in several])
def test_what_we_send_is_what_meta_takes(name, message, whatsapp, graph):
    whatsapp.send(message, account=ACCOUNT)
    assert_is(name, graph.received[0].json, _document())


def test_the_read_mark_is_what_meta_takes(whatsapp, graph):
    whatsapp.mark_read("wamid.1", recipient=PERSON, account=ACCOUNT)
    assert_is("MarkMessageRequestPayload", graph.received[0].json, _document())


@pytest.mark.parametrize("name", KNOWN_SAMPLES)
def test_sample_webhooks_are_what_meta_sends(name):
    body = json.loads((PAYLOADS / f"{name}.json").read_text())["body"]
    assert_is("WebhookPayload", body, _with_received_kinds(copy.deepcopy(_document())))
