{{- define "nuvem.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* `nuvem` for a release of that name: nobody wants to type nuvem-nuvem. */ -}}
{{- define "nuvem.fullname" -}}
{{- $name := include "nuvem.name" . -}}
{{- $default := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $default .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* A Deployment's selector can never change: nothing that an upgrade changes belongs in here. */ -}}
{{- define "nuvem.selectorLabels" -}}
app.kubernetes.io/name: {{ include "nuvem.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nuvem.labels" -}}
{{ include "nuvem.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "nuvem.serviceAccountName" -}}
{{- default (include "nuvem.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "nuvem.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "nuvem.region" -}}
{{- required "region is missing: the AWS Region of resources that name none themselves, for example --set region=eu-west-1" .Values.region -}}
{{- end -}}
