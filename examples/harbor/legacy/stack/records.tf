resource "harborlegacy_dns_record" "site" {
  for_each = {
    "www"   = ["192.0.2.10", "192.0.2.11"]
    "a.b/c" = ["192.0.2.12"]
  }

  zone    = "practice.example"
  name    = each.key
  type    = "A"
  values  = each.value
  comment = "for people"
  proxied = true
}

resource "harborlegacy_dns_record" "zero" {
  zone    = "practice.example"
  name    = "zero"
  type    = "TXT"
  ttl     = 0
  values  = [""]
  comment = ""
  proxied = false
}
