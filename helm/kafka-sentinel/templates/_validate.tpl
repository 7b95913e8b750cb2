{{/* What no schema can say: combinations that cannot work. Each ends the rendering with one sentence. */}}
{{- define "kafka-sentinel.validate" -}}
{{- $kafka := .Values.kafka }}
{{- $user := .Values.strimzi.kafkaUser }}
{{- $elsewhere := and (not (dig "kubernetes" "enabled" true .Values.settings)) (dig "kafka" "cluster_name" "" .Values.settings) }}
{{- if not (or $kafka.clusterName $elsewhere) }}
{{- fail "kafka.clusterName is missing: the name of the Kafka cluster (of the Strimzi resource, the Helm release or the StatefulSet)" }}
{{- end }}
{{- if not (or (include "kafka-sentinel.givenServers" .) (include "kafka-sentinel.strimzi" .)) }}
{{- fail "kafka.bootstrapServers is missing: this Kubernetes cluster has no Strimzi resources to derive it from (if it has, set strimzi.enabled to true)" }}
{{- end }}
{{- if and $user.create (not (has $kafka.auth.type (list "tls" "scram-sha-512"))) }}
{{- fail (printf "kafka.auth.type is %s, and strimzi.kafkaUser.create needs tls or scram-sha-512: Strimzi makes no other users" $kafka.auth.type) }}
{{- end }}
{{- include "kafka-sentinel.validateSecrets" . }}
{{- if and (include "kafka-sentinel.armed" .) .Values.rbac.create (not .Values.rbac.experiments) }}
{{- fail "settings.experiments.armed_for is set while rbac.experiments is false: armed experiments need the rights to be done; set rbac.experiments to true, or disarm" }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) (include "kafka-sentinel.usesApi" .) }}
{{- fail "serviceAccount.name is missing: with serviceAccount.create false, it has to name an account that is there" }}
{{- end }}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}
{{- fail "podMonitor.enabled and serviceMonitor.enabled exclude each other: every series would be scraped twice" }}
{{- end }}
{{- if eq (int (dig "http" "port" 9464 .Values.settings)) 0 }}
{{- fail "settings.http.port cannot be 0 here: the Service and the probes need to know the port" }}
{{- end }}
{{- if and .Values.strimzi.kafkaTopic.create (dig "probe" "manage_topic" false .Values.settings) }}
{{- fail "settings.probe.manage_topic is true while strimzi.kafkaTopic.create is: two would change the same topic, so leave one of them off" }}
{{- end }}
{{- end }}

{{- define "kafka-sentinel.validateSecrets" -}}
{{- $auth := .Values.kafka.auth }}
{{- range $key := list "password" "key_password" "client_secret" }}
{{- if dig "kafka" "security" $key "" $.Values.settings }}
{{- fail (printf "settings.kafka.security.%s would stand in a ConfigMap for all to read: use kafka.auth.existingSecret, or a variable from a Secret in extraEnv" $key) }}
{{- end }}
{{- end }}
{{- range $key, $_ := dig "kafka" "properties" dict .Values.settings }}
{{- if and (ne $key "ssl.ca.pem") (regexMatch "password|secret|token|\\.pem$|oauthbearer\\.config" $key) }}
{{- fail (printf "settings.kafka.properties: %s would stand in a ConfigMap for all to read: give it by a variable from a Secret in extraEnv" $key) }}
{{- end }}
{{- end }}
{{- $namespace := include "kafka-sentinel.kafkaNamespace" . }}
{{- if ne $namespace .Release.Namespace }}
{{- $across := printf "Secrets cannot cross namespaces, and the one that Strimzi makes is in %s: install the release there, or set %%s to a copy of it in %s" $namespace .Release.Namespace }}
{{- if and .Values.strimzi.kafkaUser.create (not $auth.existingSecret) }}
{{- fail (printf $across "kafka.auth.existingSecret") }}
{{- end }}
{{- if and (include "kafka-sentinel.caSecret" .) (not .Values.kafka.tls.existingSecret) }}
{{- fail (printf $across "kafka.tls.existingSecret") }}
{{- end }}
{{- end }}
{{- if and (ne $auth.type "none") (not (include "kafka-sentinel.authSecret" .)) }}
{{- fail (printf "kafka.auth.existingSecret is missing: kafka.auth.type %s needs a Secret, or strimzi.kafkaUser.create" $auth.type) }}
{{- end }}
{{- if and (has $auth.type (list "plain" "scram-sha-256" "scram-sha-512")) (not $auth.username) (not .Values.strimzi.kafkaUser.create) (not (dig "kafka" "security" "username" "" .Values.settings)) }}
{{- fail (printf "kafka.auth.username is missing: kafka.auth.type %s signs in by a user name" $auth.type) }}
{{- end }}
{{- end }}
