variable "harbor_url" {
  description = "Address of the practice cloud; null takes HARBOR_URL."
  type        = string
  default     = null
}

variable "request_timeout" {
  description = "Seconds that the provider waits for each answer."
  type        = number
  default     = 120
}

variable "environment" {
  type    = string
  default = "practice"
}

variable "office_cidrs" {
  type    = set(string)
  default = ["10.20.0.0/16", "10.21.0.0/16"]
}

variable "worker_count" {
  type    = number
  default = 2
}

variable "database_password" {
  description = "A made-up password for a made-up database."
  type        = string
  sensitive   = true
  default     = "practice-only"
}
