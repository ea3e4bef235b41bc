"""Programs bound to the world: guards, arguments, results, the short ways in."""
