{{/* What the release is made for: the configuration of the daemon, which all other templates go by. */}}

{{/*
Whether Strimzi runs the Kafka cluster: "true" or "". That there is an operator says nothing of a Kafka whose bootstrap
servers are given: it may be another's.
*/}}
{{- define "kafka-sentinel.strimzi" -}}
{{- if ne (toString .Values.strimzi.enabled) "auto" -}}
{{- ternary "true" "" .Values.strimzi.enabled }}
{{- else if or .Values.strimzi.kafkaUser.create .Values.strimzi.kafkaTopic.create -}}
true
{{- else if not (include "kafka-sentinel.givenServers" .) -}}
{{- $served := or (.Capabilities.APIVersions.Has "kafka.strimzi.io/v1") (.Capabilities.APIVersions.Has "kafka.strimzi.io/v1beta2") }}
{{- ternary "true" "" $served }}
{{- end }}
{{- end }}

{{- define "kafka-sentinel.givenServers" -}}
{{- .Values.kafka.bootstrapServers | default (dig "kafka" "bootstrap_servers" "" .Values.settings) }}
{{- end }}

{{/* Strimzi serves v1 since 0.49, and nothing else since 1.0. */}}
{{- define "kafka-sentinel.strimziApi" -}}
{{- ternary "kafka.strimzi.io/v1" "kafka.strimzi.io/v1beta2" (.Capabilities.APIVersions.Has "kafka.strimzi.io/v1") }}
{{- end }}

{{- define "kafka-sentinel.kafkaNamespace" -}}
{{- dig "kubernetes" "namespace" "" .Values.settings | default .Values.kafka.namespace | default .Release.Namespace }}
{{- end }}

{{- define "kafka-sentinel.kafkaUser" -}}
{{- .Values.strimzi.kafkaUser.name | default (include "kafka-sentinel.fullname" .) }}
{{- end }}

{{/* Whether connections to Kafka are encrypted: "true" or "". */}}
{{- define "kafka-sentinel.tls" -}}
{{- if or .Values.kafka.tls.enabled (eq .Values.kafka.auth.type "tls") -}}
true
{{- end }}
{{- end }}

{{/* The Secret with the brokers' CA, or "": then a file of the user's, or the system's. */}}
{{- define "kafka-sentinel.caSecret" -}}
{{- if and (include "kafka-sentinel.tls" .) (not (dig "kafka" "security" "ca_file" "" .Values.settings)) -}}
{{- if .Values.kafka.tls.existingSecret -}}
{{ .Values.kafka.tls.existingSecret }}
{{- else if include "kafka-sentinel.strimzi" . -}}
{{ printf "%s-cluster-ca-cert" .Values.kafka.clusterName }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret by which we sign in, or "". */}}
{{- define "kafka-sentinel.authSecret" -}}
{{- if ne .Values.kafka.auth.type "none" -}}
{{- if .Values.kafka.auth.existingSecret -}}
{{ .Values.kafka.auth.existingSecret }}
{{- else if .Values.strimzi.kafkaUser.create -}}
{{ include "kafka-sentinel.kafkaUser" . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Gives a key of a section a value, unless `settings` gives it one: (list settings "section.section" "key" value). */}}
{{- define "kafka-sentinel.put" -}}
{{- $at := index . 0 }}
{{- range splitList "." (index . 1) }}
{{- if not (kindIs "map" (get $at .)) }}
{{- $_ := set $at . dict }}
{{- end }}
{{- $at = get $at . }}
{{- end }}
{{- if not (hasKey $at (index . 2)) }}
{{- $_ := set $at (index . 2) (index . 3) }}
{{- end }}
{{- end }}

{{/* The daemon's configuration, as YAML. */}}
{{- define "kafka-sentinel.settings" -}}
{{- $kafka := .Values.kafka }}
{{- $name := include "kafka-sentinel.fullname" . }}
{{- $s := deepCopy .Values.settings }}
{{- if not (hasKey $s "name") }}
{{- $_ := set $s "name" $name }}
{{- end }}
{{- $port := ternary 9093 9092 (eq (include "kafka-sentinel.tls" .) "true") }}
{{- $strimzi := printf "%s-kafka-bootstrap.%s.svc:%d" $kafka.clusterName (include "kafka-sentinel.kafkaNamespace" .) $port }}
{{- include "kafka-sentinel.put" (list $s "kafka" "bootstrap_servers" ($kafka.bootstrapServers | default $strimzi)) }}
{{- if $kafka.clusterName }}
{{- include "kafka-sentinel.put" (list $s "kafka" "cluster_name" $kafka.clusterName) }}
{{- end }}
{{- include "kafka-sentinel.putSecurity" (list $s .) }}
{{- include "kafka-sentinel.put" (list $s "group_consumer" "group_id" $name) }}
{{- if .Values.strimzi.kafkaTopic.create }}
{{- include "kafka-sentinel.put" (list $s "probe" "manage_topic" false) }}
{{- include "kafka-sentinel.put" (list $s "probe" "partitions" .Values.strimzi.kafkaTopic.partitions) }}
{{- end }}
{{- include "kafka-sentinel.put" (list $s "kubernetes" "enabled" true) }}
{{- if $s.kubernetes.enabled }}
{{- include "kafka-sentinel.put" (list $s "kubernetes" "namespace" (include "kafka-sentinel.kafkaNamespace" .)) }}
{{- if not $s.kubernetes.selector }}
{{- include "kafka-sentinel.put" (list $s "kubernetes" "cluster" $kafka.clusterName) }}
{{- end }}
{{- if include "kafka-sentinel.strimzi" . }}
{{- include "kafka-sentinel.put" (list $s "kubernetes" "flavour" "strimzi") }}
{{- end }}
{{- if not (dig "state" "file" "" $s) }}
{{- include "kafka-sentinel.put" (list $s "state" "config_map" (printf "%s-state" $name)) }}
{{- end }}
{{- end }}
{{- include "kafka-sentinel.put" (list $s "http" "port" 9464) }}
{{- toYaml $s }}
{{- end }}

{{/* The name of the Kafka cluster in the metrics' label: the environment wins, as it does in the daemon. */}}
{{- define "kafka-sentinel.clusterLabel" -}}
{{- $name := (include "kafka-sentinel.settings" . | fromYaml).kafka.cluster_name }}
{{- range .Values.extraEnv }}
{{- if and (eq .name "KAFKA_SENTINEL__KAFKA__CLUSTER_NAME") .value }}
{{- $name = .value }}
{{- end }}
{{- end }}
{{- $name }}
{{- end }}

{{- define "kafka-sentinel.putSecurity" -}}
{{- $s := index . 0 }}
{{- $root := index . 1 }}
{{- $auth := $root.Values.kafka.auth }}
{{- $tls := eq (include "kafka-sentinel.tls" $root) "true" }}
{{- $sasl := not (has $auth.type (list "none" "tls")) }}
{{- if or $tls $sasl }}
{{- $protocol := ternary (ternary "SASL_SSL" "SASL_PLAINTEXT" $tls) "SSL" $sasl }}
{{- include "kafka-sentinel.put" (list $s "kafka.security" "protocol" $protocol) }}
{{- end }}
{{- if include "kafka-sentinel.caSecret" $root }}
{{- include "kafka-sentinel.put" (list $s "kafka.security" "ca_file" "/etc/kafka-sentinel/ca/ca.crt") }}
{{- end }}
{{- if eq $auth.type "tls" }}
{{- include "kafka-sentinel.put" (list $s "kafka.security" "cert_file" "/etc/kafka-sentinel/auth/user.crt") }}
{{- include "kafka-sentinel.put" (list $s "kafka.security" "key_file" "/etc/kafka-sentinel/auth/user.key") }}
{{- end }}
{{- if $sasl }}
{{- include "kafka-sentinel.put" (list $s "kafka.security" "mechanism" (upper $auth.type)) }}
{{- include "kafka-sentinel.put" (list $s "kafka.security" "username" ($auth.username | default (include "kafka-sentinel.kafkaUser" $root))) }}
{{- include "kafka-sentinel.put" (list $s "kafka.security" "password_file" "/etc/kafka-sentinel/auth/password") }}
{{- end }}
{{- end }}

{{/* "true" if the service account of the pod is used at all. */}}
{{- define "kafka-sentinel.usesApi" -}}
{{- $s := include "kafka-sentinel.settings" . | fromYaml }}
{{- if and $s.kubernetes.enabled (not $s.kubernetes.kubeconfig) -}}
true
{{- end }}
{{- end }}

{{/* The name of the state ConfigMap and of its Lease, or "": the state is kept in a file, or not at all. */}}
{{- define "kafka-sentinel.stateName" -}}
{{- $s := include "kafka-sentinel.settings" . | fromYaml }}
{{- if $s.kubernetes.enabled -}}
{{- dig "state" "config_map" "" $s }}
{{- end }}
{{- end }}

{{- define "kafka-sentinel.stateNamespace" -}}
{{- dig "state" "namespace" "" .Values.settings | default .Release.Namespace }}
{{- end }}

{{/* "true" once experiments are armed, rehearsal or not. */}}
{{- define "kafka-sentinel.armed" -}}
{{- if dig "experiments" "armed_for" "" .Values.settings -}}
true
{{- end }}
{{- end }}

{{/* "true" if experiments may leave something to undo, and the daemon can be told to: then a Job waits for that. */}}
{{- define "kafka-sentinel.undoes" -}}
{{- $rehearsal := ne (toString (dig "experiments" "dry_run" true .Values.settings)) "false" }}
{{- if and (include "kafka-sentinel.armed" .) (not $rehearsal) (include "kafka-sentinel.stateName" .) -}}
true
{{- end }}
{{- end }}

{{/* The probe topics: what each is for → its name. */}}
{{- define "kafka-sentinel.topics" -}}
{{- $probe := (include "kafka-sentinel.settings" . | fromYaml).probe | default dict }}
probe: {{ $probe.topic | default "kafka-sentinel-probe" }}
{{- if dig "acks_one" "enabled" false $probe }}
probe-acks1: {{ dig "acks_one" "topic" "kafka-sentinel-probe-acks1" $probe }}
{{- end }}
{{- end }}

{{/* A duration of the configuration ("1d", "90s", 3600) in milliseconds. */}}
{{- define "kafka-sentinel.milliseconds" -}}
{{- $text := toString . }}
{{- $unit := regexFind "[a-z]+$" $text | default "s" }}
{{- $factor := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) $unit }}
{{- mulf (trimSuffix $unit $text | float64) $factor | int64 }}
{{- end }}
