terraform {
  required_version = ">= 1.6.0"

  required_providers {
    time = {
      source  = "taffrail.example/hashicorp/time"
      version = "0.14.2"
    }
  }

  backend "local" {}
}

resource "time_static" "founded" {
  rfc3339 = "2020-02-29T12:00:00Z"
}

resource "time_static" "applied" {}

resource "time_offset" "review" {
  base_rfc3339 = time_static.founded.rfc3339
  offset_years = 1
}

resource "time_rotating" "key" {
  rotation_years = 50
}

resource "time_rotating" "spent" {
  rotation_years = 50
}

resource "time_sleep" "settle" {
  create_duration = "1ms"

  triggers = { review = time_offset.review.rfc3339 }
}
