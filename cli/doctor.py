"""`earshot doctor`: what is wrong with this installation, a line each."""

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from analysis.base import AnalysisError
from cli.connect import Installation, find_installation
from cli.doctor_surroundings import (
    find_broker_url,
    find_redis_url,
    list_broker_findings,
    list_disk_findings,
    list_environment_findings,
    list_redis_findings,
    list_worker_findings,
)
from cli.errors import CommandError
from cli.main import add_data_argument
from config.settings import SettingsError, load_settings
from config.tenant import TenantConfig
from store.db import Connection
from store.health import Finding, list_findings
from store.server_health import MIGRATE, is_migrated, list_schema_findings, list_server_findings
from store.tenants import get_tenant_config, list_tenants


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """0 when nothing is wrong, else 1."""
    installation = find_installation(options.data)
    findings = list_environment_findings(os.environ)
    tenants: list[tuple[str, TenantConfig]] = []
    try:
        with installation.system_transaction() as conn:
            found, tenants = _look_into_database(conn, installation)
            findings += found
    except CommandError as error:
        findings.append(Finding("database", str(error), "Start it, and check DATABASE_URL."))
    redis_url = find_redis_url(installation.stack, os.environ)
    broker_url = find_broker_url(installation.stack, os.environ)
    if redis_url:
        findings += list_redis_findings(redis_url)
    if broker_url:
        findings += list_broker_findings(broker_url)
    if broker_url or redis_url:
        findings += list_worker_findings(str(broker_url or redis_url))
    findings += list_disk_findings([options.data, Path(tempfile.gettempdir())])
    findings.extend(_model_findings(installation, tenants))
    for finding in findings:
        print(json.dumps(vars(finding)) if options.json else f"{finding.subject}: {finding.problem}. {finding.fix}")
    if not findings and not options.json:
        print("nothing is wrong")
    return 1 if findings else 0


def _look_into_database(
    conn: Connection, installation: Installation
) -> tuple[list[Finding], list[tuple[str, TenantConfig]]]:
    """What is wrong with it and in it, and the tenants. With a schema of another release only that is said."""
    if not is_migrated(conn):
        return [Finding("database", "it has no schema yet", MIGRATE)], []
    key_ids = [key_id for key_id, _ in installation.keyring.keys]
    findings = list_schema_findings(conn)
    if findings:
        return findings, []
    findings = [*list_server_findings(conn, key_ids=key_ids, now=datetime.now(UTC)), *list_findings(conn)]
    return findings, [(tenant.slug, get_tenant_config(conn, tenant.id)) for tenant in list_tenants(conn)]


def _model_findings(installation: Installation, tenants: list[tuple[str, TenantConfig]]) -> list[Finding]:
    """Models that are not there, or not for long. Without a key there is nobody to ask."""
    given = {"database_url": installation.database_url, "redis_url": "redis://unused", "earshot_keys": "k1:unused"}
    standin = installation.stack.get("standins", {}).get("anthropic")
    if standin and not os.environ.get("ANTHROPIC_API_KEY"):
        given |= {"anthropic_base_url": standin, "anthropic_api_key": "stand-in"}
    try:
        settings = load_settings(os.environ, **given)
    except SettingsError as error:
        return [Finding("settings", str(error), "Correct it.")]
    if settings.anthropic_api_key is None:  # the workers may well have one that this shell does not
        return []
    from analysis.claude import Claude

    claude = Claude(
        api_key=settings.anthropic_api_key.get_secret_value(),
        base_url=settings.anthropic_base_url,
        model=settings.anthropic_model,
        timeout_s=5.0,
    )
    wanted = {settings.anthropic_model: "the installation", settings.anthropic_escalation_model: "the installation"}
    for slug, tenant in tenants:
        wanted |= {model: slug for model in (tenant.model.default, tenant.model.escalation) if model}
    findings: list[Finding] = []
    for model, subject in wanted.items():
        try:
            problem = claude.model_problem(model)
        except AnalysisError as error:
            return [
                *findings,
                Finding("analysis", f"the AI provider cannot be asked ({error.code})", "See docs/analysis.md."),
            ]
        if problem:
            fix = "Name another model in the tenant's [model], or in ANTHROPIC_MODEL and ANTHROPIC_ESCALATION_MODEL."
            findings.append(Finding(subject, f"the model {model} {problem}", fix))
    return findings
