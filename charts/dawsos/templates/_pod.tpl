{{/* What restricted Pod Security asks for, and more: (dict "user" UID) */}}
{{- define "dawsos.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 .user }}
runAsGroup: {{ int64 .user }}
fsGroup: {{ int64 .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "dawsos.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where pods run, and that they are given no token: the root context */}}
{{- define "dawsos.placement" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The addresses of the embedded pair.  Kubernetes puts the passwords in: no manifest has them. */}}
{{- define "dawsos.embeddedEnv" -}}
{{- $name := include "dawsos.fullname" . -}}
{{- $secret := include "dawsos.secret" . -}}
{{- if .Values.embedded.postgres }}
{{- range $role := list "APP" "OWNER" }}
- name: POSTGRES_{{ $role }}_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: POSTGRES_{{ $role }}_PASSWORD}}
{{- end }}
- name: POSTGRES_PASSWORD
  value: ""
- name: DATABASE_URL
  value: postgresql://dawsos_app:$(POSTGRES_APP_PASSWORD)@{{ $name }}-postgres:5432/dawsos
- name: DATABASE_OWNER_URL
  value: postgresql://dawsos_owner:$(POSTGRES_OWNER_PASSWORD)@{{ $name }}-postgres:5432/dawsos
{{- end }}
{{- if .Values.embedded.redis }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: REDIS_PASSWORD}}
- name: REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ $name }}-redis:6379/0
{{- end }}
{{- end -}}

{{/* Variables of every container of ours: (dict "root" $ "id" DEPLOYMENT "one" {...}) */}}
{{- define "dawsos.env" -}}
- name: HOST
  value: 0.0.0.0
- name: PORT
  value: {{ .root.Values.backend.port | quote }}
{{- if .root.Values.worker.enabled }}
- name: {{ .root.Values.worker.portVariable }}
  value: {{ .root.Values.worker.port | quote }}
{{- end }}
- name: DEPLOYMENT_ID
  value: {{ .id | quote }}
{{- with .one.commit }}
- name: GIT_SHA
  value: {{ . | quote }}
{{- end }}
{{- if ne .root.Values.ledger.kind "none" }}
- name: LEDGER_DIR
  value: /ledger
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: deployment.environment.name={{ .root.Values.environment }}
{{- include "dawsos.embeddedEnv" .root }}
{{- range $key, $value := .one.env }}
- name: {{ $key }}
  value: {{ include "dawsos.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* The folder of the journals, and /tmp: the root context */}}
{{- define "dawsos.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if ne .Values.ledger.kind "none" }}
- {name: ledger, mountPath: /ledger}
{{- end }}
{{- end -}}

{{- define "dawsos.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if eq .Values.ledger.kind "emptyDir" }}
- name: ledger
  emptyDir: {}
{{- else if ne .Values.ledger.kind "none" }}
- name: ledger
  persistentVolumeClaim: {claimName: {{ .Values.ledger.claim | default (printf "%s-ledger" (include "dawsos.fullname" .)) }}}
{{- end }}
{{- end -}}

{{/* A claim that one node at a time may mount keeps the pods that mount it together: (dict "root" $) */}}
{{- define "dawsos.affinity" -}}
{{- if and (eq .Values.ledger.accessMode "ReadWriteOnce") (has .Values.ledger.kind (list "create" "existing")) }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}, dawsos.dev/ledger: "true"}
{{- end }}
{{- end -}}

{{/* Probes: (dict "health" PATH "ready" PATH) for a container with the port `http` */}}
{{- define "dawsos.probes" -}}
startupProbe:
  # Health alone: a database that is away makes no pod start again and again.
  {{- include "dawsos.ask" .health | nindent 2 }}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 120
readinessProbe:
  {{- include "dawsos.ask" (.ready | default .health) | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 3
livenessProbe:
  {{- include "dawsos.ask" .health | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{- define "dawsos.ask" -}}
{{- if . -}}
httpGet: {path: {{ . }}, port: http}
{{- else -}}
tcpSocket: {port: http}
{{- end -}}
{{- end -}}

{{/*
A Deployment of one release: (dict "root" $ "component" backend|worker "id" ID "one" {...} "run" .Values.COMPONENT "image" IMAGE "replicas" N)
*/}}
{{- define "dawsos.deployment" -}}
{{- $root := .root -}}
{{- $names := dict "root" $root "component" .component "deployment" .id -}}
{{- $meta := merge (dict "name" (include "dawsos.workload" $names)) $names -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "dawsos.metadata" $meta | nindent 2 }}
  annotations:
    dawsos.dev/release: {{ .one.release | quote }}
    dawsos.dev/commit: {{ .one.commit | quote }}
spec:
  replicas: {{ .replicas }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: 300
  selector:
    matchLabels:
      {{- include "dawsos.selector" $names | nindent 6 }}
  strategy:
    {{- if eq .component "backend" }}
    # A pod ends only when another one is ready in its place.
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
    {{- else }}
    rollingUpdate: {maxSurge: 1, maxUnavailable: 1}
    {{- end }}
  template:
    metadata:
      labels:
        {{- include "dawsos.labels" $names | nindent 8 }}
        dawsos.dev/ledger: "true"
      annotations:
        dawsos.dev/release: {{ .one.release | quote }}
        dawsos.dev/commit: {{ .one.commit | quote }}
        dawsos.dev/config: {{ $root.Values.config | toJson | sha256sum | trunc 16 | quote }}
        {{- if and $root.Values.prometheusAnnotations .run.metrics }}
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ .run.port | quote }}
        prometheus.io/path: {{ .run.metrics }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "dawsos.fullname" $root }}-{{ .component }}
      {{- include "dawsos.placement" $root | nindent 6 }}
      {{- include "dawsos.affinity" $root | nindent 6 }}
      {{- if eq .component "backend" }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "dawsos.selector" $names | nindent 14 }}
      {{- end }}
      terminationGracePeriodSeconds: {{ add $root.Values.drainSeconds $root.Values.graceSeconds }}
      securityContext:
        {{- include "dawsos.podSecurity" (dict "user" $root.Values.user) | nindent 8 }}
      containers:
        - name: {{ .component }}
          image: {{ .image | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          {{- with .run.command }}
          command: {{ toJson . }}
          {{- end }}
          {{- with .run.args }}
          args: {{ toJson . }}
          {{- end }}
          envFrom:
            - configMapRef: {name: {{ include "dawsos.fullname" $root }}-config}
            - secretRef: {name: {{ include "dawsos.secret" $root }}}
          env:
            {{- include "dawsos.env" (dict "root" $root "id" .id "one" .one) | nindent 12 }}
          ports:
            - {name: http, containerPort: {{ .run.port }}}
          {{- include "dawsos.probes" .run | nindent 10 }}
          {{- if eq .component "backend" }}
          lifecycle:
            preStop:
              # Kubernetes sleeps: the image has no program for it.  Meanwhile everybody learns that the pod is leaving.
              sleep: {seconds: {{ $root.Values.drainSeconds }}}
          {{- end }}
          securityContext:
            {{- include "dawsos.containerSecurity" . | nindent 12 }}
          resources:
            {{- toYaml .run.resources | nindent 12 }}
          volumeMounts:
            {{- include "dawsos.mounts" $root | nindent 12 }}
      volumes:
        {{- include "dawsos.volumes" $root | nindent 8 }}
{{- end -}}

{{/*
The pod of a command that ends: (dict "root" $ "component" job "id" ID "one" {...} "name" CONTAINER "command" [..] "ledger" bool
"account" SERVICE_ACCOUNT "secrets" [NAME..] "inline" bool) with `inline` the configuration stands in the pod: a hook runs before the ConfigMap is there.
*/}}
{{- define "dawsos.jobPod" -}}
{{- $root := .root -}}
{{- $bare := not .ledger -}}
{{- $scope := .ledger | ternary $root (dict "Values" (merge (dict "ledger" (dict "kind" "emptyDir")) (omit $root.Values "ledger")) "Chart" $root.Chart "Release" $root.Release) -}}
metadata:
  labels:
    {{- include "dawsos.labels" (dict "root" $root "component" "job" "deployment" .id) | nindent 4 }}
    {{- if .ledger }}
    dawsos.dev/ledger: "true"
    {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .account }}
  {{- include "dawsos.placement" $root | nindent 2 }}
  {{- if .ledger }}
  {{- include "dawsos.affinity" $root | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "dawsos.podSecurity" (dict "user" $root.Values.user) | nindent 4 }}
  {{- range $key := list "first" "command" }}
  {{- if index $ $key }}
  {{ eq $key "first" | ternary "initContainers" "containers" }}:
    - name: {{ eq $key "first" | ternary "migrate" $.name }}
      image: {{ $.one.backend | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{ toJson (index $ $key) }}
      envFrom:
        {{- if not $.inline }}
        - configMapRef: {name: {{ include "dawsos.fullname" $root }}-config}
        {{- end }}
        - secretRef: {name: {{ include "dawsos.secret" $root }}}
        {{- if and $root.Values.migrations.secret (or (eq $.name "migrate") (eq $key "first")) }}
        - secretRef: {name: {{ $root.Values.migrations.secret }}}
        {{- end }}
      env:
        {{- if $.inline }}
        {{- range $variable, $value := $root.Values.config }}
        - name: {{ $variable }}
          value: {{ include "dawsos.text" $value | quote }}
        {{- end }}
        {{- end }}
        {{- include "dawsos.env" (dict "root" $scope "id" $.id "one" $.one) | nindent 8 }}
      securityContext:
        {{- include "dawsos.containerSecurity" $ | nindent 8 }}
      resources:
        {{- toYaml $root.Values.backend.resources | nindent 8 }}
      volumeMounts:
        {{- include "dawsos.mounts" $scope | nindent 8 }}
  {{- end }}
  {{- end }}
  volumes:
    {{- include "dawsos.volumes" $scope | nindent 4 }}
{{- end -}}
