"""What may be subscribed, and what a refusal says."""

import pytest

from config.webhook_subscriptions import EVENT_KINDS, SubscriptionError, read_subscription

GOOD = {
    "url": "https://hooks.acme.example/in?key=s3cr3t",
    "kinds": ["alert.raised", "message.analyzed"],
    "description": " Shop system ",
    "include_text": False,
    "allow_private": False,
}


def test_what_fits_is_tidied():
    wanted = read_subscription(**GOOD)
    assert wanted.kinds == ("message.analyzed", "alert.raised") and wanted.description == "Shop system"
    assert wanted.host == "hooks.acme.example" and "s3cr3t" not in repr(wanted)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.acme.example/in",
        "https://localhost/in",
        "https://127.0.0.1/in",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/in",
        "https://2130706433/in",
        "https://0x7f.1/in",
        "https://metadata.google.internal/in",
        "https://user:pass@hooks.acme.example/in",
        "ftp://hooks.acme.example/in",
        "https://",
        "https://hooks.acme.example/a b",
        "https://hooks.acme.example/\x00",
        "https://hooks.acme.example:99999/",
        "",
        "https://hooks.acme.example/" + "x" * 2000,
    ],
)
def test_an_address_that_is_not_of_the_open_internet_is_refused_without_being_quoted(url):
    with pytest.raises(SubscriptionError) as refused:
        read_subscription(**GOOD | {"url": url})
    assert refused.value.field == "url" and (not url or url not in refused.value.fix)


def test_a_closed_network_may_use_its_own_addresses():
    wanted = read_subscription(**GOOD | {"url": "http://10.0.0.7:8080/in", "allow_private": True})
    assert wanted.host == "10.0.0.7"
    for url in ("file:///etc/passwd", "http://", "http://user:pass@10.0.0.7/", "http://[::1/"):
        with pytest.raises(SubscriptionError):
            read_subscription(**GOOD | {"url": url, "allow_private": True})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kinds": []}, "kinds"),
        ({"kinds": ["message.read"]}, "kinds"),
        ({"kinds": ["webhook.test"]}, "kinds"),
        ({"description": "x" * 201}, "description"),
        ({"description": "two\nlines"}, "description"),
    ],
)
def test_a_refusal_names_the_field(change, field):
    with pytest.raises(SubscriptionError) as refused:
        read_subscription(**GOOD | change)
    assert refused.value.field == field


def test_all_kinds_can_be_had():
    assert read_subscription(**GOOD | {"kinds": list(EVENT_KINDS)}).kinds == EVENT_KINDS
