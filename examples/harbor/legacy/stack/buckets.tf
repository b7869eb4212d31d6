resource "harborlegacy_bucket" "full" {
  name        = "full"
  region      = "harbor-2"
  versioning  = true
  quota_bytes = 1099511627776
  tags        = { team = "ops", empty = "" }

  # The cloud's spelling is its own, and the provider does not mind.
  policy = <<-JSON
    {
      "who": ["team:operations", "team:audit"],
      "effect": "allow",
      "limits": { "per_hour": 100, "burst": 1.0 }
    }
  JSON

  encryption {
    algorithm = "aes256"
    key_id    = "key-7"
  }

  website {
    index = "index.html"
  }

  lifecycle_rule {
    id          = "raw"
    prefix      = "raw/"
    expire_days = 30
    enabled     = true

    transition {
      days  = 7
      class = "cold"
    }

    transition {
      class = "warm"
    }
  }

  lifecycle_rule {
    id      = "all"
    enabled = false
  }

  grant {
    who         = "team:operations"
    permissions = ["read", "write"]
  }

  grant {
    who         = "team:audit"
    permissions = ["read"]
  }
}

resource "harborlegacy_bucket" "bare" {
  name = "bare"
}

resource "harborlegacy_bucket" "zero" {
  name        = "zero"
  versioning  = false
  quota_bytes = 0
  policy      = ""
  tags        = {}

  website {}

  lifecycle_rule {
    id          = "none"
    prefix      = ""
    expire_days = 0
    enabled     = false
  }

  grant {
    who         = "nobody"
    permissions = []
  }
}

# Some of it is left to others.
resource "harborlegacy_bucket" "guarded" {
  name = "guarded"
  tags = { team = "ops", other = "x" }

  encryption {
    algorithm = "aes256"
    key_id    = "key-7"
  }

  grant {
    who         = "team:audit"
    permissions = ["read"]
  }

  lifecycle {
    ignore_changes = [tags["team"], encryption[0].key_id, grant]
  }
}
