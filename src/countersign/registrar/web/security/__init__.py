"""What protects the registrar's website beyond what all websites share: counts of tries."""
