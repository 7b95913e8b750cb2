{{/* Names and labels. */}}

{{- define "kafka-sentinel.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of objects in the release's namespace: it has the release in it, so that releases do not meet. */}}
{{- define "kafka-sentinel.fullname" -}}
{{- $name := include "kafka-sentinel.name" . }}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $both | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The Job before `helm uninstall`: its name becomes a label of its pod. */}}
{{- define "kafka-sentinel.undoName" -}}
{{- printf "%s-undo" (include "kafka-sentinel.fullname" . | trunc 58 | trimSuffix "-") }}
{{- end }}

{{/* The name of objects that do not lie in the release's namespace, or in none. The colon is in no namespace's name. */}}
{{- define "kafka-sentinel.globalName" -}}
{{- printf "%s:%s" .Release.Namespace (include "kafka-sentinel.fullname" .) }}
{{- end }}

{{- define "kafka-sentinel.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "kafka-sentinel.fullname" .) }}
{{- end }}

{{/* What selects all pods of the release, that of `helm test` too. */}}
{{- define "kafka-sentinel.releaseLabels" -}}
app.kubernetes.io/name: {{ include "kafka-sentinel.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What selects the daemon's pod, and no other. */}}
{{- define "kafka-sentinel.selectorLabels" -}}
{{ include "kafka-sentinel.releaseLabels" . }}
app.kubernetes.io/component: daemon
{{- end }}

{{- define "kafka-sentinel.labels" -}}
{{- include "kafka-sentinel.labelsAnd" (list . dict) }}
{{- end }}

{{/* The labels of an object, with more of them: (list $ map). Those that selectors go by are not to be changed. */}}
{{- define "kafka-sentinel.labelsAnd" -}}
{{- $root := index . 0 }}
{{- $own := include "kafka-sentinel.releaseLabels" $root | fromYaml }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- merge $own (index . 1) $root.Values.commonLabels | toYaml }}
{{- end }}

{{/* `name:tag`, or `name@sha256:…`. */}}
{{- define "kafka-sentinel.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{/* A binding of our account to a role, and the head of that role: (dict "root" $ "kind" "for" "namespace"). */}}
{{- define "kafka-sentinel.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  {{- include "kafka-sentinel.roleMetadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ include "kafka-sentinel.globalName" .root }}:{{ .for }}
subjects:
  - kind: ServiceAccount
    name: {{ include "kafka-sentinel.serviceAccount" .root }}
    namespace: {{ .root.Release.Namespace }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  {{- include "kafka-sentinel.roleMetadata" . | nindent 2 }}
{{- end }}

{{- define "kafka-sentinel.roleMetadata" -}}
name: {{ include "kafka-sentinel.globalName" .root }}:{{ .for }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "kafka-sentinel.labels" .root | nindent 2 }}
{{- end }}

{{/*
A file of rules or a dashboard, with links to where the runbooks are, and the other pages of docs one folder above them:
(list $ text). Where the runbooks are ours, so are the others.
*/}}
{{- define "kafka-sentinel.linked" -}}
{{- $docs := "https://github.com/kafka-sentinel/kafka-sentinel/blob/main/docs/" }}
{{- $runbooks := (index . 0).Values.runbooks }}
{{- $text := index . 1 | replace (print $docs "runbooks/") (print $runbooks "/") }}
{{- contains $docs $runbooks | ternary $text (replace $docs (print $runbooks "/../") $text) }}
{{- end }}
