"""The graph, and what is made of it before there is code: checks, rules, loops, lowering."""
