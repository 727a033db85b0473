"""The kind `networks`: metrics score a network by itself, and no explanation takes part."""
