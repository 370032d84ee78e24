"""What all websites of Countersign share: their look, and the layers that protect them."""
