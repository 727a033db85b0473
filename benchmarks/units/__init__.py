"""Units of a network: what they respond to, shown in images and named in words."""
