"""`earshot doctor`: what is wrong with this installation, a line each."""

import argparse
import json
import os
from collections.abc import Mapping

from analysis.base import AnalysisError
from cli.connect import Installation, find_installation
from cli.main import add_data_argument
from config.settings import SettingsError, load_settings
from config.tenant import TenantConfig
from store.health import Finding, list_findings
from store.key_rotation import count_by_key
from store.tenants import get_tenant_config, list_tenants


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_data_argument(parser)


def run(options: argparse.Namespace) -> int:
    """0 when nothing is wrong, else 1."""
    installation = find_installation(options.data)
    with installation.system_transaction() as conn:
        findings: list[Finding] = list_findings(conn)
        findings.extend(_key_findings(count_by_key(conn), [key_id for key_id, _ in installation.keyring.keys]))
        tenants = [(tenant.slug, get_tenant_config(conn, tenant.id)) for tenant in list_tenants(conn)]
    findings.extend(_model_findings(installation, tenants))
    for finding in findings:
        print(json.dumps(vars(finding)) if options.json else f"{finding.subject}: {finding.problem}. {finding.fix}")
    if not findings and not options.json:
        print("nothing is wrong")
    return 1 if findings else 0


def _key_findings(counts: Mapping[str, int], live: list[str]) -> list[Finding]:
    """Secrets that are sealed with a key that is not the newest, or with one that nobody has. live: newest first."""
    findings: list[Finding] = []
    for key_id, count in sorted(counts.items()):
        if key_id not in live:
            problem = f"{count} secrets are sealed with the key {key_id}, which EARSHOT_KEYS does not hold"
            findings.append(
                Finding("keys", problem, "Put that key back beside the newest, then `earshot rotate-keys`.")
            )
        elif key_id != live[0]:
            problem = f"{count} secrets are still sealed with the old key {key_id}"
            findings.append(Finding("keys", problem, "Run `earshot rotate-keys`."))
    return findings


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
