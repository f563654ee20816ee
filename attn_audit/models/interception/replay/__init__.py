"""Ways to the logits under other attention, from the cheapest to the surest."""
