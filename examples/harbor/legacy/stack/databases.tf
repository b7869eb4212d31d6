resource "harborlegacy_database" "main" {
  name                = "main"
  engine              = "postgres"
  size                = "small"
  description         = "The only one that counts"
  password            = "practice-only-password"
  backup_retention    = 14
  deletion_protection = true
  access_policy       = jsonencode({ who = ["team:operations"], effect = "allow" })
  parameters          = { max_connections = "200", "log.level" = "info" }

  user {
    name  = "app"
    role  = "writer"
    token = "practice-token-app"
  }

  user {
    name = "report"
  }

  timeouts {
    read   = "90s"
    create = "5m"
  }
}

resource "harborlegacy_database" "bare" {
  name   = "bare"
  engine = "mysql"
  size   = "small"
}

resource "harborlegacy_database" "zero" {
  name                = "zero"
  engine              = "postgres"
  size                = "small"
  description         = ""
  backup_retention    = 0
  deletion_protection = false
  skip_final_snapshot = false
  parameters          = {}

  user {
    name  = "app"
    role  = ""
    token = ""
  }

  timeouts {}
}
