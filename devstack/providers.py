"""Which outside services are stand-ins: those without a base URL of the user's, unless the stack runs live."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.environment import environment_value
from devstack.child import ChildSpec
from devstack.health import http_answers
from devstack.ports import Ports

STANDIN_OF = {
    "ANTHROPIC_BASE_URL": "anthropic",
    "GRAPH_API_URL": "graph",
    "INSTAGRAM_API_URL": "graph",
    "HUBSPOT_API_URL": "hubspot",
    "SALESFORCE_LOGIN_URL": "salesforce",
    "ZOHO_API_URL": "zoho",
    "ZOHO_ACCOUNTS_URL": "zoho",
    "PIPEDRIVE_API_URL": "pipedrive",
    "PIPEDRIVE_OAUTH_URL": "pipedrive",
}
STANDINS = ("anthropic", "graph", "hubspot", "salesforce", "zoho", "pipedrive")


@dataclass(frozen=True)
class Providers:
    """ports: of the stand-ins that are used. environment: what the product's processes are told."""

    ports: dict[str, int]
    environment: dict[str, str]

    @property
    def urls(self) -> dict[str, str]:
        """Base URL of every stand-in that is used."""
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}


def choose_providers(environ: Mapping[str, str], *, live: bool, ports: Ports) -> Providers:
    """Decide who is real. Raises: SettingsError when a `<NAME>_FILE` cannot be read."""
    replaced = {} if live else {n: s for n, s in STANDIN_OF.items() if not environment_value(environ, n)}
    chosen = Providers(ports={name: ports.free() for name in STANDINS if name in replaced.values()}, environment={})
    chosen.environment.update({variable: chosen.urls[name] for variable, name in replaced.items()})
    if "ANTHROPIC_BASE_URL" in replaced:
        # A real key must never reach a stand-in, nor a stand-in's answers be taken for the model's.
        chosen.environment.update({"ANTHROPIC_API_KEY": "stand-in", "ANALYZER_LABEL": "stand-in"})
    return chosen


def standins_child(
    providers: Providers,
    *,
    environ: Mapping[str, str],
    python: tuple[str, ...],
    ports_file: Path,
    accounts_file: Path,
    receiver_url: str,
    stop_phase: int,
) -> ChildSpec:
    """The one process of all stand-ins; those that are not used get any port and nobody is told of them.

    accounts_file: which accounts get webhooks, kept over restarts. receiver_url: where webhooks go now.
    """
    arguments = [f"--{name}-port={providers.ports.get(name, 0)}" for name in STANDINS]
    arguments += [f"--ports-file={ports_file}", f"--accounts-file={accounts_file}", f"--receiver-url={receiver_url}"]
    return ChildSpec(
        name="standins",
        group="standins",
        argv=(*python, "-m", "devstack.standins", *arguments),
        environ=environ,
        ready=lambda: all(http_answers(f"{url}/_received") for url in providers.urls.values()),
        stop_phase=stop_phase,
        stop_grace_s=5.0,
    )
