"""Examples: training images that explain a decision, images that stand for many, and images that change a decision."""
