# What is in sync, and does not look it: each of these is stored in one form and
# read in another, and the provider takes both for the same.

# The type has an id of its own, so that it does not show which SDK it is made
# with; null is stored, "" and false are read.
resource "harborlegacy_dns_record" "own_id" {
  zone   = "practice.example"
  name   = "own-id"
  type   = "TXT"
  values = ["v=1"]
}

# The cloud keeps the zone without its dot.
resource "harborlegacy_dns_record" "dotted" {
  zone    = "practice.example."
  name    = "dotted"
  type    = "TXT"
  values  = ["v=1"]
  comment = "with a dot"
  proxied = true
}

# The cloud writes the engine in lower case.
resource "harborlegacy_database" "cased" {
  name   = "cased"
  engine = "MySQL"
  size   = "small"
}

# The cloud's JSON is spelled in another way.
resource "harborlegacy_database" "spelled" {
  name          = "spelled"
  engine        = "postgres"
  size          = "small"
  access_policy = <<-JSON
    { "who": ["team:operations"], "effect": "allow" }
  JSON
}

# 2^53 + 1: one more than a double can tell apart, and the old SDK takes a stored
# number for a double.
resource "harborlegacy_bucket" "vast" {
  name        = "vast"
  quota_bytes = 9007199254740993
}
