"""docs/crm.md names every setting, every command and every reason that there is."""

import argparse
from pathlib import Path
from typing import get_args

import pytest

from cli import crm
from config.crm import CrmConfig
from store.crm_states import Because

PAGE = (Path(__file__).parents[2] / "docs" / "crm.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CrmConfig.model_fields)
def test_every_setting_is_there(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("because", get_args(Because))
def test_every_reason_of_a_write_is_there(because):
    assert f"`{because}`" in PAGE


def test_every_command_is_there():
    parser = argparse.ArgumentParser()
    crm.add_arguments(parser)
    (commands,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    for name in commands.choices:
        assert f"| `crm {name}" in PAGE, name


def test_every_page_that_it_links_to_is_there():
    from re import findall

    for link in findall(r"\]\(([a-z/.-]+\.md)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / link).exists(), link
