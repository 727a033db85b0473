"""Which training images explain a decision, which images stand for many, and which change would alter a decision."""
