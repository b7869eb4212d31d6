# A write-only attribute fed by an ephemeral variable: its value is neither in
# the plan nor in the state. Terraform 1.11 and OpenTofu 1.11 know these;
# OpenTofu 1.10 does not, so they are not part of ../stack.

terraform {
  required_version = ">= 1.11.0"

  required_providers {
    harbor = {
      source  = "taffrail.example/practice/harbor"
      version = "0.1.0"
    }
  }

  backend "local" {}
}

provider "harbor" {}

variable "admin_password" {
  description = "A made-up password for a made-up database."
  type        = string
  ephemeral   = true
  default     = "practice-only-admin"
}

variable "admin_password_version" {
  type    = number
  default = 1
}

resource "harbor_database" "secretive" {
  name                      = "secretive"
  engine                    = "mysql"
  size                      = "small"
  admin_password_wo         = var.admin_password
  admin_password_wo_version = var.admin_password_version
}
