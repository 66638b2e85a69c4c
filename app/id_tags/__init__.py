"""Id tags: who may charge."""
