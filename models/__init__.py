"""Image classifiers, their weights, and the form in which rule-based methods read them."""
