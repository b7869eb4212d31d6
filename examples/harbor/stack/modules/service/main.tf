terraform {
  required_providers {
    harbor = {
      source = "taffrail.example/practice/harbor"
    }
  }
}

variable "name" {
  type = string
}

variable "zone" {
  type = string
}

variable "database_host" {
  type = string
}

variable "tags" {
  type    = map(string)
  default = {}
}

resource "harbor_bucket" "assets" {
  name   = "${var.name}-assets"
  region = "harbor-2"
  tags   = var.tags
}

resource "harbor_firewall" "this" {
  name           = var.name
  default_action = "allow"
  tags           = var.tags
}

resource "harbor_dns_record" "alias" {
  for_each = toset(["db", "db.internal"])

  zone   = var.zone
  name   = "${each.key}.${var.name}"
  type   = "CNAME"
  values = [var.database_host]
}

output "bucket_id" {
  value = harbor_bucket.assets.id
}
