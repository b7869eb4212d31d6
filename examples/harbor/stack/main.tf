locals {
  tags = {
    environment = var.environment
    managed_by  = "code"
  }

  records = {
    "www"   = { type = "A", values = ["192.0.2.10", "192.0.2.11"] }
    "a.b/c" = { type = "TXT", values = ["owner=harbor", "v=\"1\""] }
  }
}

resource "harbor_firewall" "web" {
  name        = "web"
  description = "Front door"
  tags        = local.tags

  rules = [
    {
      direction   = "in"
      protocol    = "tcp"
      from_port   = 443
      to_port     = 443
      cidrs       = ["0.0.0.0/0"]
      description = "https"
    },
    {
      direction = "in"
      protocol  = "tcp"
      from_port = 22
      to_port   = 22
      cidrs     = var.office_cidrs
    },
  ]
}

resource "harbor_firewall" "worker" {
  count = var.worker_count

  name = "worker-${count.index}"
  rules = [{
    direction = "in"
    protocol  = "tcp"
    from_port = 8000 + count.index
    to_port   = 8000 + count.index
    cidrs     = ["10.0.0.0/8"]
  }]
}

resource "harbor_bucket" "logs" {
  name        = "logs"
  versioning  = true
  quota_bytes = 9007199254740993 # 2^53 + 1: one more than a double can tell apart
  tags        = local.tags

  encryption = {
    algorithm = "aes256"
    key_id    = "key-7"
  }

  lifecycle_rules = [
    { id = "raw", prefix = "raw/", expire_days = 30, enabled = true },
    { id = "all", expire_days = 365, enabled = true },
  ]

  policy = jsonencode({
    statements = [{
      effect  = "allow"
      actions = ["read", "list"]
      who     = ["team:operations"]
    }]
  })
}

resource "harbor_bucket" "plain" {
  name = "plain"
}

resource "harbor_database" "main" {
  name     = "main"
  engine   = "postgres"
  size     = "small"
  password = var.database_password

  parameters = {
    max_connections = "200"
    "log.level"     = "info"
  }

  users = [
    { name = "app", role = "writer", token = "practice-token-app" },
    { name = "report", role = "reader", token = "practice-token-report" },
  ]
}

resource "harbor_dns_record" "site" {
  for_each = local.records

  zone   = "practice.example"
  name   = each.key
  type   = each.value.type
  values = each.value.values
}

resource "harbor_dns_record" "mail" {
  zone           = "practice.example"
  name           = "mail"
  type           = "MX"
  ttl            = 600
  values         = ["mx1.practice.example", "mx2.practice.example"]
  priority_order = ["mx2.practice.example", "mx1.practice.example"]
}

module "shop" {
  source = "./modules/service"

  name          = "shop"
  zone          = "practice.example"
  database_host = harbor_database.main.endpoint.host
  tags          = local.tags
}

output "database_host" {
  value = harbor_database.main.endpoint.host
}

output "shop_bucket" {
  value = module.shop.bucket_id
}
