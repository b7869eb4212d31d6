terraform {
  required_version = ">= 1.6.0"

  required_providers {
    harbor = {
      source  = "taffrail.example/practice/harbor"
      version = "0.1.0"
    }
  }

  backend "local" {}
}

provider "harbor" {
  url             = var.harbor_url # null: HARBOR_URL
  request_timeout = var.request_timeout
}
