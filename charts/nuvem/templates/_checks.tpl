{{- /* What values.schema.json cannot say, or not in words that help. */ -}}
{{- define "nuvem.checks" -}}
{{- range $key, $_ := .Values.defaultTags -}}
{{- if regexMatch "^((?i:aws:)|nuvem\\.dev/)" $key -}}
{{- fail (printf "defaultTags: %q cannot be set: keys that begin with aws: are AWS's, those that begin with nuvem.dev/ are the operator's" $key) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "POD_NAME" "POD_NAMESPACE") -}}
{{- fail (printf "extraEnv: %s is set by the chart itself" .name) -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false, so serviceAccount.name has to name one that exists: the namespace's `default` is every pod's" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled needs metrics.service.enabled: the monitor finds the pods through that Service" -}}
{{- end -}}
{{- end -}}
