terraform {
  required_version = ">= 1.6.0"

  required_providers {
    kubectl = {
      source  = "taffrail.example/gavinbunney/kubectl"
      version = "1.19.0"
    }
  }

  backend "local" {}
}

variable "server" {
  description = "Address of the API server."
  type        = string
}

variable "ca" {
  description = "Certificate that the API server's own is signed with, PEM."
  type        = string
}

variable "token" {
  description = "Bearer token of whoever deploys."
  type        = string
  sensitive   = true
}

provider "kubectl" {
  host                   = var.server
  cluster_ca_certificate = var.ca
  token                  = var.token
  load_config_file       = false
  apply_retry_count      = 5
}
