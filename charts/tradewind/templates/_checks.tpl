{{/* What a schema cannot say: values that contradict each other. */}}
{{- define "tradewind.checks" -}}
{{- if has .Release.Namespace .Values.tenants -}}
{{- fail (printf "tenants: %s is Tradewind's own namespace; a brand's channels need another" .Release.Namespace) -}}
{{- end -}}
{{- if or (eq .Values.role "Region") .Values.localRegion -}}
{{- if has .Values.runNamespace .Values.tenants -}}
{{- fail (printf "tenants: %s is runNamespace, whose Secrets are the databases' credentials; name two namespaces" .Values.runNamespace) -}}
{{- end -}}
{{- if eq .Values.runNamespace .Release.Namespace -}}
{{- fail (printf "runNamespace: %s is Tradewind's own namespace; retention needs another" .Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.role "Region") .Values.localRegion -}}
{{- fail "localRegion: set it on the hub's release (role: Hub); this one is a region already" -}}
{{- end -}}
{{- end -}}
