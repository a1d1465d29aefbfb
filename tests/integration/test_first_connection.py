"""What somebody reads whose stack does not get into its database, and what its supervisor is spared."""

import subprocess
import sys

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

PASSWORD_FILE = "/data/secrets/OWNER_DATABASE_PASSWORD"


def first_connection(url, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "devstack.first_connection", *arguments],
        env={"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture
def owner_url(servers):
    return servers[0]


def wrong(url):
    return url.replace(f":{conninfo_to_dict(url)['password']}@", ":wrong@")


def test_the_embedded_servers_database_is_made_once(owner_url):
    server = owner_url.rpartition("/")[0]

    first = first_connection(f"{server}/first_connection", PASSWORD_FILE)
    again = first_connection(f"{server}/first_connection", PASSWORD_FILE)

    assert (first.returncode, first.stderr, again.returncode, again.stderr) == (0, "", 0, "")
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute("DROP DATABASE first_connection")


def test_a_replaced_password_file_is_named(owner_url):
    refused = first_connection(wrong(owner_url), PASSWORD_FILE)

    assert refused.returncode == 1
    assert refused.stderr == f"the embedded Postgres refuses the password in {PASSWORD_FILE}; was that file replaced?\n"


@pytest.mark.parametrize("url", ["wrong password", "nobody there"])
def test_a_given_database_that_lets_nobody_in_is_told_without_its_password(owner_url, url):
    url = wrong(owner_url) if url == "wrong password" else "postgresql://earshot:wrong@127.0.0.1:1/earshot"

    refused = first_connection(url)

    assert refused.returncode == 1
    assert refused.stderr == "the database that DATABASE_URL names does not answer, or refuses the user\n"


def test_a_given_database_that_answers_is_left_as_it_is(owner_url):
    assert first_connection(owner_url).returncode == 0


def test_the_supervisor_is_spared_the_driver():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, devstack.up; print('psycopg' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert loaded.stdout == "False\n"
