terraform {
  required_version = ">= 1.6.0"

  required_providers {
    harborlegacy = {
      source  = "taffrail.example/practice/harborlegacy"
      version = "0.1.0"
    }
  }

  backend "local" {}
}

provider "harborlegacy" {
  request_timeout = 60 # the address comes from HARBOR_URL
}
