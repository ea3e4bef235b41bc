"""Native programs for single operations of eager mode."""
