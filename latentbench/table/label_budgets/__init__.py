"""How many labels a model needs: curves over label budgets, and what they say in words."""
