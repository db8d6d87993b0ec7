"""The paper's tables, measured anew: train what a row names, score or time it, set it beside."""
