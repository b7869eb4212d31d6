# The local name of the provider is that of the types, not that of its address.
terraform {
  required_version = ">= 1.6.0"

  required_providers {
    harborlegacy = {
      source  = "taffrail.example/practice/harbormixed"
      version = "0.1.0"
    }
  }

  backend "local" {}
}

provider "harborlegacy" {
  request_timeout = 60 # the address comes from HARBOR_URL
}

resource "harborlegacy_bucket" "old" {
  name = "old"
  tags = {}

  website {}

  lifecycle_rule {
    id      = "all"
    enabled = false
  }
}

resource "harborlegacy_database" "old" {
  name        = "old"
  engine      = "postgres"
  size        = "small"
  description = ""

  timeouts {
    read = "90s"
  }
}

resource "harborlegacy_alias" "full" {
  zone    = "practice.example"
  name    = "full"
  target  = "old.practice.example"
  comment = "on the new framework"
  proxied = false
  weights = { a = 1, b = 0 }
  score   = 0.1

  probe {
    path = "/healthz"
    port = 443
  }
}

resource "harborlegacy_alias" "zero" {
  zone    = "practice.example"
  name    = "zero"
  target  = ""
  comment = ""
  proxied = false
  weights = {}
  score   = 0

  probe {
    path = ""
  }
}

resource "harborlegacy_alias" "bare" {
  zone   = "practice.example"
  name   = "bare"
  target = "old.practice.example"
}
