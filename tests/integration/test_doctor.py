"""`earshot doctor`: models that are not there."""

import json

import pytest

from cli.main import main


@pytest.fixture
def doctor(owner_database_url, standins, monkeypatch, tmp_path, capsys):
    from tests.conftest import TEST_KEY

    monkeypatch.setenv("DATABASE_URL", owner_database_url)
    monkeypatch.setenv("EARSHOT_KEYS", TEST_KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standins["anthropic"])

    def run():
        with pytest.raises(SystemExit):
            main(["doctor", "--json", "--data", str(tmp_path)])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_a_model_that_does_not_exist_is_named_with_whose_it_is(doctor, owner):
    assert not [one for one in doctor() if "model" in one["problem"]]
    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, '{model}', '{\"default\": \"gpt-made-up\"}') WHERE slug = 'acme'"
    )
    (finding,) = [one for one in doctor() if "model" in one["problem"]]
    assert (finding["subject"], finding["problem"]) == ("acme", "the model gpt-made-up does not exist at the provider")


def test_a_provider_that_refuses_the_key_is_a_finding(doctor, standins):
    import httpx2

    body = {"type": "error", "error": {"type": "authentication_error", "message": "x"}}
    script = {"method": "GET", "path": "/v1/models/*", "status": 401, "body": body}
    httpx2.post(f"{standins['anthropic']}/_script", json={"steps": [script]})
    assert [one["problem"] for one in doctor()][-1] == "the AI provider cannot be asked (key_refused_401)"
