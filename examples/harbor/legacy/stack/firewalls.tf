# Everything is set to something.
resource "harborlegacy_firewall" "full" {
  name           = "full"
  description    = "Front door"
  default_action = "deny"
  priority       = 10
  weight         = 0.1
  enabled        = true
  logging        = true
  owner          = "Ops@Practice.Example" # the cloud writes it in lower case
  banner         = "Keep out"             # the state has its digest alone
  tags           = { team = "ops", "cost/center" = "7" }
  limits         = { requests = 100, bursts = 0 }
  ports          = [22, 443]
  labels         = ["edge", "public"]
  notify         = ["first@practice.example", "second@practice.example"]

  rule {
    direction   = "in"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidrs       = ["0.0.0.0/0"]
    description = "https"
    log         = true
  }

  rule {
    direction = "in"
    from_port = 22
    to_port   = 22
    cidrs     = ["10.20.0.0/16", "10.21.0.0/16"]
  }

  egress = [{ protocol = "all", cidrs = ["0.0.0.0/0"] }]
}

# Nothing is set that can be left out.
resource "harborlegacy_firewall" "bare" {
  name = "bare"
}

# Everything is set to nothing.
resource "harborlegacy_firewall" "zero" {
  name        = "zero"
  description = ""
  priority    = 0
  weight      = 0
  enabled     = false
  logging     = false
  owner       = ""
  banner      = ""
  tags        = {}
  limits      = {}
  ports       = []
  labels      = []
  notify      = []
  egress      = []
}

# Blocks and elements of nothing.
resource "harborlegacy_firewall" "hollow" {
  count = 2

  name   = "hollow-${count.index}"
  tags   = { empty = "" }
  limits = { none = 0 }
  ports  = [0]
  notify = [""]

  rule {
    direction = "out"
    protocol  = ""
    from_port = 0
    cidrs     = []
  }
}
