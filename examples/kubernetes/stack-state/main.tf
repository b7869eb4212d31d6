# The cluster that holds the object holds the state as well.
terraform {
  required_version = ">= 1.6.0"

  required_providers {
    kubectl = {
      source  = "taffrail.example/gavinbunney/kubectl"
      version = "1.19.0"
    }
  }

  # KUBE_CONFIG_PATH names the kubeconfig.
  backend "kubernetes" {
    secret_suffix = "shop"
    namespace     = "default"
  }
}

provider "kubectl" {} # the same

resource "kubectl_manifest" "notes" {
  for_each = toset(["one", "two"])

  yaml_body = yamlencode({
    apiVersion = "v1"
    kind       = "ConfigMap"
    metadata   = { name = "note-${each.key}", namespace = "default" }
    data       = { text = each.key }
  })
}
