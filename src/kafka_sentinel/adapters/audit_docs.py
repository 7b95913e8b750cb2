"""Makes docs/audit.md from the table of rules."""

from __future__ import annotations

from kafka_sentinel.core.audit.desk import MAX_SHOWN
from kafka_sentinel.core.audit.documents import LEVELS
from kafka_sentinel.core.audit.facts import Part
from kafka_sentinel.core.audit.finding import MAX_OF_RULE, MAX_SUBJECTS, Rule, Severity
from kafka_sentinel.core.audit.rules import RULES, SECTIONS
from kafka_sentinel.core.kubernetes.fleet import Flavour

HEAD = f"""# The audit

Generated from `src/kafka_sentinel/core/audit/`; do not edit.

Would this Kafka, as it is set up and placed, survive the loss of any one thing? The audit looks at the settings of
topics and brokers, at where brokers, controllers and the operator run, and at who may do what. It changes nothing.

```console
$ kafka-sentinel audit --config sentinel.yaml
$ kafka-sentinel audit --format json --output audit.json
$ kafka-sentinel audit --format sarif --output audit.sarif --fail-on warning --complete
```

With `kubernetes.enabled` it looks at pods, nodes, volumes and disruption budgets, too; without, at Kafka alone. How
far it is goes to standard error, the report to standard output or to the file.

## How to read it

Each finding says what was found, why it matters, and how to mend it where Kafka is installed as it is here
(Strimzi, Bitnami's chart, or neither). What many topics have in common is one finding.

| severity | means | SARIF |
|---|---|---|
| `critical` | one ordinary event may lose acknowledged records or stop writes | `{LEVELS[Severity.CRITICAL]}` |
| `warning` | it takes two such events, or makes one of them worse | `{LEVELS[Severity.WARNING]}` |
| `info` | good to know | `{LEVELS[Severity.INFO]}` |

**What was not looked at is not taken for good.** A right that is missing, a broker that does not answer, a label
that no node bears: each is a sentence under NOT LOOKED AT, and a rule that needs such a part is not judged. The
last line says how many rules were. Some things are always there: which `acks` the producers ask for, because Kafka
does not tell; and, with an authorizer, topics that Sentinel's user may not Describe and who the super users are,
because Kafka does not say so.

Exit codes: 0, nothing as bad as `--fail-on` (default: critical; `never` for none); 1, there is; with `--complete`
also 1 if a rule could not be judged; 2, the configuration or an option is wrong; 3, Kafka did not answer (the rest
is reported, and the last line says why, as `check` would).

`--format json` follows the schema at `/api/v1/schema/audit.json`, which names at most {MAX_SUBJECTS} topics, pods
or others of a finding and lists at most {MAX_OF_RULE} findings of a rule; all are counted. `--format sarif` is
SARIF 2.1.0. Its results have no file to point to: their place is `kafka/` and the id of the cluster, and topics or
pods are logical places in it. What was not looked at is in the notifications of its invocation, which is no success
if a rule could not be judged.

## In the daemon

It audits 20 seconds after its start and then every hour (`audit.every`; null: never), with the rights it has
anyway. The gauge `kafka_sentinel_audit_findings` counts findings by severity, the log says the report when it
differs from the one before, and `audit` in `/api/v1/status` shows what the worst {MAX_SHOWN} findings are and what
was not looked at. While Kafka does not answer, the last report stands, and the daemon looks again after five
minutes. Where a right is missing, fewer rules are judged; that is in the status, too. The page lists the worst
findings; the alert [KafkaSentinelAuditCritical](runbooks/KafkaSentinelAuditCritical.md), for information, says that
there have been critical ones for two hours. A [report](report.md) ties disruptions that failed to the findings that
would explain them (`core/audit/bearing.py`).

## What it may have to be allowed

- In Kafka, with an authorizer: Describe and DescribeConfigs on topic `*` and on the cluster (docs/security.md). The
  chart's KafkaUser has them.
- In Kubernetes: what the daemon watches, and to get one object by name, the webhook of Strimzi's Drain Cleaner
  (docs/permissions.md). The operator's pod is looked for in Kafka's namespace and in
  `kubernetes.operator_namespace`.

## Everything there is

`--inventory` is no audit but a list: every object of the Kafka cluster, what it is for, what made it and where it
runs, with what is hard to find elsewhere (resources, security contexts, node selectors, tolerations, affinity,
grace periods of every pod); and every setting in effect of brokers and topics with its value, its source and
Kafka's own default, those that differ from it first. Secret values are never shown. As JSON it follows
`/api/v1/schema/inventory.json`.

```console
$ kafka-sentinel audit --inventory --config sentinel.yaml
$ kafka-sentinel audit --inventory --format json --output inventory.json
```

It also lists Deployments, Services, ServiceAccounts, NetworkPolicies and Strimzi's KafkaNodePools, KafkaTopics and
KafkaUsers of Kafka's namespace, with the rights of whoever calls it; the chart gives none of these to the daemon.
It asks for no Secret and no ConfigMap; those that are mounted are named with their pods.
"""

WORDS = {Flavour.STRIMZI: "Strimzi", Flavour.BITNAMI: "Bitnami's chart"}


def render_docs() -> str:
    title = f"## The rules\n\nThere are {len(RULES)}. Which part each needs stands in brackets behind its name.\n"
    return "\n".join([HEAD, title, *(_section(name, rules) for name, rules in SECTIONS)])


def _section(name: str, rules: tuple[Rule, ...]) -> str:
    head = ["| rule | severity | finds | why it matters | how to mend it |", "|---|---|---|---|---|"]
    return "\n".join([f"### {name}\n", *head, *map(_row, rules), ""])


def _row(rule: Rule) -> str:
    needs = ", ".join(part.value for part in Part if part in rule.needs)
    only = f"; {WORDS[rule.where]} only" if rule.where is not None else ""
    severities = " or ".join(rule.severities)
    mend = [f"{f'**{WORDS[flavour]}:** ' if flavour in WORDS else ''}{text}" for flavour, text in rule.mend.items()]
    cells = [f"`{rule.id}` ({needs}{only})", severities, rule.title, rule.why, "<br>".join(mend)]
    return f"| {' | '.join(cells)} |"
