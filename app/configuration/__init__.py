"""The configuration keys that charge points have reported."""
