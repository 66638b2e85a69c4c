"""What people have done to records: who, what, why. Nothing in it is ever changed."""
