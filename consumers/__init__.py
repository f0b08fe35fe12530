"""The only place that speaks Kafka: topics in, dead letters out, and the loop between them."""
