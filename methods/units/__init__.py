"""What single units of a network respond to: images that drive them, and words that name them."""
