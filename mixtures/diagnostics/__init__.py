"""What a posterior sample is asked: mixing, switching, prediction, sensitivity."""
