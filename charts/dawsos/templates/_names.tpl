{{- define "dawsos.fullname" -}}
{{- .Values.fullnameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "dawsos.secret" -}}
{{- .Values.secret | default (printf "%s-env" .Release.Name) -}}
{{- end -}}

{{/* Labels that select: (dict "root" $ "component" NAME "deployment" ID-or-empty) */}}
{{- define "dawsos.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .deployment }}
dawsos.dev/deployment: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* All labels of an object; `app` is what a person types after `kubectl get pods -l`. */}}
{{- define "dawsos.labels" -}}
{{ include "dawsos.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: {{ include "dawsos.fullname" .root }}
app: {{ include "dawsos.fullname" .root }}-{{ .component }}
dawsos.dev/environment: {{ .root.Values.environment | quote }}
{{- end -}}

{{/* An object's name and labels: (dict "root" $ "component" NAME "deployment" ID-or-empty "name" NAME) */}}
{{- define "dawsos.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "dawsos.labels" . | nindent 2 }}
  helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{/* A value as text: whole numbers of a values file arrive as floats, and would be 1e+06 */}}
{{- define "dawsos.text" -}}
{{- if kindIs "float64" . -}}
{{- if eq . (floor .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* repository:tag or repository@digest of (dict "image" {...} "tag" DEFAULT) */}}
{{- define "dawsos.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ include "dawsos.text" (.image.tag | default .tag) }}
{{- end -}}
{{- end -}}

{{/* Name of a workload of one deployment: FULLNAME-COMPONENT for main, FULLNAME-COMPONENT-ID else */}}
{{- define "dawsos.workload" -}}
{{- $base := printf "%s-%s" (include "dawsos.fullname" .root) .component -}}
{{- if eq .deployment "main" -}}{{ $base }}{{- else -}}{{ $base }}-{{ .deployment }}{{- end -}}
{{- end -}}

{{/* The id of the deployment that users reach */}}
{{- define "dawsos.stable" -}}
{{- .Values.stable | default (.Values.deployments | empty | ternary "main" "none") -}}
{{- end -}}

{{/*
The deployments as JSON: {ID: {backend: IMAGE, worker: IMAGE, release, commit, replicas, workers, env}}.
Without `deployments` there is `main` from the plain values, or nothing yet where `stable` is `none`.
*/}}
{{- define "dawsos.deployments" -}}
{{- $root := . -}}
{{- $all := dict -}}
{{- if or .Values.deployments (eq .Values.stable "none") -}}
{{- range $id, $one := .Values.deployments -}}
{{- $images := $one.images -}}
{{- $any := index (values $images) 0 -}}
{{- $backend := index $images $root.Values.backend.imageName | default $any -}}
{{- $_ := set $all $id (dict "backend" $backend "worker" (index $images $root.Values.worker.imageName | default $backend) "release" ($one.release | default "") "commit" ($one.commit | default "") "replicas" (hasKey $one "replicas" | ternary $one.replicas $root.Values.replicas) "workers" (hasKey $one "workers" | ternary $one.workers true) "env" ($one.env | default dict)) -}}
{{- end -}}
{{- else -}}
{{- if not (or .Values.image.tag .Values.image.digest) -}}
{{- fail "image.tag and image.digest are empty: name the image to run, for example --set image.tag=$(git rev-parse HEAD)" -}}
{{- end -}}
{{- $backend := include "dawsos.image" (dict "image" .Values.image "tag" "") -}}
{{- $worker := $backend -}}
{{- with .Values.worker.image -}}
{{- if .repository -}}
{{- if not (or .tag .digest $root.Values.image.tag) -}}
{{- if $root.Values.worker.enabled -}}{{- fail "worker.image has neither tag nor digest, and image.tag is empty: name the image of the worker, set worker.image.repository to \"\" for that of the backend, or worker.enabled=false" -}}{{- end -}}
{{- else -}}
{{- $worker = include "dawsos.image" (dict "image" . "tag" $root.Values.image.tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $all "main" (dict "backend" $backend "worker" $worker "release" .Values.image.digest "commit" "" "replicas" .Values.replicas "workers" true "env" dict) -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}
