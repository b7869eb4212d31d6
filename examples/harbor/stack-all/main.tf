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

provider "harbor" {} # HARBOR_URL, HARBOR_TOKEN, HARBOR_ACCESS_KEY

locals {
  tags = {
    Team  = "harbor"
    Stage = "practice"
  }
}

resource "harbor_firewall" "web" {
  name        = "web"
  description = "Front door"
  tags        = local.tags

  rules = [
    { direction = "in", protocol = "tcp", from_port = 443, to_port = 443, cidrs = ["0.0.0.0/0"], description = "https" },
    { direction = "in", protocol = "tcp", from_port = 22, to_port = 22, cidrs = ["10.20.0.0/16", "10.21.0.0/16"] },
  ]
}

resource "harbor_instance" "web" {
  count = 3

  name          = "web-${count.index}"
  instance_type = "m.small"
  firewall_ids  = [harbor_firewall.web.id]
  user_data     = "echo web"
  tags          = local.tags

  metadata_options = {
    http_tokens = "required"
    hop_limit   = 1
  }
}

resource "harbor_template" "worker" {
  name          = "worker"
  image         = "img-0a1b2c3d"
  instance_type = "m.large"
  tags          = local.tags
}

resource "harbor_scaling_group" "worker" {
  name        = "worker"
  min_size    = 2
  max_size    = 8
  template_id = harbor_template.worker.id
  tags        = local.tags
}

resource "harbor_bucket" "logs" {
  name  = "logs"
  parts = "separate"
  tags  = local.tags

  lifecycle_rules = [
    { id = "raw", prefix = "raw/", expire_days = 30, enabled = true },
  ]
}

resource "harbor_bucket_policy" "logs" {
  bucket_id = harbor_bucket.logs.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = "team:operations", Action = "read", Resource = "*" }]
  })
}

resource "harbor_bucket_versioning" "logs" {
  bucket_id = harbor_bucket.logs.id
  enabled   = true
}

resource "harbor_bucket_encryption" "logs" {
  bucket_id = harbor_bucket.logs.id
  algorithm = "kms"
  key_id    = harbor_key.logs.id
}

resource "harbor_bucket_public_access" "logs" {
  bucket_id        = harbor_bucket.logs.id
  block_acls       = true
  block_policy     = true
  ignore_acls      = true
  restrict_buckets = true
}

resource "harbor_bucket" "plain" {
  name = "plain"
}

resource "harbor_key" "logs" {
  name        = "logs"
  description = "for logs"
  rotation    = true
  tags        = local.tags
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = "team:operations", Action = "use", Resource = "*" }]
  })
}

resource "harbor_role" "worker" {
  name        = "worker"
  description = "what workers are"
  tags        = local.tags
  trust_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = "compute", Action = "assume" }]
  })
}

resource "harbor_role_policy_attachment" "worker" {
  for_each = toset(["policy/read-only", "policy/queue-reader"])

  role_id = harbor_role.worker.id
  policy  = each.key
}

resource "harbor_role_policy" "worker" {
  role_id = harbor_role.worker.id
  name    = "logs"
  policy  = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "write", Resource = "logs" }] })
}

resource "harbor_function" "resize" {
  name            = "resize"
  runtime         = "go1"
  role_id         = harbor_role.worker.id
  code_hash       = "c0de0"
  memory_mb       = 256
  timeout_seconds = 30
  tags            = local.tags

  environment = {
    LOG_LEVEL = "info"
    QUEUE     = harbor_queue.jobs.url
  }
}

resource "harbor_queue" "jobs" {
  name                       = "jobs"
  visibility_timeout_seconds = 60
  redrive_policy             = jsonencode({ maxReceiveCount = 3 })
  tags                       = local.tags
}

resource "harbor_database" "main" {
  name     = "main"
  engine   = "postgres"
  size     = "small"
  password = "practice-only"

  parameters = {
    max_connections = "200"
  }

  users = [
    { name = "app", role = "writer", token = "practice-token-app" },
  ]
}

resource "harbor_dns_record" "site" {
  for_each = { www = ["192.0.2.10", "192.0.2.11"], api = ["192.0.2.20"] }

  zone   = "practice.example"
  name   = each.key
  type   = "A"
  values = each.value
}
