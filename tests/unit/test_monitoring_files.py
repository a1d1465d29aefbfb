"""Alert rules, the dashboard and the scrape configuration name what the code has: every metric, label and value of a label."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

import console.metrics
import webhook_receiver.metrics
import worker.metrics
from routing.queues import QUEUES
from store.runs import RUN_STATES
from store.stage_ages import MEANT, STAGE_OF
from worker.measuring import OTHER
from worker.model_call import PROVIDER_PAUSED
from worker.roles import ROLES

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((GRAFANA / "dashboards" / "earshot.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
ON_CALL = (ROOT / "docs" / "on-call.md").read_text()
SCALING = [one for one in yaml.safe_load_all((ROOT / "deploy" / "keda" / "scaled-objects.yaml").read_text()) if one["kind"] == "ScaledObject"]  # fmt: skip
# What Prometheus itself puts there.
ADDED_LABELS = {"job", "instance", "le", "pod"}


def _exposed():
    """Name in an expression to the labels that it has."""
    names = {}
    for module in (console.metrics, webhook_receiver.metrics, worker.metrics):
        for one in vars(module).values():
            if isinstance(one, Counter):
                names[f"{one._name}_total"] = set(one._labelnames)
            elif isinstance(one, Gauge):
                names[one._name] = set(one._labelnames)
            elif isinstance(one, Histogram):
                names |= {f"{one._name}_{part}": set(one._labelnames) for part in ("bucket", "sum", "count")}
    return names


EXPOSED = _exposed()
BROKER_QUEUES = {queue for spec in ROLES.values() for queue in spec.queues}
UPKEEP = {name for path in (ROOT / "worker").glob("*.py") for name in re.findall(r'name="(\w+)"', path.read_text())}
REASONS = set(
    re.findall(
        r'REJECTED\.labels\(\w+, "(\w+)"\)',
        "".join(path.read_text() for path in (ROOT / "webhook_receiver").glob("*.py")),
    )
)
VALUES = {
    ("earshot_last_upkeep_timestamp_seconds", "task"): UPKEEP,
    ("earshot_queue_depth", "queue"): BROKER_QUEUES,
    ("earshot_oldest_unassigned_wait_seconds", "queue"): {*QUEUES, OTHER},
    ("earshot_open_runs", "state"): {*RUN_STATES, "dead"},
    ("earshot_stage_oldest_age_seconds", "stage"): set(STAGE_OF.values()),
    ("earshot_stage_late_runs", "stage"): set(STAGE_OF.values()),
    ("earshot_stage_duration_seconds_count", "stage"): set(STAGE_OF.values()),
    ("earshot_waiting_runs", "because"): {*MEANT, PROVIDER_PAUSED},
    ("earshot_webhook_rejected_total", "reason"): REASONS,
    ("earshot_model_calls_total", "outcome"): {"answered"},
    ("earshot_channel_accounts", "state"): {"ok"},
    ("earshot_sla_open_clocks", "state"): {"breached"},
}


def expressions():
    yield from ((f"alert {rule['alert']}", rule["expr"]) for rule in RULES)
    yield from ((f"panel {panel['title']}", target["expr"]) for panel in PANELS for target in panel["targets"])
    yield from (
        (f"scaling {scaled['metadata']['name']}", trigger["metadata"]["query"])
        for scaled in SCALING
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    )


def selectors(expression):
    """(metric, [(label, operator, value)]) of each selector in an expression."""
    for name, _, matchers in re.findall(r"\b((?:earshot_|up\b)\w*)(\{([^}]*)\})?", expression):
        yield name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers)


EXPRESSIONS = list(expressions())


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_metric_label_and_value_exists(where, expression):
    found = list(selectors(expression))
    assert found, where
    labels = set(ADDED_LABELS)
    for metric, matchers in found:
        if metric == "up":
            continue
        assert metric in EXPOSED, metric
        labels |= EXPOSED[metric]
        for label, operator, value in matchers:
            assert label in EXPOSED[metric], (metric, label)
            values = value.split("|") if "~" in operator else [value]
            assert set(values) <= VALUES[metric, label], (metric, label, value)
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= labels, (where, grouped)


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_counters_are_asked_for_their_growth_and_gauges_are_not(where, expression):
    for metric, _ in selectors(expression):
        grows = metric.endswith(("_total", "_bucket", "_count", "_sum"))
        asked = re.search(rf"(rate|increase)\({metric}\b", expression) is not None
        assert grows == asked, (where, metric)


def test_a_metric_that_is_not_there_would_be_found():
    assert [name for name, _ in selectors('max(earshot_no_such{queue="x"}) > 1')] == ["earshot_no_such"]
    assert "earshot_no_such" not in EXPOSED and len(EXPOSED) > 50


def test_a_tenant_is_never_a_label():
    for name, labels in EXPOSED.items():
        assert not labels & {"tenant", "tenant_id", "slug", "account", "account_id", "customer", "customer_id"}, name


def test_expressions_are_balanced():
    for where, expression in EXPRESSIONS:
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing), where


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names)) >= 10
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert set(rule["annotations"]) == {"summary", "description"}


def test_labels_that_a_summary_shows_are_in_its_expression():
    for rule in RULES:
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in group.split(",")}
        assert shown <= grouped | ({"job", "instance"} if "up{" in rule["expr"] else set()), rule["alert"]


def test_every_figure_behind_an_alert_is_explained_to_whoever_is_on_call():
    for rule in RULES:
        for metric, _ in selectors(rule["expr"]):
            assert metric == "up" or f"`{metric}" in ON_CALL, (rule["alert"], metric)


def test_every_panel_says_something_without_data_and_asks_the_chosen_source():
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


def test_what_may_not_be_there_yet_is_shown_as_nought_where_it_is_one_figure():
    # A counter with labels begins to exist with its first count.
    for panel in PANELS:
        for target in panel["targets"]:
            if re.match(r"sum\((rate|increase)\(earshot_\w+_total\b", target["expr"]):
                assert target["expr"].endswith("or vector(0)"), panel["title"]


def test_panels_have_a_place_and_a_number_of_their_own():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_prometheus_of_the_compose_file_asks_every_process_that_has_figures():
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    asked = {}
    for job in config["scrape_configs"]:
        for found in job["dns_sd_configs"]:
            asked |= dict.fromkeys(found["names"], (found["port"], "authorization" in job))
    workers = {f"worker_{role}" for role in ROLES}
    assert set(asked) == {"receiver", "console", *workers}
    for name in workers:
        assert asked[name] == (int(COMPOSE[name]["environment"]["METRICS_PORT"]), False)
        assert COMPOSE[name]["environment"]["METRICS_HOST"] == "0.0.0.0"
    for entrance in ("receiver", "console"):
        port, has_token = asked[entrance]
        assert has_token and COMPOSE[entrance]["ports"][0].endswith(f":{port}")
    (token_file,) = {job["authorization"]["credentials_file"] for job in config["scrape_configs"] if "authorization" in job}  # fmt: skip
    assert f"> {token_file}" in COMPOSE["prometheus"]["entrypoint"][-1]
    assert [(PROMETHEUS / name).is_file() for name in config["rule_files"]] == [True]


def test_prometheus_in_a_cluster_asks_the_ports_that_the_manifests_name():
    (job,) = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())["scrape_configs"]
    (chosen,) = [one["regex"] for one in job["relabel_configs"] if "__meta_kubernetes_pod_container_port_name" in one["source_labels"]]  # fmt: skip
    manifests = [one for path in (ROOT / "deploy" / "k8s").glob("*.yaml") for one in yaml.safe_load_all(path.read_text()) if one and one["kind"] == "Deployment"]  # fmt: skip
    kept = set()
    for one in manifests:
        component = one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for port in one["spec"]["template"]["spec"]["containers"][0].get("ports", []):
            if re.fullmatch(chosen, f"{component};{port['name']}"):
                kept.add(component)
    assert kept == {"receiver", "console", *(f"worker_{role}" for role in ROLES)}


def test_grafana_finds_its_source_and_its_dashboard():
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "earshot.yml").read_text())["providers"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in COMPOSE
    mounted = dict(volume.split(":")[:2] for volume in COMPOSE["grafana"]["volumes"])
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
