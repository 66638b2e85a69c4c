"""SQL of webhooks: what operators set, who sends, and the deliveries."""
