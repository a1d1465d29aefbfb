"""The benchmark's tenant is one that every page can show: filled small, asked once."""

import pytest

from benchmarks.console_database import Servers, fill
from benchmarks.console_pages import make_app, measure, sign_in
from benchmarks.first_load import LIMIT_KB, weigh
from store.migrate import app_database_url
from tests.servers import PASSWORD


@pytest.mark.slow
def test_every_page_of_the_filled_tenants_answers_and_is_light(owner_database_url, servers, owner):
    given = Servers(owner_database_url, app_database_url(owner_database_url, PASSWORD), servers[1])
    fill(given, scale=0.003, say=lambda _: None)
    counted = owner.execute("SELECT count(*), sum(messages) FROM label_day WHERE topic = ''").fetchone()
    assert counted[0] > 300 and counted[1] > 1500
    timings, _ = measure(given)
    assert len(timings) > 100
    refused = {one.name: one.status for one in timings if one.status >= 400 and one.name != "/nowhere"}
    assert refused == {}
    app = make_app(given)
    client, _, _ = sign_in(app, given, slug="large")
    for path in ("/inbox", "/insights", "/admin"):
        load = weigh(client, path, path)
        assert load.travels < LIMIT_KB and load.travels < load.plain / 3, path
    app.extensions["database"].close()
