"""The kind `paths`: selectors keep channels that carry a decision, and metrics score these selections."""
