{{/* Labels of every object; call with the root. Names are fixed: agents of two installations would share a node's pins. */}}
{{- define "udplb.labels" -}}
app.kubernetes.io/name: udplb
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* By digest where one is given, otherwise by tag; call with (list root image). */}}
{{- define "udplb.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}{{ with $image.tag }}:{{ . }}{{ end }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What the operator's image runs as, also in hooks; call with nothing. */}}
{{- define "udplb.restricted.pod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "udplb.restricted.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What the pods of hooks have in common; call with the root. */}}
{{- define "udplb.hook.pod" -}}
restartPolicy: Never
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.operator.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
securityContext:
  {{- include "udplb.restricted.pod" . | nindent 2 }}
{{- end }}
{{- define "udplb.hook.container" -}}
image: {{ include "udplb.image" (list . .Values.operator.image) }}
imagePullPolicy: {{ .Values.operator.image.pullPolicy }}
{{- with .Values.operator.env }}
env:
{{- toYaml . | nindent 0 }}
{{- end }}
resources:
  requests: {cpu: 10m, memory: 32Mi}
  limits: {memory: 256Mi}
securityContext:
  {{- include "udplb.restricted.container" . | nindent 2 }}
{{- end }}
