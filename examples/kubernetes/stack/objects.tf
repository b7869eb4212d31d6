resource "kubectl_manifest" "namespace" {
  yaml_body = yamlencode({
    apiVersion = "v1"
    kind       = "Namespace"
    metadata   = { name = "shop" }
  })
}

resource "kubectl_manifest" "settings" {
  yaml_body = yamlencode({
    apiVersion = "v1"
    kind       = "ConfigMap"
    metadata   = { name = "settings", namespace = "shop", labels = { team = "shop" } }
    data = {
      "log.level"  = "info"
      "limits.ini" = "[requests]\nper_minute = 100\n"
      "banner"     = ""
    }
  })

  depends_on = [kubectl_manifest.namespace]
}

resource "kubectl_manifest" "notes" {
  for_each = toset(["plain", "a.b"])

  yaml_body = yamlencode({
    apiVersion = "v1"
    kind       = "ConfigMap"
    metadata   = { name = "note-${each.key}", namespace = "shop" }
    data       = { text = each.key }
  })

  depends_on = [kubectl_manifest.namespace]
}

# A value that only the cluster and the state have.
resource "kubectl_manifest" "credentials" {
  yaml_body = <<-YAML
    apiVersion: v1
    kind: Secret
    metadata:
      name: credentials
      namespace: shop
    type: Opaque
    data:
      password: cHJhY3RpY2Utb25seQ==
  YAML

  depends_on = [kubectl_manifest.namespace]
}

# Most of what is live in it are defaults of the cluster.
resource "kubectl_manifest" "web" {
  wait_for_rollout = false # nobody runs the pods

  yaml_body = <<-YAML
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: web
      namespace: shop
      labels: {app: web}
    spec:
      replicas: 2
      selector:
        matchLabels: {app: web}
      template:
        metadata:
          labels: {app: web}
        spec:
          containers:
            - name: web
              image: registry.example/shop/web:1.4.2
              ports:
                - containerPort: 8080
              resources:
                limits: {cpu: 1000m, memory: 0.5Gi}
              env:
                - {name: LOG_LEVEL, value: info}
                - {name: REGION, value: "harbor-2"}
  YAML

  depends_on = [kubectl_manifest.namespace]
}

resource "kubectl_manifest" "web_service" {
  yaml_body = <<-YAML
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      namespace: shop
      labels: {team: shop}
      annotations: {practice.example/owner: shop}
    spec:
      selector: {app: web}
      ports:
        - {name: http, port: 80, targetPort: 8080}
  YAML

  depends_on = [kubectl_manifest.namespace]
}

resource "kubectl_manifest" "reader" {
  server_side_apply = true
  force_conflicts   = true

  yaml_body = <<-YAML
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata: {name: reader, namespace: shop}
    rules:
      - apiGroups: [""]
        resources: [configmaps]
        verbs: [get, list]
  YAML

  depends_on = [kubectl_manifest.namespace]
}

resource "kubectl_manifest" "readers" {
  yaml_body = <<-YAML
    apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata: {name: readers, namespace: shop}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
    subjects:
      - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: support}
  YAML

  depends_on = [kubectl_manifest.reader]
}

resource "kubectl_manifest" "berths" {
  yaml_body = <<-YAML
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: berths.practice.example}
    spec:
      group: practice.example
      scope: Namespaced
      names: {plural: berths, singular: berth, kind: Berth}
      versions:
        - name: v1
          served: true
          storage: true
          schema:
            openAPIV3Schema:
              type: object
              properties:
                spec:
                  type: object
                  properties:
                    depth: {type: number}
                    lights: {type: boolean, default: true}
                    ships: {type: array, items: {type: string}}
  YAML
}

resource "kubectl_manifest" "berth" {
  yaml_body = <<-YAML
    apiVersion: practice.example/v1
    kind: Berth
    metadata: {name: north, namespace: shop}
    spec:
      depth: 7.5
      ships: [hope, patience]
  YAML

  depends_on = [kubectl_manifest.namespace, kubectl_manifest.berths]
}

# The code leaves how many there are to somebody else.
resource "kubectl_manifest" "worker" {
  wait_for_rollout = false
  ignore_fields    = ["spec.replicas"]

  yaml_body = <<-YAML
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: worker, namespace: shop}
    spec:
      replicas: 1
      selector:
        matchLabels: {app: worker}
      template:
        metadata:
          labels: {app: worker}
        spec:
          containers:
            - {name: worker, image: "registry.example/shop/worker:1"}
  YAML

  depends_on = [kubectl_manifest.namespace]
}
