{{- /* What the operator needs in each namespace it serves. Each verb has its reason. */ -}}
{{- define "nuvem.namespacedRules" -}}
- apiGroups: [nuvem.dev]
  resources: [ec2instances]
  # get: read live before a launch, a delete, and before the finalizer goes. list, watch: the queue. patch: the finalizer, never the spec.
  verbs: [get, list, watch, patch]
- apiGroups: [nuvem.dev]
  resources: [ec2instances/status]
  # get: read back what a write that got no answer left. patch, update: the one status write of a reconcile, with uid and resourceVersion.
  verbs: [get, patch, update]
- apiGroups: [""]
  resources: [configmaps]
  # get: user data. list, watch: a changed ConfigMap wakes the resources that refer to it.
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [secrets]
  {{- if .Values.secrets.watch }}
  # get: user data, by name. list, watch: secrets.watch is true, so a changed Secret wakes the resources that refer to it.
  verbs: [get, list, watch]
  {{- else }}
  # get: user data, by the name that a resource of the same namespace gives. No list and no watch unless secrets.watch is true.
  verbs: [get]
  {{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  # create: what was done in AWS and what was found there. patch: the count of an event that repeats.
  verbs: [create, patch]
{{- end -}}

{{- /* What no Role can grant, because it belongs to no namespace. */ -}}
{{- define "nuvem.clusterRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  # get: the uid of kube-system, the cluster's default id. list, watch: the annotation nuvem.dev/region, and which namespaces are being deleted.
  verbs: [get, list, watch]
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [ec2instances.nuvem.dev]
  # get: while a definition itself is being deleted, its resources' deletions in AWS wait.
  verbs: [get]
{{- end -}}
