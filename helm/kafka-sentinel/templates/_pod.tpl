{{/* What the daemon's pod and that of `helm test` have in common: the same image, account, files and rights. */}}

{{- define "kafka-sentinel.podBasics" -}}
serviceAccountName: {{ include "kafka-sentinel.serviceAccount" . }}
automountServiceAccountToken: {{ eq (include "kafka-sentinel.usesApi" .) "true" }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
tolerations:
  {{- range list "not-ready" "unreachable" }}
  - key: node.kubernetes.io/{{ . }}
    operator: Exists
    effect: NoExecute
    tolerationSeconds: {{ $.Values.nodeLostSeconds }}
  {{- end }}
  {{- with .Values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "kafka-sentinel.fullname" . }}-config
  {{- with include "kafka-sentinel.caSecret" . }}
  - name: ca
    secret:
      secretName: {{ . }}
      items:
        - key: {{ $.Values.kafka.tls.caKey }}
          path: ca.crt
  {{- end }}
  {{- with include "kafka-sentinel.authSecret" . }}
  - name: auth
    secret:
      secretName: {{ . }}
      items:
        {{- if eq $.Values.kafka.auth.type "tls" }}
        - key: {{ $.Values.kafka.auth.certKey }}
          path: user.crt
        - key: {{ $.Values.kafka.auth.keyKey }}
          path: user.key
        {{- else }}
        - key: {{ $.Values.kafka.auth.passwordKey }}
          path: password
        {{- end }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "kafka-sentinel.containerBasics" -}}
image: {{ include "kafka-sentinel.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: KAFKA_SENTINEL_CONFIG
    value: /etc/kafka-sentinel/config/config.yaml
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/kafka-sentinel/config
    readOnly: true
  {{- if include "kafka-sentinel.caSecret" . }}
  - name: ca
    mountPath: /etc/kafka-sentinel/ca
    readOnly: true
  {{- end }}
  {{- if include "kafka-sentinel.authSecret" . }}
  - name: auth
    mountPath: /etc/kafka-sentinel/auth
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Unless the user has an affinity of his own: what dies with the brokers cannot tell of it. */}}
{{- define "kafka-sentinel.affinity" -}}
{{- $s := include "kafka-sentinel.settings" . | fromYaml }}
{{- if .Values.affinity -}}
{{ toYaml .Values.affinity }}
{{- else -}}
{{- if .Values.avoidSpotNodes -}}
nodeAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      preference:
        # NotIn also holds for nodes without the label.
        matchExpressions:
          {{- range $one := include "kafka-sentinel.spotLabels" . | fromYamlArray }}
          - key: {{ $one.key }}
            operator: NotIn
            values: [{{ $one.value | quote }}]
          {{- end }}
          {{- range $key, $value := $s.kubernetes.spot_labels }}
          - key: {{ $key }}
            operator: NotIn
            values: [{{ $value | quote }}]
          {{- end }}
{{ end }}
{{- with and .Values.avoidBrokerNodes $s.kubernetes.enabled (include "kafka-sentinel.brokerLabels" . | fromYamlArray) -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    {{- range . }}
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        namespaces: [{{ $s.kubernetes.namespace }}]
        labelSelector:
          matchLabels:
            {{- toYaml . | nindent 12 }}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "kafka-sentinel.spotLabels" -}}
- {key: karpenter.sh/capacity-type, value: spot}
- {key: eks.amazonaws.com/capacityType, value: SPOT}
- {key: cloud.google.com/gke-spot, value: "true"}
- {key: cloud.google.com/gke-preemptible, value: "true"}
- {key: kubernetes.azure.com/scalesetpriority, value: spot}
- {key: kubernetes.azure.com/priority, value: spot}
{{- end }}

{{/*
The labels of brokers and controllers: a list, for it may not be known how Kafka was installed. Strimzi's entity operator
has the cluster's labels, too, and may well be on the only node that is not spot.
*/}}
{{- define "kafka-sentinel.brokerLabels" -}}
{{- $k := (include "kafka-sentinel.settings" . | fromYaml).kubernetes }}
{{- $flavour := $k.flavour | default "auto" }}
{{- if $k.selector }}
- {{ toJson $k.selector }}
{{- else }}
{{- if has $flavour (list "auto" "strimzi") }}
- {strimzi.io/cluster: {{ $k.cluster | quote }}, strimzi.io/name: {{ printf "%s-kafka" $k.cluster | quote }}}
{{- end }}
{{- if has $flavour (list "auto" "bitnami") }}
- {app.kubernetes.io/name: kafka, app.kubernetes.io/instance: {{ $k.cluster | quote }}}
{{- end }}
{{- end }}
{{- end }}
