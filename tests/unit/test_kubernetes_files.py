"""No cluster runs here: manifests are checked against the schemas of Kubernetes, against the code, the compose file and each other."""

import ipaddress
import re
import shlex
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from analysis.claude import BATCH_TIMEOUT_S
from config.environment import SECRET_FILE_SUFFIX
from config.settings import Settings, load_settings
from crm_sync.client import CONNECT_TIMEOUT_S
from worker import crm_flush, sweep_limits, webhook_turns
from worker.answer_storing import STORE_AGAIN_S, STORE_TRIES
from worker.app import REDIS_TRANSPORT, VISIBILITY_TIMEOUT_S
from worker.deps import DATABASE_WAIT_S
from worker.roles import ROLES

ROOT = Path(__file__).parent.parent.parent
K8S, KEDA = ROOT / "deploy" / "k8s", ROOT / "deploy" / "keda"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
# Read by Celery's command line, by Flower, by prometheus-client and by migrate; the rest are settings of ours.
NOT_SETTINGS = {
    "FLOWER_BASIC_AUTH", "PROMETHEUS_MULTIPROC_DIR", "APP_DATABASE_PASSWORD", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
}  # fmt: skip
ENTRANCES = ("receiver", "console")
COMPONENT = "app.kubernetes.io/component"


def documents(path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


KUSTOMIZATION = documents(K8S / "kustomization.yaml")[0]
MANIFESTS = [(path.name, one) for path in sorted(K8S.glob("*.yaml")) if path.name != "kustomization.yaml" for one in documents(path)]  # fmt: skip
OBJECTS = [one for name, one in MANIFESTS if name != "secret.example.yaml"]
SECRETS = {one["metadata"]["name"]: one["stringData"] for name, one in MANIFESTS if name == "secret.example.yaml"}
SCALED = {one["metadata"]["name"]: one for one in documents(KEDA / "scaled-objects.yaml") if one["kind"] == "ScaledObject"}  # fmt: skip


def of_kind(kind):
    return {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == kind}


DEPLOYMENTS, SERVICES, BUDGETS = of_kind("Deployment"), of_kind("Service"), of_kind("PodDisruptionBudget")
POLICIES, JOBS = of_kind("NetworkPolicy"), of_kind("Job")
CONFIG = of_kind("ConfigMap")["earshot"]["data"]
WORKLOADS = {**DEPLOYMENTS, **JOBS}


def pod(name):
    return WORKLOADS[name]["spec"]["template"]["spec"]


def container(name):
    (only,) = pod(name)["containers"]
    return only


def component(name):
    return WORKLOADS[name]["spec"]["template"]["metadata"]["labels"][COMPONENT]


@pytest.mark.parametrize(
    ("name", "manifest"), [(f"{name}:{one['kind']}/{one['metadata']['name']}", one) for name, one in MANIFESTS]
)
def test_every_manifest_fits_the_schemas_of_kubernetes(name, manifest):
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_a_misspelt_field_would_be_found():
    wrong = {**DEPLOYMENTS["beat"], "spec": {**DEPLOYMENTS["beat"]["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_the_kustomization_has_every_file_but_the_example_of_secrets():
    files = {path.name for path in K8S.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files and len(KUSTOMIZATION["resources"]) == len(files)
    assert [image["name"] for image in KUSTOMIZATION["images"]] == ["earshot"]


def test_the_example_of_secrets_holds_none():
    for values in SECRETS.values():
        for name, value in values.items():
            assert "CHANGE_ME" in value, name


def test_the_same_processes_as_in_procfile_and_compose():
    assert {component(name) for name in DEPLOYMENTS} == set(PROCFILE)
    assert {name.replace("-", "_") for name in DEPLOYMENTS} == set(PROCFILE)
    assert set(JOBS) == {"migrate"}


@pytest.mark.parametrize("name", sorted(PROCFILE))
def test_the_same_commands_as_in_the_procfile(name):
    words = shlex.split(re.sub(r"\$\{\w+:-(\d+)\}", r"\1", PROCFILE[name]))
    assert container(name.replace("_", "-"))["command"] == words


def test_migrate_is_the_command_of_the_compose_file():
    assert container("migrate")["command"] == COMPOSE["migrate"]["command"]


@pytest.mark.parametrize("role", ROLES)
def test_workers_serve_the_queues_of_their_role(role):
    command = container(f"worker-{role}")["command"]
    assert command[command.index("--queues") + 1] == ",".join(ROLES[role].queues)
    assert command[command.index("--concurrency") + 1] == str(ROLES[role].concurrency)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_containers_keep_nothing_and_may_nothing(name):
    spec, only = pod(name), container(name)
    assert spec["automountServiceAccountToken"] is False and spec["serviceAccountName"] == "earshot"
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert f"--uid {spec['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()
    assert only["resources"]["requests"].keys() == {"cpu", "memory"} and only["resources"]["limits"].keys() == {
        "memory"
    }
    assert only["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]


def test_kubernetes_own_variables_reach_no_process():
    # Of a Service named flower it makes FLOWER_PORT=tcp://..., which Flower takes for its own.
    assert all(pod(name)["enableServiceLinks"] is False for name in WORKLOADS)


def environment(name):
    """Variable to where it comes from: a literal, or (secret, key)."""
    found = {}
    for source in container(name).get("envFrom", []):
        if "configMapRef" in source:
            assert source["configMapRef"]["name"] == "earshot"
            found |= CONFIG
        else:
            secret = source["secretRef"]["name"]
            found |= {key: (secret, key) for key in SECRETS[secret]}
    for variable in container(name).get("env", []):
        if "value" in variable:
            found[variable["name"]] = variable["value"]
        else:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference.get("optional") or reference["key"] in SECRETS[reference["name"]], (name, variable["name"])
            found[variable["name"]] = (reference["name"], reference["key"])
    return found


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_every_variable_is_a_setting(name):
    known = {field.upper() for field in Settings.model_fields}
    assert environment(name).keys() - NOT_SETTINGS <= known | {each + SECRET_FILE_SUFFIX for each in known}


@pytest.mark.parametrize("name", [*ENTRANCES, *(f"worker-{role}" for role in ROLES)])
def test_what_is_in_the_environment_is_enough_to_start(name):
    missing = {field.upper() for field, one in Settings.model_fields.items() if one.is_required()} - environment(
        name
    ).keys()
    assert missing == set()


def test_values_of_the_config_map_are_ones_that_settings_take():
    assert CONFIG.keys() - NOT_SETTINGS <= {field.upper() for field in Settings.model_fields}
    needed = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "EARSHOT_KEYS": "x"}
    assert load_settings({**needed, **CONFIG}).canary_url == "http://receiver:8080"


def test_each_process_has_the_secrets_that_it_needs_and_no_others():
    def secrets(name):
        return {value for value in environment(name).values() if isinstance(value, tuple)}

    assert {where for where, _ in secrets("beat")} == {"earshot"} and {key for _, key in secrets("beat")} == {
        "REDIS_URL",
        "BROKER_URL",
    }
    assert {key for _, key in secrets("flower")} == {"REDIS_URL", "BROKER_URL", "FLOWER_BASIC_AUTH"}
    assert ("earshot", "ANTHROPIC_API_KEY") not in secrets("receiver") | secrets("console")
    assert ("earshot-owner", "DATABASE_URL") in secrets("migrate")
    for name in DEPLOYMENTS:
        assert "earshot-owner" not in {where for where, _ in secrets(name)}, name


def test_probes_ask_what_processes_answer():
    routes = {
        "receiver": {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"},
        "console": dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), "/healthz"),
        "flower": dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), "/healthcheck"),
    } | {
        f"worker-{role}": dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), "/metrics")
        for role in ROLES
    }
    for name, probes in routes.items():
        only = container(name)
        ports = {port["name"]: port["containerPort"] for port in only["ports"]}
        for probe, path in probes.items():
            assert only[probe]["httpGet"]["path"] == path, name
            assert only[probe]["httpGet"]["port"] in ports, name
    for entrance, source in (("receiver", "webhook_receiver/app.py"), ("console", "console/app.py")):
        for path in set(routes[entrance].values()):
            assert f'@app.get("{path}"' in (ROOT / source).read_text()


@pytest.mark.parametrize("role", ROLES)
def test_workers_serve_their_figures_where_probes_and_prometheus_look(role):
    given = environment(f"worker-{role}")
    (port,) = container(f"worker-{role}")["ports"]
    assert given["METRICS_HOST"] == "0.0.0.0" and given["METRICS_PORT"] == str(port["containerPort"])


@pytest.mark.parametrize("name", [*ENTRANCES, "flower"])
def test_services_lead_to_the_port_that_the_process_listens_at(name):
    (port,) = SERVICES[name]["spec"]["ports"]
    assert (
        SERVICES[name]["spec"]["selector"].items()
        <= DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"].items()
    )
    (exposed,) = container(name)["ports"]
    assert port["targetPort"] == exposed["name"] and port["port"] == exposed["containerPort"]
    assert re.search(rf"[:=]{exposed['containerPort']}\b", " ".join(container(name)["command"]))


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_selectors_match_their_pods_and_nobody_elses(name):
    selector = DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"]
    matched = [
        other
        for other, one in WORKLOADS.items()
        if selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert matched == [name]
    for spread in pod(name).get("topologySpreadConstraints", []):
        assert spread["labelSelector"]["matchLabels"] == selector


def test_a_drain_takes_one_at_a_time_and_never_waits_for_a_single_pod():
    assert set(BUDGETS) == set(DEPLOYMENTS) - {"beat", "flower"}
    for name, budget in BUDGETS.items():
        assert budget["spec"]["selector"] == DEPLOYMENTS[name]["spec"]["selector"]
        assert budget["spec"]["maxUnavailable"] == 1 and "minAvailable" not in budget["spec"]


def test_a_rollout_takes_none_away_before_another_is_ready():
    for name in BUDGETS:
        assert DEPLOYMENTS[name]["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert DEPLOYMENTS[name]["spec"]["replicas"] >= 2
    for name in ("beat", "flower"):
        assert DEPLOYMENTS[name]["spec"]["strategy"] == {"type": "Recreate"}
        assert DEPLOYMENTS[name]["spec"]["replicas"] == 1


def _analyze_longest_s():
    """A message that is asked about twice and stored with trouble; a sweep that begins to read a batch at the end of its turn."""
    timeout_s = Settings.model_fields["analyze_timeout_s"].default
    message_s = 2 * (timeout_s + 3.0) + STORE_TRIES * (STORE_AGAIN_S + DATABASE_WAIT_S)
    return max(message_s, sweep_limits.TURN_S + 3.0 + BATCH_TIMEOUT_S)


# Adapters give an answer 15 s; a blip may have it asked for twice.
CALL_S = CONNECT_TIMEOUT_S + 2 * 15.0
LONGEST_S = {
    "stages": STORE_TRIES * (STORE_AGAIN_S + DATABASE_WAIT_S),
    "analyze": _analyze_longest_s(),
    "delivery": webhook_turns.TURN_S + CALL_S,
    "crm": crm_flush.TURN_S + CALL_S,
}


@pytest.mark.parametrize("role", ROLES)
def test_a_worker_that_stops_has_time_for_its_longest_task(role):
    grace_s = pod(f"worker-{role}")["terminationGracePeriodSeconds"]
    assert grace_s > LONGEST_S[role] + 5
    # Later its tasks would be handed to somebody else while it still works on them.
    assert grace_s < VISIBILITY_TIMEOUT_S


def test_compose_gives_workers_the_time_for_their_longest_task():
    for role, longest_s in LONGEST_S.items():
        assert int(COMPOSE[f"worker_{role}"]["stop_grace_period"].removesuffix("s")) > longest_s, role


@pytest.mark.parametrize("name", ENTRANCES)
def test_an_entrance_that_stops_goes_on_answering_until_nobody_comes(name):
    only = container(name)
    sleep_s = int(only["lifecycle"]["preStop"]["exec"]["command"][1])
    command = only["command"]
    graceful_s = int(command[command.index("--graceful-timeout") + 1]) if "--graceful-timeout" in command else 30
    assert sleep_s >= 5 and pod(name)["terminationGracePeriodSeconds"] >= sleep_s + graceful_s + 5


def test_nobody_speaks_to_anybody_unless_a_policy_says_so():
    assert POLICIES["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def _selected(policy):
    selector = policy["spec"]["podSelector"]
    if "matchLabels" in selector:
        return {selector["matchLabels"][COMPONENT]}
    (expression,) = selector.get("matchExpressions", [{"key": COMPONENT, "operator": "In", "values": sorted(map(component, WORKLOADS))}])  # fmt: skip
    assert expression["operator"] == "In" and expression["key"] == COMPONENT
    return set(expression["values"])


def _may_go_to(port):
    return set().union(
        *(
            _selected(policy)
            for policy in POLICIES.values()
            for rule in policy["spec"].get("egress", [])
            if port in [one["port"] for one in rule["ports"]]
        )
    )


def test_who_may_speak_to_whom():
    workers = {f"worker_{role}" for role in ROLES}
    assert _may_go_to(6379) == {*workers, *ENTRANCES, "beat", "flower"}
    assert _may_go_to(5432) == {*workers, *ENTRANCES, "migrate"}
    assert _may_go_to(443) == {*workers, "console"}
    assert _may_go_to("http") == {"worker_delivery"}
    entered = {name for policy in POLICIES.values() if "ingress" in policy["spec"] for name in _selected(policy)}
    assert entered == {*workers, *ENTRANCES}
    for policy in POLICIES.values():
        assert _selected(policy) <= {component(name) for name in WORKLOADS}


def test_what_goes_out_does_not_lead_into_this_network():
    for policy in POLICIES.values():
        for rule in policy["spec"].get("egress", []):
            for block in (one["ipBlock"] for one in rule.get("to", []) if "ipBlock" in one):
                if block["cidr"] == "0.0.0.0/0":
                    kept_out = [ipaddress.ip_network(each) for each in block["except"]]
                    for inside in ("10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"):
                        assert any(ipaddress.ip_address(inside) in network for network in kept_out), inside


def test_ports_in_policies_are_ports_of_the_pods():
    ports = {component(name): {port["name"] for port in container(name).get("ports", [])} for name in WORKLOADS}
    for policy in POLICIES.values():
        for rule in policy["spec"].get("ingress", []):
            for name in _selected(policy):
                assert {one["port"] for one in rule["ports"]} <= ports[name], (policy["metadata"]["name"], name)


# KEDA's own kinds have no schema here: what is asked of them is checked by hand.


def test_every_role_is_scaled_by_each_of_its_queues_and_by_age():
    assert set(SCALED) == {f"worker-{role}" for role in ROLES}
    for role, spec in ROLES.items():
        scaled = SCALED[f"worker-{role}"]["spec"]
        assert scaled["scaleTargetRef"] == {"name": f"worker-{role}"}
        lists = [one["metadata"]["listName"] for one in scaled["triggers"] if one["type"] == "redis"]
        assert lists == list(spec.queues)
        assert [one["type"] for one in scaled["triggers"]].count("prometheus") == 1
        assert {one["type"] for one in scaled["triggers"]} == {"redis", "prometheus"}


def test_a_queue_is_one_list_of_its_name():
    assert REDIS_TRANSPORT["priority_steps"] == [0]


def test_live_queues_ask_for_workers_sooner_than_bulk():
    lengths = {
        one["metadata"]["listName"]: int(one["metadata"]["listLength"])
        for scaled in SCALED.values()
        for one in scaled["spec"]["triggers"]
        if one["type"] == "redis"
    }
    assert max(lengths["minimize"], lengths["actions"], lengths["crm_flush"]) <= 20
    assert lengths["analyze_flood"] >= 10 * lengths["analyze"] and lengths["minimize_flood"] >= 10 * lengths["minimize"]


def test_workers_go_slowly_and_never_all():
    for name, one in SCALED.items():
        spec = one["spec"]
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert spec["minReplicaCount"] == 1 < spec["maxReplicaCount"], name
        assert spec["cooldownPeriod"] == 300 == down["stabilizationWindowSeconds"], name
        assert all(set(trigger) <= {"type", "metadata", "authenticationRef"} for trigger in spec["triggers"])
        assert all(isinstance(value, str) for trigger in spec["triggers"] for value in trigger["metadata"].values())


def test_applying_again_does_not_take_back_what_keda_decided():
    (overlay,) = documents(KEDA / "kustomization.yaml")
    (patch,) = overlay["patches"]
    assert overlay["resources"] == ["../k8s", "scaled-objects.yaml"]
    assert yaml.safe_load(patch["patch"]) == [{"op": "remove", "path": "/spec/replicas"}]
    for role in ROLES:
        assert f"worker_{role}" in patch["target"]["labelSelector"]
